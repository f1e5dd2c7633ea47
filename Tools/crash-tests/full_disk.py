"""A disk that is really full, met while several add."""

import os
import time

from file_systems import Failed, fill
from recording import Record, Writer

TIMES = 3
PATIENCE = 30


class FullDisk:
    def __init__(self, outer, kind, bin_dir, tool):
        self.outer = outer
        self.kind = kind
        self.tool = tool
        self.bin_dir = bin_dir
        self.record = Record()
        self.full = 0
        self.poisoned = []
        self.problems = []

    def run(self):
        """One sentence, and what went wrong."""
        self.mount = self.outer.mount(self.outer.copy(self.outer.path("empty-" + self.kind)), self.kind)
        self.journal = os.path.join(self.mount.point, "journal")
        self.filler = os.path.join(self.mount.point, "filler")
        self.stop = os.path.join(self.outer.directory, "stop")
        writer = self.start()
        try:
            self.adds_go_on(writer)
            for _ in range(TIMES):
                self.fill_while(writer)
                self.compare("while the disk is full")
                os.unlink(self.filler)
                self.adds_go_on(writer)
            self.fill_while(writer)
            writer.kill()
            self.open_when_full()
            os.unlink(self.filler)
            writer = self.start()
            self.adds_go_on(writer)
            with open(self.stop, "wb"):
                pass
            self.end(writer)
        finally:
            if writer.child.poll() is None:
                writer.kill()
            if os.path.exists(self.stop):
                os.unlink(self.stop)
        self.compare("after the end")
        self.outer.unmount(self.mount)
        return "filled %d times while adding and once before opening; %d adds refused, none of %d acknowledged lost%s" % (
            TIMES + 1, self.full, self.record.count(),
            "; %d times the outcome was unknown, and opening again recovered" % len(self.poisoned)
            if self.poisoned else "")

    def start(self):
        return Writer(self.bin_dir, self.journal, os.path.join(self.outer.directory, "writer.log"),
                      "--stay", "--until", self.stop)

    def listen(self, writer, seconds):
        """How many receipts, and which adders were refused, in this time."""
        before = self.record.count()
        refused = set()
        for line in self.record.note(writer.read(until=time.monotonic() + seconds)):
            word, *rest = line.split(" ")
            if word == "full":
                self.full += 1
                refused.add(rest[0])
            elif word == "poisoned":
                refused.add("all")
                # Whichever adder says it first: the one whose write failed, or one that came after it.
                if rest[0] in ("outcome_unknown", "not_written"):
                    self.poisoned.append(line)
                elif rest[0] != "disk_full":
                    # A full disk that is met while reserving is disk_full; while writing, its outcome is unknown.
                    self.problems.append(line)
            elif word not in ("open", "full-maintenance"):
                self.problems.append(line)
        return self.record.count() - before, refused

    def adds_go_on(self, writer):
        """Until an add is acknowledged again, in the same process."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if self.listen(writer, 0.1)[0] > 0:
                return
        raise Failed("no add was acknowledged within %d s though there is space" % PATIENCE)

    def fill_while(self, writer):
        """Fills what there is until adds are refused and none is acknowledged any more."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            fill(self.filler)
            added, refused = self.listen(writer, 0.1)
            if refused and added == 0:
                return
        raise Failed("adds were not refused within %d s though the disk is full" % PATIENCE)

    def compare(self, when):
        lines, problems = self.tool.lines(self.journal)
        self.problems += ["%s: %s" % (when, p) for p in problems + self.record.compare(lines)]

    def open_when_full(self):
        """Reading goes on. Opening for writing needs space, or does not; what it says must be true."""
        self.compare("after a kill on a full disk")
        status, _, errors = self.tool.run("add", self.journal, "between", "full", "--json")
        if status == 0:
            lines, _ = self.tool.lines(self.journal)
            self.record.keep(lines[len(self.record.lines):])
        elif '"code":"disk_full"' not in errors:
            self.problems.append("opened on a full disk, add said: " + errors)

    def end(self, writer):
        end = time.monotonic() + PATIENCE
        while writer.child.poll() is None and time.monotonic() < end:
            time.sleep(0.02)
        rest = (writer.rest + writer.child.stdout.read()).split(b"\n")
        others = self.record.note(rest[:-1])
        if writer.child.poll() != 0 or others[-1:] != ["closed"]:
            self.problems.append("the writer did not close when it was told to: %s %s" % (others, writer.said()))
        writer.child.stdout.close()
