"""Whether what several processes saw of one journal can have happened one after the other.

The journal's promise is linearizability: each call takes effect at one moment between its being made and its return. Checking that of
a history is hard in general, because all orders must be tried. Here it is linear, because a receipt names the place of its
event: the log, as it is in the end, is the order of all that changes anything. What is left to find is for each other call
(a read, a repeated key, a refusal) a place in the log, behind some event, such that

1. the state at that place gives just what the call returned, and the place is not within a batch;
2. if A returned before B was called, A's place is not behind B's; and if B appended, not behind the event before B's first.

The places of calls that appended are given, so 1 is asked of them at the event before their first (was the sequence as expected,
the key new), and 2 in the same way.

Sound: if such places exist, sort by place, what appended before what did not, and the latter among themselves by their
calls. Nothing there changes the state but what appended, so each call finds the state that gave what it returned (1), and no
call comes before another that had returned before it was made (2).

Complete: a linearization puts each call behind some event, where 1 and 2 hold. So it remains to decide whether places exist. All
conditions of 2 have the form "place of A <= place of B" (or a constant), so of two solutions the lesser place for each call is one too, and
if there is any solution there is a least one. It is found by giving each call, in the order in which they were made, the least
place that fits it and is not before the place of any call that had returned by then: those were all made before it, so
their places are known. If one finds none, there is no solution. Where a call returned something that later appends alone
explain, its place is behind them, and they fail as their calls are met: they were made after it had returned.

Calls without a return (and with `outcome_unknown`) may have taken effect: whose events those are is in attribution.py. They come
before nothing, so they ask only that they lie behind what had returned before they were made. Calls that returned `busy`,
`not_written`, `disk_full` or `closed` must have left nothing, and ask nothing.

Followers: each is given the events behind its start without a gap, each once, and in order; an event that was delivered is seen by
every call made from then on.
"""

from attribution import APPENDING, NOT_DONE, REFUSED, Attribution, items_of, may_have_been
from sequential import Violation


