"""What the processes recorded (worker/Recorder.swift says how), and what the journal's log holds in the end."""

import json

PENDING = None
FOREVER = float("inf")


class Op:
    """A call: when it was made, and when and what it returned. Without a return it is pending: it may have taken effect or not."""

    __slots__ = ("run", "name", "kind", "args", "invoked", "returned", "outcome", "result", "first", "last", "at")

    def __init__(self, run, name, kind, args, invoked):
        self.run, self.name, self.kind, self.args, self.invoked = run, name, kind, args, invoked
        self.returned, self.outcome, self.result = FOREVER, PENDING, []
        # Of one that appended: its first and last sequence. Of any: its place in the order, once that is known.
        self.first = self.last = self.at = None

    def __str__(self):
        end = ("no return" if self.outcome is PENDING else
               "returned at %.6f: %s %s" % (self.returned / 1e9, self.outcome, " ".join(self.result)))
        place = ", at sequence %s" % self.last if self.last else ""
        text = "process %s, call %s: %s %s%s; called at %.6f, %s" % (
            self.run, self.name, self.kind, " ".join(self.args), place, self.invoked / 1e9, end)
        return text if len(text) < 1500 else text[:1500] + "..."


class Following:
    """One who followed: after which sequence, and what was delivered when."""

    def __init__(self, run, name, after):
        self.run, self.name, self.after = run, name, after
        self.delivered = []
        self.end = None
        self.missed = None

    def __str__(self):
        return "process %s, follower %s after %d" % (self.run, self.name, self.after)


class History:
    """The calls and followers of all processes."""

    def __init__(self):
        self.ops = []
        self.followings = []
        # Codes that opening and closing returned, with how often.
        self.openings = {}

    def read(self, lines):
        """Takes the lines of one process."""
        run = None
        calls, following = {}, {}
        for line in lines:
            # A last line that the kill cut short says nothing.
            if not line.endswith("\n"):
                break
            kind, *words = line.split()
            if kind == "P":
                run = words[0]
            elif kind == "I":
                op = Op(run, words[1], words[2], words[3:], int(words[0]))
                calls[words[1]] = op
                self.ops.append(op)
            elif kind == "R":
                op = calls.pop(words[1])
                op.returned = int(words[0])
                op.outcome = "ok" if words[2] == "ok" else words[3]
                op.result = words[3:] if words[2] == "ok" else []
            elif kind == "D":
                following[words[1]].delivered.append((int(words[0]), words[2]))
            elif kind == "F":
                following[words[1]] = Following(run, words[1], int(words[2]))
                self.followings.append(following[words[1]])
            elif kind == "E":
                following[words[1]].end = words[2]
            elif kind == "W":
                following[words[1]].missed = int(words[2])
            elif kind in "OC" and words[1] != "ok":
                name = ("opening: " if kind == "O" else "closing: ") + words[1]
                self.openings[name] = self.openings.get(name, 0) + 1


class Event:
    """An event of the log."""

    __slots__ = ("sequence", "kind", "conversation", "token", "key", "target", "label", "recorded")

    def __init__(self, sequence, kind, conversation=None, token=None, key=None, target=None, label=None, recorded=0):
        self.sequence, self.kind, self.conversation, self.token = sequence, kind, conversation, token
        self.key, self.target, self.label, self.recorded = key, target, label, recorded

    def line(self):
        """As Token.swift writes it."""
        rest = {
            "add": (self.conversation, self.token, self.key or "-"),
            "forget": (self.conversation, self.target),
            "clear": (self.conversation,),
            "flush": (self.label or "-",),
        }.get(self.kind, ())
        return ",".join(str(part) for part in (self.sequence, self.kind, *rest))

    def __str__(self):
        return self.line()


KINDS = {"added": "add", "forgotten": "forget", "cleared": "clear", "flushed": "flush"}


def read_log(lines):
    """The events of `agent-journal log --json`."""
    events = []
    for line in lines:
        found = json.loads(line)
        kind = KINDS.get(found["kind"], "other")
        events.append(Event(
            found["sequence"], kind, found.get("conversation"), token_of(found["content"]) if kind == "add" else None,
            found.get("idempotency_key"), found.get("target"), found.get("label"), microseconds(found["recorded"])))
    return events


def microseconds(time):
    """Microseconds since 1970 of an RFC 3339 time with six decimals and Z."""
    date, clock = time[:-1].split("T")
    year, month, day = (int(part) for part in date.split("-"))
    hours, minutes, seconds = clock.split(":")
    # Days since 1970 from the civil date (H. Hinnant's algorithm): much quicker than a datetime for each line.
    year -= month <= 2
    era, of_era = divmod(year, 400)
    of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    days = era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468
    return ((days * 24 + int(hours)) * 60 + int(minutes)) * 60_000_000 + int(seconds.replace(".", ""))


MASK = 0xFFFFFFFFFFFFFFFF


def text_of(token):
    """The content of a token, as in worker/Token.swift."""
    state = 0xCBF29CE484222325
    for byte in token.encode():
        state = (state ^ byte) * 0x100000001B3 & MASK
    words = 700 if state % 64 == 0 else 60 if state % 16 == 1 else state % 12
    parts = [token]
    for _ in range(words):
        state = (state * 6364136223846793005 + 1442695040888963407) & MASK
        parts.append("%08x" % (state >> 32))
    return " ".join(parts)


def token_of(content):
    """The token of a content; with a ! before it when the content is not what follows from it."""
    token = content.split(" ", 1)[0] if isinstance(content, str) else "no-text"
    return token if content == text_of(token) else "!" + token
