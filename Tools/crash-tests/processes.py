#!/usr/bin/env python3
"""Runs several processes on one journal, kills, stops and continues them, and checks what they saw. Called by
Tools/crash-tests/processes."""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

from history import History, read_log
from linearizability import Checker
from recording import CRASHES_SHOW, Tool
from sequential import Log, Violation

# A process that is not stopped opens, ends its operations and closes within this, in seconds.
PATIENCE = 90
# How long the run without locks takes, and how long its processes may then hang, which is a way of telling too.
SABOTAGED_SECONDS = 3
SABOTAGED_PATIENCE = 15


class Worker:
    """crash-worker as a child."""

    def __init__(self, run, is_reader):
        self.run = run
        self.is_reader = is_reader
        self.errors = os.path.join(run.directory, "errors", "%d" % run.starts)
        self.number = run.starts
        self.history = os.path.join(run.directory, "histories", "%d" % run.starts)
        command = [
            os.path.join(run.bin_dir, "crash-worker"), run.journal, "--history", self.history,
            "--run", str(run.starts), "--seed", str(run.random.getrandbits(48)),
            "--threads", str(run.random.randint(1, 3)), "--until", run.end]
        environment = dict(os.environ, **CRASHES_SHOW, **run.environment)
        with open(self.errors, "wb") as errors:
            self.child = subprocess.Popen(
                command + ["--reader"] * is_reader, stderr=errors, env=environment)
        # When it is continued, if it is stopped.
        self.stopped_until = None
        run.starts += 1
        run.note("start", self)

    def check_runs(self):
        if self.child.poll() is not None:
            raise Violation("process %s ended by itself with %d:\n%s" % (
                self.history, self.child.returncode, self.said()))

    def kill(self):
        self.run.note("kill", self)
        self.child.kill()
        if self.child.wait() != -signal.SIGKILL and not self.run.is_sabotaged:
            self.check_runs()

    def stop(self, until):
        self.child.send_signal(signal.SIGSTOP)
        self.run.note("stop", self)
        self.stopped_until = until

    def go_on(self):
        self.run.note("continue", self)
        self.child.send_signal(signal.SIGCONT)
        self.stopped_until = None

    def end(self, deadline):
        try:
            status = self.child.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise Violation("process %s hangs: it did not end within %d s. Its threads wait in: %s" % (
                self.history, self.run.patience, self.where())) from None
        if status != 0 and not self.run.is_sabotaged:
            raise Violation("process %s ended with %d:\n%s" % (self.history, status, self.said()))

    def where(self):
        """What its threads wait for in the kernel, where the system says that."""
        found = []
        tasks = "/proc/%d/task" % self.child.pid
        for task in os.listdir(tasks) if os.path.exists(tasks) else []:
            try:
                with open(os.path.join(tasks, task, "comm")) as name, open(os.path.join(tasks, task, "wchan")) as place:
                    found.append("%s in %s" % (name.read().strip(), place.read() or "?"))
            except OSError:
                # The thread has ended meanwhile; this only helps whoever reads the failure.
                continue
        return ", ".join(found)

    def said(self):
        with open(self.errors, errors="replace") as file:
            return "\n".join(file.read().strip().splitlines()[-6:])


