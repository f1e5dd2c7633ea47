#!/usr/bin/env python3
"""Kills, cuts and flips a journal, and prints a line for each step. Called by Tools/try: try.py BIN_DIR TRY_DIR [FILE]"""

import gzip
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time

KILLS = 5
CUT_BYTES = 7
POWER_CUTS = 1000
PROCESSES = 4
SHARED_LINES = 2000
QUESTION = "what do I prefer?"
STEPS = ["user", "call", "result", "reply"]
FRAMES_OFFSET = 1024


class Failed(Exception):
    """A step could not be done at all."""


class Try:
    def __init__(self, bin_dir, directory):
        self.tool = os.path.join(bin_dir, "agent-journal")
        self.agent = os.path.join(bin_dir, "example-agent")
        self.explorer = os.path.join(bin_dir, "crash-explorer")
        self.directory = directory
        self.journal = os.path.join(directory, "journal")
        self.failures = 0
        self.number = 0

    def say(self, label, text, ok=True):
        """The line of one step; further lines are indented below it."""
        self.number += 1
        if not ok:
            self.failures += 1
        first, *rest = text.split("\n")
        print("%d  %-8s%s %s" % (self.number, label, "  " if ok else "! ", first))
        for line in rest:
            print(" " * 14 + line)
        sys.stdout.flush()

    def run(self, *command, allowed=(0,)):
        """The standard output and standard error of a process that should end with one of these codes."""
        done = subprocess.run(command, capture_output=True, timeout=120)
        if done.returncode not in allowed:
            raise Failed("%s ended with %d:\n%s" % (
                " ".join(command), done.returncode, first_lines(done.stderr.decode(errors="replace"))))
        return done.stdout, done.stderr.decode(errors="replace")

    def memories(self, journal):
        """What a new process reads back: {sequence: line of the export}."""
        lines = self.run(self.tool, "export", journal)[0].splitlines()
        return {memory["sequence"]: memory for memory in map(json.loads, lines)}

    def copy(self, name):
        path = os.path.join(self.directory, name)
        shutil.copytree(self.journal, path)
        return path


class Agent(threading.Thread):
    """The example agent as a child; its parent holds every receipt that came through the pipe."""

    def __init__(self, command):
        super().__init__()
        self.child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.receipts = []
        self.spoke = threading.Event()
        self.start()

    def run(self):
        for line in self.child.stdout:
            # A line that the kill cut short is no receipt.
            if line.endswith(b"\n"):
                self.receipts.append(int(line))
                self.spoke.set()
        self.spoke.set()

    def kill_at_random(self):
        self.spoke.wait(30)
        time.sleep(random.uniform(0, 0.8))
        return self.end(signal.SIGKILL)

    def end(self, with_signal=None):
        if with_signal:
            self.child.send_signal(with_signal)
        errors = self.child.stderr.read().decode(errors="replace")
        code = self.child.wait()
        self.join()
        if code != (-with_signal if with_signal else 0):
            raise Failed("the agent ended with %d:\n%s" % (code, first_lines(errors)))
        return self.receipts


# ---------------------------------------------------------------- What is recorded

