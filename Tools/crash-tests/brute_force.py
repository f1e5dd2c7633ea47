"""The same question as linearizability.py's, answered by trying all orders of a few calls, with a model that shares no code with it:
what the checker is tested against."""

from history import FOREVER, Event


class Model:
    """A journal as a list of events, and what each call returns of it."""

    def __init__(self, events=()):
        self.events = list(events)

    def memories(self, name):
        """(sequence, token, key) of a conversation's memories, in order."""
        found = []
        for event in self.events:
            if event.kind == "add" and event.conversation == name:
                found.append((event.sequence, event.token, event.key or "-"))
            elif event.kind == "forget":
                found = [memory for memory in found if memory[0] != event.target]
            elif event.kind == "clear" and event.conversation == name:
                found = []
        return found

    def conversation_of(self, target):
        """The conversation of a memory that is there."""
        for event in self.events:
            if event.sequence == target and event.kind == "add":
                if any(memory[0] == target for memory in self.memories(event.conversation)):
                    return event.conversation
        return None

    def last(self, name):
        return max((event.sequence for event in self.events if event.conversation == name), default=0)

    def with_key(self, name, key):
        return next((e for e in self.events if e.kind == "add" and (e.conversation, e.key) == (name, key)), None)

    def append(self, kind, **fields):
        self.events.append(Event(len(self.events) + 1, kind, **fields))
        return "%d,0,new" % len(self.events)

    def call(self, kind, args):
        """(outcome, result), applied."""
        return getattr(self, "call_" + kind)(*args)

    def call_add(self, expected, *words):
        items = [word.split(",") for word in words]
        known, within = {}, {}
        for number, (name, token, key) in enumerate(items):
            if key == "-":
                continue
            first = self.with_key(name, key)
            if (first.token if first else within.setdefault((name, key), token)) != token:
                return "key_conflict", []
            if first:
                known[number] = first.sequence
        if len(known) < len(items) and expected != "-" and self.last(items[0][0]) != int(expected):
            return "unexpected_sequence", []
        receipts = []
        for number, (name, token, key) in enumerate(items):
            first = key != "-" and self.with_key(name, key)
            receipts.append(
                "%d,0,replayed" % first.sequence if first else
                self.append("add", conversation=name, token=token, key=None if key == "-" else key))
        return "ok", receipts

    def call_forget(self, *words):
        names = [self.conversation_of(int(word)) for word in words]
        if None in names:
            return "no_such_memory", []
        return "ok", [self.append("forget", conversation=name, target=int(word)) for name, word in zip(names, words)]

    def call_replace(self, word, token):
        name = self.conversation_of(int(word))
        if name is None:
            return "no_such_memory", []
        self.append("forget", conversation=name, target=int(word))
        return "ok", [self.append("add", conversation=name, token=token)]

    def call_clear(self, name):
        return "ok", [self.append("clear", conversation=name)]

    def call_flush(self, label):
        return "ok", [self.append("flush", label=label)]

    def call_read(self, name, last, before, sequence="-"):
        found = [m for m in self.memories(name) if before == "-" or m[0] < int(before)]
        found = found if last == "-" else found[len(found) - min(int(last), len(found)):]
        return "ok", [sequence, *("%d,%s,%s" % memory for memory in found)]

    def call_now(self):
        return "ok", ["%d" % len(self.events)]

    def call_past(self, word, name):
        if int(word) > len(self.events):
            return "no_such_point", []
        return "ok", [word, *Model(self.events[:int(word)]).call_read(name, "-", "-")[1][1:]]

    def call_get(self, word):
        name = self.conversation_of(int(word))
        token = "-" if name is None else "%s,%s" % (name, self.events[int(word) - 1].token)
        return "ok", ["%d" % len(self.events), token]

    def call_names(self, prefix):
        names = sorted({e.conversation for e in self.events if (e.conversation or "").startswith(prefix) and e.conversation})
        counts = [(name, len(self.memories(name))) for name in names]
        return "ok", ["%d" % len(self.events), *("%s,%d" % pair for pair in counts if pair[1])]

    def call_last(self, name):
        return "ok", ["%d" % self.last(name)]

    def call_label(self, label):
        flushes = [event.sequence for event in self.events if event.label == label]
        return ("ok", ["%d" % flushes[-1]]) if flushes else ("no_such_point", [])

    def call_events(self, after):
        return "ok", [event.line() for event in self.events[int(after):]]


NOTHING = ("busy", "not_written", "disk_full", "closed")


def is_linearizable(calls, events):
    """Whether some order of the calls, each between its being made and its return, gives what they returned and leaves this log."""
    wanted = [event.line() for event in events]

    def search(left, model):
        if not left:
            return [event.line() for event in model.events] == wanted
        if [event.line() for event in model.events] != wanted[:len(model.events)]:
            return False
        # What is unknown may take effect after its return too: a recovery may write it again.
        earliest = min((op.returned for op in left if op.outcome != "outcome_unknown"), default=FOREVER)
        for op in left:
            if op.invoked > earliest:
                continue
            rest = [other for other in left if other is not op]
            unknown = op.outcome in (None, "outcome_unknown")
            if (unknown or op.outcome in NOTHING) and search(rest, model):
                return True
            if op.outcome in NOTHING:
                continue
            after = Model(model.events)
            # A view says which place it has.
            args = op.args
            if op.kind == "read" and not unknown and op.result and op.result[0] != "-":
                args = [*args, "%d" % len(model.events)]
            result = after.call(op.kind, args)
            if (unknown or result == (op.outcome, op.result)) and search(rest, after):
                return True
        return False

    return search(list(calls), Model())
