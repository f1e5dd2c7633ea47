"""What a journal is, sequentially: the state after each prefix of a log, asked for by sequence."""

from bisect import bisect_right


class Violation(Exception):
    """What cannot be, with the operations concerned."""

    def __init__(self, message, *concerned):
        super().__init__("\n    ".join([message, *(str(one) for one in concerned if one is not None)]))


class Log:
    """The events of a log by number, and the state after each of them."""

    def __init__(self, events):
        self.events = events
        # For each conversation: the sequences of its events, of its adds, and how many memories it held after each event.
        self.of, self.adds, self.counts = {}, {}, {}
        # When a memory went; absent while it lives.
        self.died = {}
        self.keys, self.tokens, self.labels = {}, {}, {}
        live = {}
        recorded = 0
        for number, event in enumerate(events, 1):
            if event.sequence != number:
                raise Violation("the log has a gap: event %d has another sequence" % number, event)
            if event.recorded < recorded:
                raise Violation("recorded times run backwards", events[number - 2], event)
            recorded = event.recorded
            self.apply(event, live)

    def apply(self, event, live):
        number, name = event.sequence, event.conversation
        if event.kind == "flush":
            self.labels.setdefault(event.label, []).append(number)
            return
        if event.kind == "other":
            raise Violation("the log has an event of a kind that nobody makes", event)
        there = live.setdefault(name, {})
        if event.kind == "add":
            if event.token.startswith("!"):
                raise Violation("the log has a content that nobody made", event)
            if event.token in self.tokens:
                raise Violation("one content was recorded twice", self.events[self.tokens[event.token] - 1], event)
            if event.key is not None and (name, event.key) in self.keys:
                raise Violation(
                    "one idempotency key was recorded twice", self.events[self.keys[name, event.key] - 1], event)
            self.tokens[event.token] = number
            if event.key is not None:
                self.keys[name, event.key] = number
            self.adds.setdefault(name, []).append(number)
            there[number] = True
        elif event.kind == "forget":
            if event.target not in there:
                raise Violation("the log forgets what is not there", event)
            del there[event.target]
            self.died[event.target] = number
        else:
            self.died.update((target, number) for target in there)
            there.clear()
        self.of.setdefault(name, []).append(number)
        self.counts.setdefault(name, []).append(len(there))

    def __len__(self):
        return len(self.events)

    def __getitem__(self, sequence):
        """The event with a sequence; None when there is none."""
        return self.events[sequence - 1] if 0 < sequence <= len(self.events) else None

    def is_live(self, target, at):
        event = self[target]
        return (event is not None and event.kind == "add" and target <= at
                and self.died.get(target, at + 1) > at)

    def last_of(self, conversation, at):
        """The sequence of a conversation's last event; 0 for none."""
        of = self.of.get(conversation, ())
        number = bisect_right(of, at)
        return of[number - 1] if number else 0

    def next_of(self, conversation, at):
        """The sequence of a conversation's next event; None for none."""
        of = self.of.get(conversation, ())
        number = bisect_right(of, at)
        return of[number] if number < len(of) else None

    def memories(self, conversation, at, last=None, before=None):
        """The sequences of a conversation's memories, as a read gives them."""
        adds = self.adds.get(conversation, ())
        number = bisect_right(adds, at if before is None else min(at, before - 1))
        found = []
        while number and (last is None or len(found) < last):
            number -= 1
            if self.died.get(adds[number], at + 1) > at:
                found.append(adds[number])
        return found[::-1]

    def names(self, prefix, at):
        """The conversations that hold memories, and how many."""
        found = []
        for name in self.of:
            if name.startswith(prefix):
                number = bisect_right(self.of[name], at)
                if number and self.counts[name][number - 1]:
                    found.append((name, self.counts[name][number - 1]))
        return sorted(found, key=lambda pair: pair[0].encode())