class Conversations:
    """The example agent's turns. A receipt is a sequence, and its key says what must be there."""

    what = "events"
    # The agent adds one memory at a time, so a frame holds one.
    frame_events = 1

    def __init__(self, a_try):
        self.t = a_try
        self.acknowledged = set()

    def start(self, turns):
        return Agent([self.t.agent, self.t.journal, "--turns", str(turns)])

    def record_and_kill(self):
        self.acknowledged.update(self.start(10**9).kill_at_random())

    def finish(self):
        turns = max(self.acknowledged, default=0) // len(STEPS) + 3
        self.acknowledged.update(self.start(turns).end())

    def missing(self, memories):
        """The acknowledged that are not there, or not what was recorded."""
        return [s for s in sorted(self.acknowledged) if memories.get(s, {}).get("idempotency_key") != self.key(s)]

    def are_in_order(self, memories):
        """Whether each turn is there once, in order, whatever was killed in it."""
        return all(memory.get("idempotency_key") == self.key(s) for s, memory in memories.items())

    def size_as_lines(self, history):
        return "its export as JSON lines", os.path.getsize(history)

    @staticmethod
    def key(sequence):
        return "turn-%d-%s" % ((sequence - 1) // len(STEPS), STEPS[(sequence - 1) % len(STEPS)])

    def ask(self):
        answer = self.t.run(self.t.agent, self.t.journal, "--ask", QUESTION)[0].decode().strip()
        self.t.say("ask", 'a new process: "%s"  %s' % (QUESTION, answer), "email rather than phone calls" in answer)


class Lines:
    """The lines of a file, each with a key, imported in portions: a portion is acknowledged when its process ends well."""

    what = "lines"
    portions = 40

    def __init__(self, a_try, file):
        self.t = a_try
        plain = list(read_lines(file))
        self.bytes = sum(len(line.encode()) + 1 for line in plain)
        self.lines = list(keyed(plain))
        if not self.lines:
            raise Failed("%s holds no lines" % file)
        size = -(-len(self.lines) // self.portions)
        self.todo = [self.lines[i:i + size] for i in range(0, len(self.lines), size)]
        # What is written together, and so is gone together with the frame that is cut.
        self.frame_events = max(1, min(64, size // 4))
        self.seconds = 0.05
        self.acknowledged = set()

    def start(self, portion):
        child = subprocess.Popen(
            [self.t.tool, "import", self.t.journal, "--conversation", "imported", "--batch", str(self.frame_events)],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        return child, "".join(line + "\n" for line in portion).encode()

    def import_next(self):
        start = time.monotonic()
        child, text = self.start(self.todo[0])
        errors = child.communicate(text)[1].decode(errors="replace")
        if child.returncode != 0:
            raise Failed("import ended with %d:\n%s" % (child.returncode, first_lines(errors)))
        self.seconds = time.monotonic() - start
        self.acknowledged.update(map(identity, self.todo.pop(0)))

    def record_and_kill(self):
        for _ in range(random.randint(1, 5)):
            if len(self.todo) > 1:
                self.import_next()
        # Its input does not end, so it has not ended either when it is killed. Once more with the same keys, later.
        child, text = self.start(self.todo[0])
        feeder = threading.Thread(target=feed, args=(child.stdin, text))
        feeder.start()
        time.sleep(random.uniform(0, 2 * self.seconds))
        child.kill()
        feeder.join()
        child.communicate()

    def finish(self):
        while self.todo:
            self.import_next()

    def missing(self, memories):
        there = {(m["conversation"], m.get("idempotency_key")): m for m in memories.values()}
        expected = {identity(line): json.loads(line) for line in self.lines}
        return [key for key in self.acknowledged if content(there.get(key)) != content(expected[key])]

    def are_in_order(self, memories):
        """Whether no line is there twice, whatever was killed in it."""
        return len({(m["conversation"], m.get("idempotency_key")) for m in memories.values()}) == len(memories)

    def size_as_lines(self, history):
        return "the lines of the file", self.bytes

    def ask(self):
        conversation = json.loads(self.lines[-1]).get("conversation", "imported")
        memory = json.loads(self.t.run(
            self.t.tool, "show", self.t.journal, conversation, "--last", "1", "--json")[0].splitlines()[-1])
        text = " ".join(str(content(memory) or memory.get("metadata", "")).split())
        self.t.say("ask", 'a new process shows the last of "%s": %s' % (conversation, shortened(text)))


def feed(pipe, text):
    try:
        pipe.write(text)
        pipe.flush()
    except (BrokenPipeError, ValueError):
        pass


def read_lines(file):
    with open(file, "rb") as plain:
        is_gzip = plain.read(2) == b"\x1f\x8b"
    with (gzip.open(file, "rt") if is_gzip else open(file, encoding="utf-8")) as lines:
        for line in lines:
            if line.strip():
                yield line.strip()


def keyed(lines):
    """Each line with an idempotency key; what it says stays as it is written."""
    for number, line in enumerate(lines, 1):
        value = json.loads(line)
        if not isinstance(value, dict):
            raise Failed("line %d is not a JSON object" % number)
        if value.get("idempotency_key") is not None:
            yield line
        else:
            yield '%s%s"idempotency_key":"line-%d"}' % (line[:-1], "," if value else "", number)


def identity(line):
    value = json.loads(line)
    return value.get("conversation", "imported"), value["idempotency_key"]


def content(memory):
    if memory is None:
        return None
    return memory.get("content_base64") or memory.get("content") or ""


# ---------------------------------------------------------------- What is done to the files

def segments(journal):
    """The segments in order, each with where its data ends: behind its last byte that is not zero."""
    log = os.path.join(journal, "log")
    for name in sorted((n for n in os.listdir(log) if n.endswith(".segment")), key=lambda n: n.split("-")[1]):
        path = os.path.join(log, name)
        with open(path, "rb") as file:
            yield path, len(file.read().rstrip(b"\0"))


def last_segment(journal):
    return list(segments(journal))[-1]


def is_open_ended(journal):
    """Whether the last kill left frames at the end of the log and no record of a clean close (docs/format.md, lock)."""
    with open(os.path.join(journal, "lock"), "rb") as lock:
        mark = lock.read()[3584:3592]
    return last_segment(journal)[1] > FRAMES_OFFSET and not any(mark)


def flip(path, start=0):
    """Flips the lowest bit of the byte in the middle (of the first behind it that is not zero, which is no padding)."""
    with open(path, "r+b") as file:
        data = file.read().rstrip(b"\0")
        offset = (start + len(data)) // 2
        while data[offset] == 0:
            offset += 1
        file.seek(offset)
        file.write(bytes([data[offset] ^ 1]))
    return offset


def read_history(path):
    """What a program does that keeps its history as JSON lines."""
    history = []
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            try:
                history.append(json.loads(line))
            except ValueError as error:
                raise ValueError("line %s: %s" % (grouped(len(history) + 1), error)) from None
    return history


def flipped_history(path, before):
    """One sentence: what came of a JSON lines file whose middle bit is flipped."""
    try:
        after = read_history(path)
    except ValueError as error:
        return "ends the loop that reads it: %s" % shortened(str(error))
    changed = [(n, a, b) for n, (a, b) in enumerate(zip(before, after), 1) if a != b]
    if not changed:
        return "changes nothing"
    number, old, new = changed[0]
    old, new = json.dumps(old), json.dumps(new)
    at = next((i for i, (a, b) in enumerate(zip(old, new)) if a != b), 0)
    return 'is not noticed: line %s now says "%s" where it said "%s"' % (
        grouped(number), new[max(0, at - 12):at + 12], old[max(0, at - 12):at + 12])


def disk_bytes(directory):
    return sum(os.path.getsize(os.path.join(d, f)) for d, _, files in os.walk(directory) for f in files)


def first_lines(text):
    return "\n".join(text.strip().splitlines()[:4])


def grouped(number):
    return format(number, ",")


def shortened(text, limit=70):
    return text if len(text) <= limit else text[:limit - 3] + "..."


# ---------------------------------------------------------------- The steps

def kill_and_restart(t, recorder):
    """Records and kills, and keeps a copy of what the last kill left."""
    for _ in range(KILLS):
        recorder.record_and_kill()
    kills = KILLS
    # A kill while it starts leaves nothing open. To cut off what nothing vouches for, there must be something.
    while not is_open_ended(t.journal):
        if kills == 10 * KILLS:
            raise Failed("%d kills, and none of them while anything was recorded" % kills)
        recorder.record_and_kill()
        kills += 1
    shutil.copytree(t.journal, os.path.join(t.directory, "killed"))
    recorder.finish()
    t.say("record", "killed with SIGKILL at %d random moments, and started again each time" % kills)


def count(t, recorder):
    memories = t.memories(t.journal)
    missing = recorder.missing(memories)
    total = len(recorder.acknowledged)
    in_order = recorder.are_in_order(memories)
    t.say("recover", "%s %s acknowledged, %s back%s" % (
        grouped(total), recorder.what, grouped(total - len(missing)),
        ", none of them twice" if in_order else "; but some are there twice or out of order"),
        ok=not missing and in_order and total > 0)


def cut(t, recorder):
    killed = os.path.join(t.directory, "killed")
    before = t.memories(killed)
    shutil.copytree(killed, os.path.join(t.directory, "cut"))
    cut_copy = os.path.join(t.directory, "cut")
    path, end = last_segment(cut_copy)
    os.truncate(path, end - CUT_BYTES)
    # Opening for writing recovers; what it says goes to standard error.
    reported = [line for line in t.run(t.agent, cut_copy, "--ask", QUESTION)[1].splitlines() if "set_aside" in line]
    after = t.memories(cut_copy)
    lost = len(before) - len(after)
    is_prefix = all(after.get(s) == memory for s, memory in before.items() if s <= max(after, default=0))
    place = reported[0].split("set_aside=")[1].split(" [")[0] if reported else "nothing reported"
    t.say("cut", "%d bytes off the end of a copy made after the last kill. Opening it reports what it set aside:\n"
          "%s\n%d of its %s %s gone with the frame that was cut; the %s before it are back" % (
              CUT_BYTES, place, lost, grouped(len(before)), recorder.what, grouped(len(after))),
          ok=bool(reported) and is_prefix and 0 < lost <= recorder.frame_events)


def flip_a_bit(t, recorder, history):
    flipped = t.copy("flipped")
    largest = max(segments(flipped), key=lambda segment: segment[1])[0]
    offset = flip(largest, FRAMES_OFFSET)
    report = json.loads(t.run(t.tool, "verify", flipped, "--json", allowed=(0, 1))[0])
    problems = report["problems"]
    before = read_history(history)
    damaged_history = os.path.join(t.directory, "flipped.jsonl")
    shutil.copy(history, damaged_history)
    flip(damaged_history)
    text = "one bit of byte %s of a copy's log: verify finds nothing" % grouped(offset)
    if problems:
        p = problems[0]
        salvaged = t.run(t.tool, "export", flipped, "--salvage", allowed=(0, 1))[0].count(b"\n")
        text = "one bit, in the middle of a copy's log. verify names\n%s, offset %s, sequences %s to %s; %s of %s %s" % (
            p["file"], p.get("offset"), p.get("first_sequence"), p.get("last_sequence"), grouped(salvaged),
            grouped(len(before)), "memories are still read by export --salvage")
    t.say("flip", text + "\nThe bit in the middle of a JSON lines history "
          + flipped_history(damaged_history, before), ok=bool(problems) and not report["healthy"])


def sizes(t, recorder, history):
    data = sum(end for _, end in segments(t.journal))
    what, lines = recorder.size_as_lines(history)
    t.say("size", "the log holds %s bytes, %s %s: %.1f times as much\n"
          "(%s bytes beside that, most of them reserved by the writers that were killed and kept until compaction)" % (
              grouped(data), what, grouped(lines), lines / data, grouped(disk_bytes(t.journal) - data)))


def compact(t):
    """Of a copy: how long opening takes and how many bytes it has, before and after."""
    copy = t.copy("compacted")

    def opened(*options):
        return json.loads(t.run(t.tool, "replay", copy, "--json", *options)[0])

    before, bytes_before = opened("--from-scratch"), disk_bytes(copy)
    t.run(t.tool, "compact", copy)
    after, bytes_after = opened(), disk_bytes(copy)
    same = before["digest"] == after["digest"] == opened("--from-scratch")["digest"]
    t.say("compact", "a copy takes %s bytes instead of %s; opening it takes %.1f ms from the snapshot, %.1f ms from the first "
          "event;\nthe digest of its memories is %s" % (
              grouped(bytes_after), grouped(bytes_before), 1000 * after["seconds"], 1000 * before["seconds"],
              "the same" if same else "not the same"), ok=same and after["from_snapshot"])


def several_processes(t, history):
    """Four processes import into one new journal at once, each the whole history, with keys; one of them is killed."""
    journal = os.path.join(t.directory, "shared")
    with open(history, encoding="utf-8") as file:
        lines = list(keyed(line.strip() for line in file))[:SHARED_LINES]
    text = "".join(line + "\n" for line in lines).encode()
    start = time.monotonic()
    importers = [subprocess.Popen([t.tool, "import", journal, "--batch", "8"], stdin=subprocess.PIPE,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) for _ in range(PROCESSES)]
    feeders = [threading.Thread(target=feed, args=(importer.stdin, text)) for importer in importers]
    for feeder in feeders:
        feeder.start()
    time.sleep(0.1)
    importers[0].kill()
    for importer, feeder in zip(importers, feeders):
        feeder.join()
        try:
            importer.stdin.close()
        except BrokenPipeError:
            pass  # The one that was killed.
        errors = importer.stderr.read().decode(errors="replace")
        if importer.wait() not in (0, -signal.SIGKILL):
            raise Failed("an import beside others ended with %d:\n%s" % (importer.returncode, first_lines(errors)))
        importer.stderr.close()
    seconds = time.monotonic() - start
    report = json.loads(t.run(t.tool, "verify", journal, "--json")[0])
    found = sorted(identity(json.dumps(memory)) for memory in t.memories(journal).values())
    ok = report["healthy"] and found == sorted(map(identity, lines))
    t.say("share", "%d processes imported the same %s lines into one journal at once, and one was killed meanwhile: %s memories, "
          "%s, after %.1f s" % (PROCESSES, grouped(len(lines)), grouped(len(found)),
                                "each once" if ok else "NOT each once", seconds), ok=ok)


def power_cuts(t, history):
    """What the journal holds, recorded again on a simulated disk whose power is cut."""
    with open(history, "rb") as lines:
        done = subprocess.run([t.explorer, "record", "--cuts", str(POWER_CUTS)], stdin=lines, capture_output=True, timeout=120)
    output = done.stdout.decode(errors="replace").strip()
    t.say("power", "the same lines, recorded on a simulated disk: " + (output or first_lines(done.stderr.decode())),
          ok=done.returncode == 0)


def main():
    # A child's crash ends it at once: what prints a backtrace would be killed with it, and nobody notice.
    os.environ["SWIFT_BACKTRACE"] = "enable=no"
    bin_dir, directory = sys.argv[1:3]
    shutil.rmtree(directory, ignore_errors=True)
    os.makedirs(directory)
    t = Try(bin_dir, directory)
    history = os.path.join(directory, "history.jsonl")
    try:
        recorder = Lines(t, sys.argv[3]) if len(sys.argv) > 3 else Conversations(t)
        kill_and_restart(t, recorder)
        count(t, recorder)
        recorder.ask()
        cut(t, recorder)
        with open(history, "wb") as file:
            file.write(t.run(t.tool, "export", t.journal)[0])
        flip_a_bit(t, recorder, history)
        sizes(t, recorder, history)
        compact(t)
        several_processes(t, history)
        power_cuts(t, history)
    except (Failed, OSError, ValueError, subprocess.TimeoutExpired) as error:
        t.say("failed", str(error), ok=False)
    print()
    print("SIGKILL tests recovery, not fsync: the kernel keeps what a killed process wrote. The simulated disk tests what is")
    print("synced, and when; docs/crash-testing.md says how far that goes. The journal stays in %s. Try next:" % t.journal)
    print("    %s show %s" % (t.tool, t.journal))
    print("    %s log %s" % (t.tool, t.journal))
    print("    %s verify %s" % (t.tool, os.path.join(directory, "flipped")))
    return 1 if t.failures else 0


if __name__ == "__main__":
    sys.exit(main())
