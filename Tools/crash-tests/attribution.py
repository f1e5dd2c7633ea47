"""Whose each event of the log is.

Most is said by receipts and by contents that one call alone makes. What is left belongs to calls without a return, and where
several of those could have made it (the same key and content, the same memory forgotten, the same label), the one that
was called first is taken. That is no restriction: a call without a return comes before nothing in real time, so the only
thing that its being chosen asks is that its event lies behind what was answered before the call, and of all candidates the
first asks least.
"""

from sequential import Violation

# Certainly not written, by the contract of these errors; and refused for a reason that the state must have given.
NOT_DONE = {"busy", "not_written", "disk_full", "closed"}
REFUSED = {
    "add": {"key_conflict", "unexpected_sequence"},
    "forget": {"no_such_memory"},
    "replace": {"no_such_memory"},
    "past": {"no_such_point"},
    "label": {"no_such_point"},
}
APPENDING = {"add", "forget", "replace", "clear", "flush"}


def may_have_been(op):
    """Whether it may or may not have taken effect."""
    return op.outcome is None or op.outcome == "outcome_unknown"


class Item:
    """An item of an add."""

    __slots__ = ("conversation", "token", "key")

    def __init__(self, word):
        self.conversation, self.token, key = word.split(",")
        self.key = None if key == "-" else key

    def made(self, event):
        return (event is not None and event.kind == "add" and event.token == self.token
                and event.conversation == self.conversation and event.key == self.key)


def items_of(op):
    return [Item(word) for word in op.args[1:]]


class Receipt:
    __slots__ = ("sequence", "recorded", "is_new")

    def __init__(self, word):
        sequence, recorded, kind = word.split(",")
        self.sequence, self.recorded, self.is_new = int(sequence), int(recorded), kind == "new"


