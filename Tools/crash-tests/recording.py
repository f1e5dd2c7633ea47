"""The writer as a child, what it acknowledged, and the comparison with what is there."""

import json
import os
import re
import select
import signal
import subprocess
import time

from file_systems import Failed

# ---------------------------------------------------------------- The script, as in writer/Script.swift


def parts_of(step):
    """How many memories a step adds; 0 for a flush."""
    if step % 11 == 5:
        return 0
    return 2 + step % 6 if step % 7 == 3 else 1


def text_of(adder, step, part):
    words = 4 if part > 0 else 12000 if step % 50 == 49 else 600 if step % 13 == 12 else 1 + step % 29
    state = adder << 40 | step << 8 | part
    result = ["%d-%d-%d" % (adder, step, part)]
    for _ in range(words):
        state = (state * 6364136223846793005 + 1442695040888963407) & 0xFFFFFFFFFFFFFFFF
        result.append("%08x" % (state >> 32))
    return " ".join(result)


def next_step(last):
    step = last + 1
    while parts_of(step) == 0:
        step += 1
    return step


# ---------------------------------------------------------------- The processes

# A child's crash ends it at once: what prints a backtrace would be killed with it, and nobody notice.
CRASHES_SHOW = {"SWIFT_BACKTRACE": "enable=no"}


class Writer:
    """crash-writer as a child. Only what came through the pipe counts as acknowledged."""

    LINE = re.compile(rb"(add|batch|flush) (\d+) (\d+)((?: \d+)+)$")

    def __init__(self, bin_dir, journal, errors, *options, preload=None):
        environment = dict(os.environ, **CRASHES_SHOW)
        if preload:
            environment["LD_PRELOAD"] = preload
        self.errors = errors
        with open(errors, "wb") as file:
            self.child = subprocess.Popen(
                [os.path.join(bin_dir, "crash-writer"), journal, *options],
                stdout=subprocess.PIPE, stderr=file, env=environment)
        os.set_blocking(self.child.stdout.fileno(), False)
        self.rest = b""

    def read(self, until=None):
        """The lines that have come, as they come until a moment (of time.monotonic), else those that are there now."""
        lines = []
        while True:
            left = max(0, until - time.monotonic()) if until else 0
            if not select.select([self.child.stdout], [], [], left)[0]:
                return lines
            data = os.read(self.child.stdout.fileno(), 1 << 16)
            if not data:
                raise Failed("the writer ended by itself with %d:\n%s" % (self.child.wait(), self.said()))
            # A last line that is not whole is no receipt yet.
            *whole, self.rest = (self.rest + data).split(b"\n")
            lines += whole
            if until and time.monotonic() >= until:
                until = None

    def first_line(self):
        """Waits until it has opened, and returns what it has said by then."""
        end = time.monotonic() + 30
        while time.monotonic() < end:
            lines = self.read(until=time.monotonic() + 0.005)
            if lines:
                return lines
        raise Failed("the writer said nothing for 30 s: " + self.said())

    def kill(self):
        self.child.send_signal(signal.SIGKILL)
        if self.child.wait() != -signal.SIGKILL:
            raise Failed("the writer ended by itself with %d:\n%s" % (self.child.returncode, self.said()))
        self.child.stdout.close()

    def said(self):
        with open(self.errors, errors="replace") as file:
            return "\n".join(file.read().strip().splitlines()[-4:])


class Tool:
    """agent-journal."""

    def __init__(self, bin_dir):
        self.path = os.path.join(bin_dir, "agent-journal")

    def run(self, *arguments):
        """Status, standard output, standard error."""
        done = subprocess.run([self.path, *arguments], capture_output=True, timeout=120)
        return done.returncode, done.stdout, done.stderr.decode(errors="replace").strip()

    def lines(self, journal):
        """The journal's events, one a line, and what is wrong with it."""
        problems = []
        for arguments in (["verify", journal, "--json"], ["replay", journal, "--verify", "--json"]):
            status, output, errors = self.run(*arguments)
            if status != 0:
                problems.append("%s ended with %d: %s %s" % (
                    arguments[0], status, output.decode(errors="replace").strip(), errors))
        status, events, errors = self.run("log", journal, "--json")
        if status != 0:
            problems.append("log ended with %d: %s" % (status, errors))
        return events.splitlines(), problems

    def add(self, journal, key):
        """The receipt of an add with a key, made by a process of its own."""
        status, receipt, errors = self.run("add", journal, "between", "after a cut", "--key", key, "--json")
        if status != 0:
            raise Failed("add ended with %d: %s" % (status, errors))
        return json.loads(receipt)