class Checker:
    """Checks one history against the log that it left. Raises `Violation`."""

    def __init__(self, log, history):
        self.log = log
        self.history = history
        self.counts = {"reads": 0, "refusals": 0, "repeated": 0, "appended": 0, "events": 0, "delivered": 0,
                       "unanswered": 0, "effective": 0, "not done": 0}

    def check(self):
        attribution = Attribution(self.log, self.history.ops)
        self.owner = attribution.owner
        # Within a batch there is no state: the place where the batch ends.
        self.batch_end = {}
        for op in self.history.ops:
            if op.first is not None:
                for sequence in range(op.first, op.last):
                    self.batch_end[sequence] = op.last
        moments = self.follow()
        for op in self.history.ops:
            if may_have_been(op):
                self.counts["unanswered"] += 1
                self.counts["effective"] += op.first is not None
            moments.append((op.invoked, 0, op))
            if not may_have_been(op):
                moments.append((op.returned, 1, op))
        # At the same moment calls come first: what is not certainly one after the other is at once.
        moments.sort(key=lambda moment: moment[:2])
        self.sweep(moments)

    def sweep(self, moments):
        """Gives each call its place, in the order in which they were made."""
        bound, witness = 0, None
        for time, kind, op in moments:
            if kind == 0:
                op.at = self.place(op, bound, witness)
            elif kind == 1:
                if op.at is not None and op.at > bound:
                    bound, witness = op.at, op
            else:
                following, sequence = op
                end = self.batch_end.get(sequence, sequence)
                if end > bound:
                    bound, witness = end, "%s was given sequence %d at %.6f" % (following, sequence, time / 1e9)

    def place(self, op, bound, witness):
        """The least place of a call that is not before `bound`, which `witness` had returned before."""
        if op.first is not None:
            if op.first <= bound:
                raise Violation(
                    "sequence %d against real time: sequence %d had been seen before the call was made" % (
                        op.first, bound), op, witness)
            if op.outcome == "ok":
                self.counts["appended"] += 1
                self.counts["events"] += op.last - op.first + 1
            return op.last
        if may_have_been(op):
            return None
        if op.outcome in NOT_DONE:
            self.counts["not done"] += 1
            return None
        if op.kind in ("snapshot", "compact"):
            if op.outcome != "ok":
                raise Violation("an error without a cause", op)
            return None
        if op.outcome == "ok":
            self.counts["repeated" if op.kind in APPENDING else "reads"] += 1
            least = getattr(self, "least_" + op.kind)(op)
        elif op.outcome in REFUSED.get(op.kind, ()):
            self.counts["refusals"] += 1
            least = getattr(self, op.outcome)(op)
        else:
            raise Violation("an error without a cause", op)
        place = self.settle(least, bound)
        if place is None:
            self.explain(op, least, bound, witness)
        return place

    def settle(self, least, bound):
        """The least place from `bound` on that fits and is not within a batch; None when there is none."""
        place = least(bound)
        while place is not None and place in self.batch_end:
            place = least(self.batch_end[place])
        return place if place is None or place <= len(self.log) else None

    def explain(self, op, least, bound, witness):
        """Why a call has no place."""
        earlier = self.settle(least, 0)
        if earlier is not None:
            raise Violation(
                "stale: this is the state at sequence %d, and sequence %d had been seen before the call was made" % (
                    earlier, bound), op, witness, self.log[bound])
        within = least(0)
        if within is not None and within in self.batch_end:
            raise Violation("a torn batch was seen, at sequence %d" % within, op, self.owner[within])
        raise Violation("no prefix of the log gives this", op)

    # ------------------------------------------------------------ Followers

    def follow(self):
        """What followers were given must be the log. Returns the moments at which it was seen."""
        moments = []
        for following in self.history.followings:
            expected = following.after
            for time, line in following.delivered:
                expected += 1
                event = self.log[expected]
                if event is None or event.line() != line:
                    raise Violation(
                        "a follower was given something else than the next event: " + line, following, event)
                moments.append((time, 2, (following, expected)))
            self.counts["delivered"] += len(following.delivered)
            if following.missed:
                raise Violation("a follower did not come to sequence %d" % following.missed, following)
            if following.end not in (None, "end", "closed"):
                raise Violation("a follower was ended by %s" % following.end, following)
        return moments

    # ------------------------------------------------------------ Where what was returned is the state
    #
    # Each gives a function from a place to the least place from there on that fits, or None.

    def exactly(self, op, sequence, is_right):
        """A view says itself which place it has; what it holds must be the state there."""
        if sequence > len(self.log):
            raise Violation("a view of sequence %d, which the log does not have" % sequence, op)
        if not is_right:
            raise Violation("not what the first %d events give" % sequence, op)
        return lambda place: sequence if sequence >= place else None

    def from_on(self, sequence):
        return lambda place: max(place, sequence)

    def within(self, first, end):
        """From `first` to before `end`; None for no end."""
        return lambda place: max(place, first) if end is None or max(place, first) < end else None

    def least_now(self, op):
        return self.exactly(op, int(op.result[0]), True)

    def least_read(self, op):
        name, last, before = op.args[0], *(None if word == "-" else int(word) for word in op.args[1:])
        found = self.memories(op, name, op.result[1:])
        if op.result[0] != "-":
            at = int(op.result[0])
            return self.exactly(op, at, self.log.memories(name, at, last, before) == found)

        def least(place):
            while place is not None and self.log.memories(name, place, last, before) != found:
                place = self.log.next_of(name, place)
            return place
        return least

    def memories(self, op, name, words):
        """The sequences of memories that were read, which must be what was added with them."""
        found = []
        for word in words:
            sequence, token, key = word.split(",")
            event = self.log[int(sequence)]
            if event is None or event.line() != "%s,add,%s,%s,%s" % (sequence, name, token, key):
                raise Violation("a memory was read that is not what the log has: " + word, op, event)
            found.append(int(sequence))
        return found

    def least_past(self, op):
        sequence, name = int(op.args[0]), op.args[1]
        found = self.memories(op, name, op.result[1:])
        if int(op.result[0]) != sequence or self.log.memories(name, sequence) != found:
            raise Violation("not what the first %d events give" % sequence, op)
        return self.from_on(sequence)

    def least_get(self, op):
        at, target = int(op.result[0]), int(op.args[0])
        event = self.log[target]
        there = "%s,%s" % (event.conversation, event.token) if self.log.is_live(target, at) else "-"
        return self.exactly(op, at, op.result[1] == there)

    def least_names(self, op):
        at = int(op.result[0])
        names = ["%s,%d" % pair for pair in self.log.names(op.args[0], at)]
        return self.exactly(op, at, op.result[1:] == names)

    def least_last(self, op):
        name, last = op.args[0], int(op.result[0])
        if last and self.log.last_of(name, last) != last:
            raise Violation("the conversation has no event with this sequence", op)
        return self.within(last, self.log.next_of(name, last))

    def least_events(self, op):
        after = int(op.args[0])
        if not op.result:
            return self.within(0, after + 1)
        for number, line in enumerate(op.result, after + 1):
            event = self.log[number]
            if event is None or event.line() != line:
                raise Violation("something else was read than the next event: " + line, op, event)
        return self.exactly(op, after + len(op.result), True)

    def least_label(self, op):
        at = int(op.result[0])
        flushes = self.log.labels.get(op.args[0], [])
        if at not in flushes:
            raise Violation("no flush with this label has this sequence", op)
        return self.within(at, next((flush for flush in flushes if flush > at), None))

    def least_add(self, op):
        """All its keys were known: each receipt is the first one's, which attribution has compared."""
        return self.from_on(max(int(word.split(",")[0]) for word in op.result))

    # ------------------------------------------------------------ Where the state is a reason to refuse

    def key_conflict(self, op):
        reasons, within = [], {}
        for item in items_of(op):
            if item.key is None:
                continue
            known = self.log.keys.get((item.conversation, item.key))
            if known and not item.made(self.log[known]):
                reasons.append(known)
            # Two contents with one key in one batch.
            if within.setdefault((item.conversation, item.key), item.token) != item.token:
                reasons.append(0)
        return self.from_on(min(reasons)) if reasons else lambda place: None

    def unexpected_sequence(self, op):
        item, expected = items_of(op)[0], op.args[0]
        known = item.key and self.log.keys.get((item.conversation, item.key))

        def least(place):
            if expected == "-":
                return None
            if self.log.last_of(item.conversation, place) == int(expected):
                place = self.log.next_of(item.conversation, place)
            # A known key gives its receipt, whatever was expected.
            return place if place is None or not known or place < known else None
        return least

    def no_such_memory(self, op):
        targets = [int(word) for word in (op.args if op.kind == "forget" else op.args[:1])]

        def least(place):
            if any(not self.log.is_live(target, place) for target in targets):
                return place
            ends = [self.log.died[target] for target in targets if target in self.log.died]
            return min(ends) if ends else None
        return least

    def no_such_point(self, op):
        if op.kind == "past":
            return self.within(0, int(op.args[0]))
        flushes = self.log.labels.get(op.args[0])
        return self.within(0, flushes[0] if flushes else None)