class Attribution:
    """Gives each event of the log the call that made it, and each call that appended its place."""

    def __init__(self, log, ops):
        self.log = log
        self.owner = {}
        appending = [op for op in ops if op.kind in APPENDING]
        for op in appending:
            if op.outcome == "ok":
                getattr(self, "take_" + op.kind)(op, [Receipt(word) for word in op.result])
        waiting = sorted((op for op in appending if may_have_been(op)), key=lambda op: op.invoked)
        self.find_tokens(appending)
        for op in waiting:
            if op.kind == "add" and len(op.args) == 2 and op.first is None:
                self.find_key(op)
            elif op.kind == "forget":
                self.find_forget(op)
        self.find_alike(waiting)
        for event in log.events:
            if event.sequence not in self.owner:
                raise Violation("the log has an event that nobody made", event)

    def own(self, op, first, last):
        for sequence in range(first, last + 1):
            other = self.owner.setdefault(sequence, op)
            if other is not op:
                raise Violation("two calls made one event, with sequence %d" % sequence, other, op)
        op.first, op.last = first, last

    def check_receipt(self, op, receipt):
        event = self.log[receipt.sequence]
        if event is None:
            raise Violation("what was acknowledged is lost: sequence %d" % receipt.sequence, op)
        if event.recorded != receipt.recorded:
            raise Violation("a receipt has another time than its event", op, event)
        return event

    # ------------------------------------------------------------ What was acknowledged

    def take_add(self, op, receipts):
        items = items_of(op)
        if len(items) != len(receipts):
            raise Violation("an add has not a receipt for each item", op)
        for item, receipt in zip(items, receipts):
            if not item.made(self.check_receipt(op, receipt)):
                raise Violation(
                    "a receipt is that of another memory, or what was acknowledged is lost", op,
                    self.log[receipt.sequence])
            if item.key is None and not receipt.is_new:
                raise Violation("a receipt is a repeated one without a key", op)
        new = [receipt.sequence for receipt in receipts if receipt.is_new]
        if not new:
            return
        if new != list(range(new[0], new[0] + len(new))):
            raise Violation("a batch is torn: its sequences do not follow one another", op)
        for receipt in receipts:
            if not receipt.is_new and receipt.sequence > new[-1]:
                raise Violation("a repeated key has a receipt from later", op)
        self.own(op, new[0], new[-1])
        self.check_expected(op)

    def check_expected(self, op):
        if not self.is_as_expected(op, op.first):
            name = op.args[1].split(",")[0]
            raise Violation(
                "an add that expected %s was taken, where the last event of the conversation had sequence %d" % (
                    op.args[0], self.log.last_of(name, op.first - 1)), op)

    def is_as_expected(self, op, sequence):
        name = op.args[1].split(",")[0]
        return op.args[0] == "-" or self.log.last_of(name, sequence - 1) == int(op.args[0])

    def take_forget(self, op, receipts):
        targets = [int(target) for target in op.args]
        events = [self.check_receipt(op, receipt) for receipt in receipts]
        if [(event.kind, event.target) for event in events] != [("forget", target) for target in targets]:
            raise Violation("a forgetting that was acknowledged is lost", op, *events)
        if any(events[i].sequence != events[0].sequence + i for i in range(len(events))):
            raise Violation("a batch is torn: its sequences do not follow one another", op)
        self.own(op, events[0].sequence, events[-1].sequence)

    def take_replace(self, op, receipts):
        event = self.check_receipt(op, receipts[0])
        self.own_replacement(op, event)

    def own_replacement(self, op, event):
        before = self.log[event.sequence - 1]
        if (event.kind, event.token) != ("add", op.args[1]):
            raise Violation("a replacement that was acknowledged is lost", op, event)
        if (before is None or (before.kind, before.target) != ("forget", int(op.args[0]))
                or before.conversation != event.conversation):
            raise Violation("a replacement is torn: the event before it does not forget the old memory", op, before, event)
        self.own(op, event.sequence - 1, event.sequence)

    def take_clear(self, op, receipts):
        self.take_one(op, receipts, op.args[0], "a clearing")

    def take_flush(self, op, receipts):
        self.take_one(op, receipts, op.args[0], "a flush")

    def take_one(self, op, receipts, name, what):
        event = self.check_receipt(op, receipts[0])
        if (event.kind, alike(event)) != (op.kind, name):
            raise Violation(what + " that was acknowledged is lost", op, event)
        self.own(op, event.sequence, event.sequence)

    # ------------------------------------------------------------ What was not answered

    def find_tokens(self, appending):
        """Contents without a key, which one call alone makes."""
        for op in appending:
            if op.outcome == "ok":
                continue
            if op.kind == "replace":
                self.find_replacement(op)
            elif op.kind == "add":
                self.find_batch(op)

    def find_replacement(self, op):
        there = self.log.tokens.get(op.args[1])
        if there:
            self.check_may_be(op, self.log[there])
            self.own_replacement(op, self.log[there])

    def find_batch(self, op):
        items = items_of(op)
        there = [self.log.tokens.get(item.token) if item.key is None else None for item in items]
        if not any(there):
            return
        self.check_may_be(op, self.log[next(filter(None, there))])
        # The first and the last item of a batch have no keys, so its events are all those between them.
        if not there[0] or not there[-1]:
            raise Violation("a batch is torn: not all of it is there", op)
        first, last = there[0], there[-1]
        left = first
        for item in items:
            if left <= last and item.made(self.log[left]):
                left += 1
            elif item.key is None:
                raise Violation("a batch is torn: not all of it is there, in order", op, self.log[left])
            else:
                known = self.log.keys.get((item.conversation, item.key))
                if known is None or known > last or not item.made(self.log[known]):
                    raise Violation("a batch is torn: an item with a key is not there", op, known and self.log[known])
        self.own(op, first, last)
        self.check_expected(op)

    def check_may_be(self, op, event):
        if not may_have_been(op):
            raise Violation("what was refused is there", op, event)

    def find_key(self, op):
        item = Item(op.args[1])
        sequence = self.log.keys.get((item.conversation, item.key))
        # Several may have expected different sequences; only one of them could be taken here.
        if (sequence and sequence not in self.owner and item.made(self.log[sequence])
                and self.is_as_expected(op, sequence)):
            self.own(op, sequence, sequence)

    def find_forget(self, op):
        targets = [int(target) for target in op.args]
        first = self.log.died.get(targets[0])
        if first is None or first in self.owner or self.log[first].kind != "forget":
            return
        for place, target in enumerate(targets):
            event = self.log[first + place]
            if event is None or (event.kind, event.target) != ("forget", target):
                raise Violation("a batch is torn: not all is forgotten", op, self.log[first], event)
        self.own(op, first, first + len(targets) - 1)

    def find_alike(self, waiting):
        """Flushes with the same label and clearings of the same conversation: the first call made the first event. As many
        events as there are of one kind need as many calls, and no other choice of them asks for less."""
        calls = {}
        for op in waiting:
            if op.kind in ("flush", "clear"):
                calls.setdefault((op.kind, op.args[0]), []).append(op)
        for event in self.log.events:
            if event.kind in ("flush", "clear") and event.sequence not in self.owner:
                left = calls.get((event.kind, alike(event)))
                if left:
                    self.own(left.pop(0), event.sequence, event.sequence)


def alike(event):
    return (event.label or "-") if event.kind == "flush" else event.conversation