# ---------------------------------------------------------------- What must be there

class Record:
    """What was acknowledged of one journal, and what was found in it before."""

    def __init__(self):
        self.acknowledged = {}
        self.flushes = {}
        self.lines = []
        self.sequences = {}
        self.last_step = {}

    def count(self):
        return sum(map(len, self.acknowledged.values())) + len(self.flushes)

    def note(self, lines):
        """The writer's lines. Returns those that are no receipts, and the receipts that contradict an earlier one."""
        others = []
        for line in lines:
            match = Writer.LINE.match(line)
            if not match:
                others.append(line.decode())
                continue
            kind, adder, step = match[1], int(match[2]), int(match[3])
            receipts = [int(s) for s in match[4].split()]
            if kind == b"flush":
                # It has no key, so repeated it is another event.
                self.flushes[receipts[0]] = "%d-%d" % (adder, step)
            elif self.acknowledged.setdefault((adder, step), receipts) != receipts:
                others.append("a retry gave other receipts: " + line.decode())
        return others

    def keep(self, lines):
        """Takes lines that others wrote for known."""
        self.lines += lines

    def compare(self, lines):
        """What is wrong with these events, as `log --json` prints them."""
        problems = []
        # What was shown once stays as it was, to the byte.
        if lines[:len(self.lines)] != self.lines:
            problems.append("of %d events found before, not all are there as they were" % len(self.lines))
        wanted = None
        for number, line in enumerate(lines[len(self.lines):], len(self.lines) + 1):
            event = json.loads(line)
            if event["sequence"] != number:
                problems.append("event %d has the sequence %d" % (number, event["sequence"]))
            if event["kind"] == "flushed":
                numbers = [int(n) for n in event["label"].split("-")]
                if len(numbers) != 2 or parts_of(numbers[1]) != 0 or wanted:
                    problems.append("sequence %d is no flush of the script" % number)
            else:
                wanted = self.follow(event, wanted, problems)
        if wanted:
            problems.append("of a batch, the parts from %d-%d-%d on are missing" % wanted)
        self.lines = lines
        self.find(problems)
        return problems

    def follow(self, event, wanted, problems):
        """Checks one memory, and returns the part of a batch that must come next."""
        sequence = event["sequence"]
        adder, step, part = (int(n) for n in event["idempotency_key"].split("-"))
        if (event["content"] != text_of(adder, step, part) or event["metadata"] != {"step": step}
                or event["conversation"] != ("shared" if part % 2 else "adder-%d" % adder)):
            problems.append("sequence %d is not what was added with its key" % sequence)
        if (adder, step, part) in self.sequences:
            problems.append("%d-%d-%d is there twice" % (adder, step, part))
        self.sequences[adder, step, part] = sequence
        if wanted and wanted != (adder, step, part):
            problems.append("of a batch, the parts from %d-%d-%d on are missing" % wanted)
        if part == 0:
            if step != next_step(self.last_step.get(adder, -1)):
                problems.append("adder %d's steps have a gap before %d" % (adder, step))
            self.last_step[adder] = step
        return (adder, step, part + 1) if part + 1 < parts_of(step) else None

    def find(self, problems):
        """Looks for all that was acknowledged."""
        lost = 0
        for (adder, step), receipts in self.acknowledged.items():
            there = [self.sequences.get((adder, step, part)) for part in range(len(receipts))]
            lost += sum(1 for a, b in zip(there, receipts) if a != b)
        for sequence, label in self.flushes.items():
            line = self.lines[sequence - 1] if sequence <= len(self.lines) else b"{}"
            lost += json.loads(line).get("label") != label
        if lost:
            problems.append("%d of %d acknowledged events are lost" % (lost, self.count()))
