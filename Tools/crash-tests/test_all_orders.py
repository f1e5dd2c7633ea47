"""That the checker says what a search through all orders says, of thousands of small random histories, good ones and such as were
spoilt."""

import random
import unittest

from brute_force import NOTHING, Model, is_linearizable
from history import History, Op
from linearizability import Checker
from sequential import Log, Violation


class AllOrders(unittest.TestCase):
    CASES = 6000

    def test_agreement(self):
        found = {True: 0, False: 0}
        for seed in range(self.CASES):
            chance = random.Random(seed)
            ops, events = self.make(chance)
            self.assertEqual(self.verdict(ops, events), "", "seed %d, before it was spoilt" % seed)
            for _ in range(chance.randint(1, 2)):
                self.spoil(ops, events, chance)
            expected = is_linearizable(ops, events)
            found[expected] += 1
            message = self.verdict(ops, events)
            self.assertEqual(message == "", expected, "seed %d: %s\n%s\n%s" % (
                seed, message, "\n".join(map(str, ops)), " ".join(map(str, events))))
        # Else it would show nothing.
        self.assertGreater(min(found.values()), self.CASES // 5, found)

    def verdict(self, ops, events):
        history = History()
        for op in ops:
            op.first = op.last = op.at = None
            history.ops.append(op)
        try:
            Checker(Log(list(events)), history).check()
        except Violation as violation:
            return str(violation)
        return ""

    def make(self, chance):
        """Calls one after the other on the model; then each is stretched in time, and some get no return."""
        model, ops = Model(), []
        for number in range(chance.randint(3, 7)):
            kind, args = self.choose(number, len(model.events), chance)
            at = 20 * number
            op = Op(0, "%d" % number, kind, args, at - chance.randint(0, 50))
            with_view = kind == "read" and chance.random() < 0.5
            outcome, result = model.call(kind, args + ["%d" % len(model.events)] * with_view)
            if chance.random() < 0.8:
                op.returned, op.outcome, op.result = at + chance.randint(1, 50), outcome, result
            elif chance.random() < 0.3:
                op.returned, op.outcome = at + chance.randint(1, 50), "outcome_unknown"
            ops.append(op)
        return ops, model.events

    def choose(self, number, count, chance):
        name, key = chance.choice("ab"), chance.choice("jk")
        with_key = "%s,%s%s%s,%s" % (name, name, key, chance.choice("xy"), key)
        other, sequence = chance.choice("ab"), "%d" % chance.randint(1, max(count, 1))
        expected = "%d" % chance.randint(0, count)
        return chance.choice([
            ("add", ["-", "%s,t%d,-" % (name, number)]),
            ("add", ["-", with_key]),
            ("add", [expected, with_key]),
            ("add", [expected, "%s,t%d,-" % (name, number)]),
            ("add", ["-", "%s,t%d,-" % (name, number), with_key, "%s,u%d,-" % (other, number)]),
            ("forget", [sequence]), ("forget", [sequence]), ("replace", [sequence, "t%d" % number]),
            ("clear", [name]), ("flush", [key]), ("flush", [key]),
            ("read", [name, "-", "-"]), ("read", [name, "1", "-"]), ("read", [name, "-", sequence]),
            ("now", []), ("past", [sequence, name]), ("get", [sequence]), ("names", [chance.choice(["", name])]),
            ("last", [name]), ("label", [key]), ("events", [expected]),
        ])

    def spoil(self, ops, events, chance):
        """Changes something that a faulty journal might do otherwise."""
        op = chance.choice(ops)
        way = chance.randrange(7)
        if way < 3 and op.outcome is not None:
            # What it would have returned at another moment.
            place = chance.randint(0, len(events))
            with_view = op.kind == "read" and op.result[:1] not in ([], ["-"])
            op.outcome, op.result = Model(events[:place]).call(op.kind, op.args + ["%d" % place] * with_view)
        elif way == 3 and op.outcome is not None:
            shift = chance.randint(-60, 60)
            op.invoked, op.returned = op.invoked + shift, op.returned + shift
        elif way == 4 and events:
            events.pop()
        elif way == 5 and len(events) > 1:
            place = chance.randrange(len(events) - 1)
            first, second = events[place:place + 2]
            first.sequence, second.sequence = second.sequence, first.sequence
            events[place:place + 2] = second, first
        elif op.outcome is not None:
            op.outcome, op.result = chance.choice(NOTHING), []


if __name__ == "__main__":
    unittest.main()