class Run:
    """One run: the processes, what was done to them, and the check."""

    def __init__(self, options, patience=PATIENCE, **environment):
        self.options = options
        self.patience = patience
        self.environment = environment
        self.is_sabotaged = bool(environment)
        self.bin_dir = options.bin_dir
        self.directory = options.directory
        self.journal = os.path.join(self.directory, "journal")
        self.end = os.path.join(self.directory, "end")
        self.random = random.Random(options.seed)
        self.starts = self.kills = self.stops = 0
        self.workers = []

    def work(self):
        shutil.rmtree(self.directory, ignore_errors=True)
        for name in ("histories", "errors"):
            os.makedirs(os.path.join(self.directory, name))
        try:
            for number in range(self.options.processes + self.options.readers):
                self.workers.append(Worker(self, number >= self.options.processes))
            self.disturb(time.monotonic() + self.options.seconds)
            self.finish()
        finally:
            for worker in self.workers:
                if worker.child.poll() is None:
                    worker.kill()

    def note(self, what, worker):
        """Keeps what was done to whom and when, by the clock of the histories."""
        with open(os.path.join(self.directory, "disturbances"), "a") as file:
            file.write("%.6f %s %d\n" % (time.monotonic(), what, worker.number))

    def disturb(self, end):
        """Kills, stops and continues until `end`. Each place is taken again soon after a kill."""
        empty = []
        while time.monotonic() < end:
            now = time.monotonic()
            for worker in list(self.workers):
                if self.is_sabotaged and worker.child.poll() is not None:
                    # It stopped at an assertion: as good as killed. What it did until then is to be found out.
                    self.replace(worker, empty, now)
                    continue
                worker.check_runs()
                if worker.stopped_until and worker.stopped_until < now:
                    worker.go_on()
            for start, is_reader in [place for place in empty if place[0] < now]:
                empty.remove((start, is_reader))
                self.workers.append(Worker(self, is_reader))
            if self.workers:
                self.disturb_one(self.random.choice(self.workers), now, empty)
            time.sleep(self.random.uniform(0.005, 0.06))
        for _, is_reader in empty:
            self.workers.append(Worker(self, is_reader))

    def disturb_one(self, worker, now, empty):
        chance = self.random.random()
        if chance < 0.13:
            # Also one that is stopped.
            worker.kill()
            self.replace(worker, empty, now)
            self.kills += 1
        elif chance < 0.5 and worker.stopped_until is None:
            longest = 1.5 if self.random.random() < 0.1 else 0.15
            worker.stop(now + self.random.uniform(0, longest))
            self.stops += 1

    def replace(self, worker, empty, now):
        self.workers.remove(worker)
        empty.append((now + self.random.choice([0, 0, 0.03, 0.2]), worker.is_reader))

    def finish(self):
        for worker in self.workers:
            if worker.stopped_until:
                worker.go_on()
        with open(self.end, "w"):
            pass
        deadline = time.monotonic() + self.patience
        for worker in self.workers:
            worker.end(deadline)

    # ------------------------------------------------------------ The check

    def read_log(self):
        """The log as it is in the end, kept with the histories; and it must be whole, and its state what the events give."""
        lines, problems = Tool(self.bin_dir).lines(self.journal)
        with open(os.path.join(self.directory, "log"), "wb") as file:
            file.writelines(line + b"\n" for line in lines)
        status, exported, errors = Tool(self.bin_dir).run("export", self.journal)
        if status != 0:
            problems.append("export ended with %d: %s" % (status, errors))
        if problems:
            raise Violation("\n".join(problems))
        with open(os.path.join(self.directory, "export"), "wb") as file:
            file.write(exported)

    def check(self, reports=True):
        history = History()
        names = os.listdir(os.path.join(self.directory, "histories"))
        for name in sorted(names, key=int):
            with open(os.path.join(self.directory, "histories", name), errors="replace") as file:
                history.read(file)
        with open(os.path.join(self.directory, "log"), "rb") as file:
            log = Log(read_log(file))
        with open(os.path.join(self.directory, "export"), "rb") as file:
            exported = sorted(json.loads(line)["sequence"] for line in file)
        if exported != sorted(sequence for adds in log.adds.values() for sequence in adds if sequence not in log.died):
            raise Violation("what is exported in the end is not what the events give")
        checker = Checker(log, history)
        checker.check()
        if reports:
            self.report(history, log, checker)

    def report(self, history, log, checker):
        counts = checker.counts
        print("%d operations: %d appended %d events, %d repeated keys, %d reads, %d refusals; %d events followed" % (
            len(history.ops), counts["appended"], counts["events"], counts["repeated"], counts["reads"],
            counts["refusals"], counts["delivered"]))
        print("%d without an answer, of which %d had taken effect; %d not done; %d snapshots and compactions" % (
            counts["unanswered"], counts["effective"], counts["not done"],
            sum(op.kind in ("snapshot", "compact") for op in history.ops)))
        for name, times in sorted(history.openings.items()):
            print("%s %d times" % (name, times))
        writers = [checker.owner[event.sequence].run for event in log.events]
        self.check_it_was_something(history, counts, writers)

    def check_it_was_something(self, history, counts, writers):
        """A run that does nothing shows nothing."""
        changes = sum(1 for a, b in zip(writers, writers[1:]) if a != b)
        # A process whose events lie between two of another one wrote while that had the journal open.
        first, last = {}, {}
        for place, run in enumerate(writers):
            first.setdefault(run, place)
            last[run] = place
        between = sum(1 for place, run in enumerate(writers[1:], 1) if writers[place - 1] != run
                      and last[writers[place - 1]] > place)
        print("the log goes from one process to another %d times, %d times while the one goes on writing" % (
            changes, between))
        empty = [name for name in ("appended", "repeated", "reads", "refusals", "delivered") if not counts[name]]
        if empty:
            raise Violation("nothing was tried of: " + ", ".join(empty))
        if self.options.processes > 1 and not self.options.check and not between:
            raise Violation("%d processes never wrote at the same time" % self.options.processes)


