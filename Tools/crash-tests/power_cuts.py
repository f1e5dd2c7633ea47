#!/usr/bin/env python3
"""Cuts the power of file systems while a journal on them is written. Called by Tools/crash-tests/power-cuts.

A file system lies in a file and is mounted through a loop device. At a random moment the file is copied as it is at that
moment: what the file system had given to the device by then is in the copy, what it had not is lost. The copy is mounted, and
all that was acknowledged before the copy began must be in it.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import time

from file_systems import KINDS, MAKE, Failed, Outer, torn_copies
from full_disk import FullDisk
from recording import Record, Tool, Writer

# After so many cuts the next one comes on an empty file system.
LIFE = 10
# At most so many cuts without syncs on each file system, until something is lost: the first shows it as a rule, but when the
# file system happens to write at the wrong moment, or the cut comes before anything is acknowledged, a later one does.
SABOTAGED = 40


class Cuts:
    """Power cuts on one kind of file system."""

    def __init__(self, outer, kind, bin_dir, chance, preload=None):
        self.outer = outer
        self.kind = kind
        self.bin_dir = bin_dir
        self.tool = Tool(bin_dir)
        self.random = chance
        self.preload = preload
        self.cuts = self.acknowledged = self.unmade = self.twice = self.more = 0
        self.start_life()

    def start_life(self):
        self.record = Record()
        # Whether it has a journal that no opening has recovered yet.
        self.is_unrecovered = False
        self.mount = self.outer.mount(self.outer.copy(self.outer.path("empty-" + self.kind)), self.kind)

    def journal(self):
        return os.path.join(self.mount.point, "agents", "memory")

    def is_made(self):
        return os.path.exists(os.path.join(self.journal(), "journal.json"))

    def cut(self):
        """Cuts the power once, and returns what was wrong afterwards."""
        if self.cuts and self.cuts % LIFE == 0:
            self.outer.unmount(self.mount)
            self.start_life()
        self.cuts += 1
        before = self.record.count()
        image = self.record_and_copy()
        self.acknowledged += self.record.count() - before
        self.outer.unmount(self.mount)
        # Half of the copies are written on as the cut left them, so that it comes again while they recover.
        raw = self.outer.copy(image)
        goes_on_raw = self.random.random() < 0.5
        self.mount = self.outer.mount(image, self.kind)
        problems = self.look(keeps=not goes_on_raw)
        if goes_on_raw or problems:
            self.outer.unmount(self.mount)
            self.mount = self.outer.mount(raw, self.kind)
        else:
            os.unlink(raw)
        self.is_unrecovered = goes_on_raw and self.is_made()
        return problems

    def keep(self, directory):
        """Copies the journal, as the last cut left it, to where it stays, and returns where that is."""
        path = "%s-failed-%s" % (directory, self.kind)
        shutil.rmtree(path, ignore_errors=True)
        if os.path.exists(self.journal()):
            shutil.copytree(self.journal(), path)
        return path

    def record_and_copy(self):
        """Lets the writer write for a while; the copy is what the device holds at one moment of it."""
        writer = Writer(self.bin_dir, self.journal(), os.path.join(self.outer.directory, "writer.log"),
                        preload=self.preload)
        try:
            if self.random.random() < 0.4:
                # In the start of the process, the making of the journal, or the opening.
                lines, seconds = [], self.random.uniform(0, 0.03)
            else:
                lines, seconds = writer.first_line(), self.random.uniform(0, 0.25)
            lines += writer.read(until=time.monotonic() + seconds)
            others = self.record.note(lines + writer.read())
            # From here on nothing more counts as acknowledged.
            image = self.outer.copy(self.mount.image)
        finally:
            writer.kill()
        if any(line != "open" for line in others):
            raise Failed("the writer said: %s" % others)
        self.twice += self.is_unrecovered and "open" not in others
        return image

    def look(self, keeps):
        """What is wrong with the journal on the copy. If it keeps what is added here, the copy is written on."""
        if not self.is_made():
            self.unmade += 1
            if self.record.count():
                return ["%d events were acknowledged, and there is no journal" % self.record.count()]
            return self.go_on([], keeps)
        lines, problems = self.tool.lines(self.journal())
        self.more += len(lines) > max((r for s in self.record.acknowledged.values() for r in s), default=0)
        problems += self.record.compare(lines)
        try:
            return problems or self.go_on(lines, keeps)
        except Failed as error:
            return [str(error)]

    def go_on(self, lines, keeps):
        """Opens, which recovers, and adds; then opens again."""
        key = "cut-%d" % self.cuts
        receipt = self.tool.add(self.journal(), key)
        after, problems = self.tool.lines(self.journal())
        if after[:-1] != lines or key.encode() not in after[-1]:
            problems.append("opened, and added one: %d events became %d" % (len(lines), len(after)))
        again = self.tool.add(self.journal(), key)
        if not again["replayed"] or again["sequence"] != receipt["sequence"]:
            problems.append("the key of the receipt %s gives %s" % (receipt, again))
        if keeps:
            self.record.keep(after[len(lines):])
        return problems

    def end(self):
        self.outer.unmount(self.mount)


class Run:
    def __init__(self, options):
        self.options = options
        self.failures = 0

    def say(self, label, text, ok=True):
        self.failures += not ok
        first, *rest = text.split("\n")
        print("%-10s%s %s" % (label, "  " if ok else "! ", first))
        for line in rest:
            print(" " * 13 + line)
        sys.stdout.flush()

    def check_copies(self, outer):
        """A copy that is not of one moment proves nothing."""
        torn = torn_copies(outer)
        self.say("copies", "%s are of one moment" % ("those of a file that is written all the time" if not torn else
                 "%d copies of a file that was written meanwhile: not all" % len(torn)), ok=not torn)

    def cut(self, outer, kind):
        start = time.monotonic()
        cuts = Cuts(outer, kind, self.options.bin_dir, random.Random("%s %s" % (self.options.seed, kind)))
        problems = []
        for number in range(self.options.cuts):
            problems += ["cut %d: %s" % (number + 1, p) for p in cuts.cut()]
            if problems:
                problems.append("what was cut off is kept in " + cuts.keep(self.options.directory))
                break
        cuts.end()
        if cuts.acknowledged < cuts.cuts:
            problems.append("too few: cuts that come before anything is acknowledged show nothing")
        text = "%d power cuts, %d events acknowledged before them, %s" % (
            cuts.cuts, cuts.acknowledged, "all there after each" if not problems else "and then:")
        text += "\n%d of them before there was a journal, %d while opening recovered, %d kept events not acknowledged yet; %d s" % (
            cuts.unmade, cuts.twice, cuts.more, time.monotonic() - start)
        self.say(kind, "\n".join([text, *problems]), ok=not problems)

    def fill(self, outer, kind):
        start = time.monotonic()
        full = FullDisk(outer, kind, self.options.bin_dir, Tool(self.options.bin_dir))
        text = full.run()
        # Only where blocks that were reserved may be missing all the same (docs/durability.md).
        if kind != "btrfs":
            full.problems += full.poisoned
        self.say(kind, "\n".join(["full disk: %s; %d s" % (text, time.monotonic() - start), *full.problems]),
                 ok=not full.problems)

    def sabotage(self, outer, kinds):
        """The same cuts, with syncs that do nothing: what is lost now must be noticed, or the run shows nothing."""
        library = os.path.join(outer.directory, "no-syncs.so")
        compiler = next(filter(shutil.which, ["cc", "clang", "gcc"]), None)
        if compiler is None:
            raise Failed("there is no C compiler (cc, clang, gcc) to build the syncs that do nothing")
        source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "no-syncs.c")
        done = subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source], capture_output=True)
        if done.returncode != 0:
            raise Failed("%s: %s" % (compiler, done.stderr.decode(errors="replace")))
        lines, unnoticed = [], []
        for kind in kinds:
            cuts = Cuts(outer, kind, self.options.bin_dir, random.Random("%s %s" % (self.options.seed, kind)), library)
            problems = []
            while not problems and cuts.cuts < SABOTAGED:
                problems = cuts.cut()
            cuts.end()
            if not problems:
                unnoticed.append(kind)
            lines.append("%s, cut %d: %s" % (kind, cuts.cuts, problems[0] if problems else "nothing so far"))
        self.say("no syncs", "\n".join(["with syncs that do nothing, %s" % (
            "losses are noticed" if not unnoticed else
            "NOTHING is noticed on %s: these cuts show nothing" % ", ".join(unnoticed)), *lines]), ok=not unnoticed)

    def run(self):
        try:
            outer = Outer(self.options.directory)
        except Failed as error:
            return self.say("SKIPPED", "no power was cut, no disk filled: %s" % error)
        try:
            print("seed %s" % self.options.seed)
            self.check_copies(outer)
            kinds = [kind for kind in self.options.file_systems.split(",") if self.is_there(outer, kind)]
            for kind in kinds:
                self.cut(outer, kind)
            for kind in kinds:
                self.fill(outer, kind)
            if kinds:
                self.sabotage(outer, kinds)
        finally:
            outer.end()

    def is_there(self, outer, kind):
        """Whether this machine can make and mount such a file system; says so if not."""
        if kind not in KINDS:
            raise Failed("%s is none of %s" % (kind, ", ".join(KINDS)))
        reason = None
        if shutil.which(MAKE[kind][0]) is None:
            reason = MAKE[kind][0] + " is not installed"
        else:
            try:
                outer.unmount(outer.mount(outer.copy(outer.template(kind)), kind))
            except Failed as error:
                reason = str(error)
        if reason:
            self.say(kind, "SKIPPED: " + reason)
        return reason is None


def end_by_signal(number, _):
    raise SystemExit(128 + number)


def main():
    parser = argparse.ArgumentParser(prog="power-cuts", description=__doc__.split("\n")[0])
    parser.add_argument("bin_dir", help=argparse.SUPPRESS)
    parser.add_argument("--cuts", type=int, default=50, help="power cuts on each file system (50)")
    parser.add_argument("--seed", default=str(random.randrange(1 << 32)), help="repeats the moments, not the scheduling")
    parser.add_argument("--file-systems", default=",".join(KINDS), help="some of " + ",".join(KINDS))
    parser.add_argument("--directory", default=".build/power-cuts", help="where the images lie meanwhile")
    options = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end_by_signal)
    run = Run(options)
    try:
        run.run()
    except (Failed, OSError, ValueError, subprocess.TimeoutExpired) as error:
        run.say("failed", str(error), ok=False)
    return 1 if run.failures else 0


if __name__ == "__main__":
    sys.exit(main())