def check_it_would_tell(options):
    """The same while locks keep nobody out: a run must tell. Raises `Violation` if it does not."""
    compiler = next(filter(shutil.which, ["cc", "clang", "gcc"]), None)
    if not sys.platform.startswith("linux") or options.processes < 2 or compiler is None:
        print("Not tried without locks: that takes Linux, two processes and a C compiler")
        return
    directory = options.directory + "-without-locks"
    os.makedirs(directory, exist_ok=True)
    library = os.path.join(directory, "no-locks.so")
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "no-locks.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source], check=True)
    sabotaged = argparse.Namespace(**vars(options))
    sabotaged.directory = os.path.join(directory, "run")
    sabotaged.seconds = SABOTAGED_SECONDS
    run = Run(sabotaged, SABOTAGED_PATIENCE, LD_PRELOAD=library)
    try:
        run.work()
        run.read_log()
        run.check(reports=False)
    except Violation as violation:
        print("without locks it is noticed: %.240s" % str(violation).splitlines()[0])
        shutil.rmtree(directory)
        return
    raise Violation("without locks nothing was noticed; that run is in %s" % directory)


def main():
    parser = argparse.ArgumentParser(prog="processes")
    parser.add_argument("bin_dir")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--readers", type=int, default=1)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(32))
    parser.add_argument("--directory", default=".build/processes")
    parser.add_argument("--check", metavar="DIRECTORY")
    options = parser.parse_args()
    if options.check:
        options.directory = options.check
    options.directory = os.path.abspath(options.directory)
    run = Run(options)
    started = time.monotonic()
    try:
        if not options.check:
            print("%d processes that write and %d that read, for %g s, seed %d" % (
                options.processes, options.readers, options.seconds, options.seed), flush=True)
            run.work()
            print("%d starts, %d kills, %d stops" % (run.starts, run.kills, run.stops), flush=True)
        if not options.check or not os.path.exists(os.path.join(run.directory, "export")):
            run.read_log()
        recorded = time.monotonic()
        run.check()
        checked = time.monotonic()
        if not options.check:
            check_it_would_tell(options)
    except Violation as violation:
        print("NOT LINEARIZABLE, or not as it should be: %s" % violation)
        print("Histories, log and journal are in %s; --check %s checks them again" % (
            options.directory, options.directory))
        return 1
    print("linearizable (recorded in %.0f s, checked in %.1f s)" % (
        recorded - started, checked - recorded))
    if not options.check:
        shutil.rmtree(options.directory)
    return 0


if __name__ == "__main__":
    sys.exit(main())
