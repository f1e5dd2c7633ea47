"""That the checker takes what can be and rejects what cannot: histories made by hand, one for each kind of lie.

    python3 -m unittest discover -s Tools/crash-tests
"""

import unittest

from history import Event, History, microseconds, text_of, token_of
from linearizability import Checker
from sequential import Log, Violation


def event(line):
    """An event from the form that histories have."""
    sequence, kind, *rest = line.split(",")
    names = {"add": ("conversation", "token", "key"), "forget": ("conversation", "target"),
             "clear": ("conversation",), "flush": ("label",)}[kind]
    fields = dict(zip(names, (None if word == "-" else word for word in rest)))
    if "target" in fields:
        fields["target"] = int(fields["target"])
    return Event(int(sequence), kind, **fields)


def check(log, *processes):
    """Checks the histories of some processes, each a text with a line for each step; times are small numbers."""
    history = History()
    for number, text in enumerate(processes):
        history.read(["P %d 0 writer\n" % number] + [line.strip() + "\n" for line in text.strip().splitlines()])
    checker = Checker(Log([event(line) for line in log.split()]), history)
    checker.check()
    return checker.counts


# Two processes; the first adds x and y to c, the second reads.
TWO = "1,add,c,x,- 2,add,c,y,-"
ADDS = """
    I 10 0.0 add - c,x,-
    R 20 0.0 ok 1,0,new
    I 30 0.1 add - c,y,-
    R 40 0.1 ok 2,0,new
"""
ADD_X_AND_FORGET = """
    I 10 0.0 add - c,x,-
    R 20 0.0 ok 1,0,new
    I 30 0.1 forget 1
    R 40 0.1 ok 2,0,new
"""
# x, z, y as one batch.
BATCH = "1,add,c,x,- 2,add,d,z,k 3,add,c,y,-"
ADD_BATCH = """
    I 10 0.0 add - c,x,- d,z,k c,y,-
    R 40 0.0 ok 1,0,new 2,0,new 3,0,new
"""


class GoodHistories(unittest.TestCase):
    def test_reads_may_see_what_is_on_its_way_or_not(self):
        for seen in ("- 1,x,-", "- 1,x,- 2,y,-", "1 1,x,-", "2 1,x,- 2,y,-"):
            counts = check(TWO, ADDS, "I 25 0.0 read c - -\nR 35 0.0 ok " + seen)
            self.assertEqual((counts["reads"], counts["appended"], counts["events"]), (1, 2, 2))

    def test_a_call_without_a_return_is_there_or_not(self):
        pending = "I 5 0.0 add - c,z,-"
        self.assertEqual(check(TWO, ADDS, pending)["effective"], 0)
        for log in ("1,add,c,z,- 2,add,c,x,-", "1,add,c,x,- 2,add,c,z,-"):
            self.assertEqual(check(
                log, "I 10 0.0 add - c,x,-\nR 20 0.0 ok %d,0,new" % (1 + (log[8] == "z")), pending)["effective"], 1)

    def test_a_repeated_key_gives_the_first_receipt(self):
        counts = check(
            "1,add,c,x,k", "I 10 0.0 add - c,x,k", "I 30 0.0 add - c,x,k\nR 40 0.0 ok 1,0,replayed",
            "I 30 0.0 add - c,y,k\nR 40 0.0 err key_conflict")
        self.assertEqual((counts["repeated"], counts["effective"], counts["refusals"]), (1, 1, 1))

    def test_a_refusal_is_explained_by_a_moment_within_the_call(self):
        check(TWO, ADDS, "I 25 0.0 add 0 c,z,-\nR 50 0.0 err unexpected_sequence")
        check(TWO, ADDS, "I 25 0.0 add 2 c,z,-\nR 50 0.0 err unexpected_sequence")
        check("1,add,c,x,- 2,forget,c,1", ADD_X_AND_FORGET, "I 35 0.0 forget 1\nR 50 0.0 err no_such_memory")

    def test_of_calls_that_could_have_made_an_event_the_first_did(self):
        check("1,add,c,x,- 2,forget,c,1", "I 10 0.0 add - c,x,-\nR 20 0.0 ok 1,0,new", "I 25 0.0 forget 1",
              "I 50 0.0 forget 1", "I 30 0.0 read c - -\nR 40 0.0 ok 2")

    def test_followers(self):
        counts = check(TWO, ADDS, "F 5 0 0\nD 15 0 1,add,c,x,-\nD 60 0 2,add,c,y,-",
                       "F 5 0 1\nD 39 0 2,add,c,y,-\nE 50 0 end")
        self.assertEqual(counts["delivered"], 3)

    def test_a_batch_with_a_key_that_is_known(self):
        check("1,add,d,z,k 2,add,c,x,- 3,add,c,y,-", "I 1 0.0 add - d,z,k\nR 3 0.0 ok 1,0,new", """
            I 10 0.0 add - c,x,- d,z,k c,y,-
            R 40 0.0 ok 2,0,new 1,0,replayed 3,0,new""")


class BadHistories(unittest.TestCase):
    def rejects(self, message, log, *processes):
        with self.assertRaises(Violation) as raised:
            check(log, *processes)
        self.assertIn(message, str(raised.exception))

    def test_stale_reads(self):
        for line in ("read c - -\nR 60 0.0 ok - 1,x,-", "read c - -\nR 60 0.0 ok 1 1,x,-", "now\nR 60 0.0 ok 1",
                     "last c\nR 60 0.0 ok 1", "events 1\nR 60 0.0 ok", "events 0\nR 60 0.0 ok 1,add,c,x,-",
                     "names c\nR 60 0.0 ok 1 c,1", "get 2\nR 60 0.0 ok 1 -", "past 2 c\nR 60 0.0 err no_such_point"):
            with self.subTest(line):
                self.rejects("stale", TWO, ADDS, "I 50 0.0 " + line)

    def test_reads_that_go_backwards(self):
        pending = "I 10 0.0 add - c,x,-"
        reads = "I 20 0.0 %s\nR 30 0.0 ok %s", "I 40 0.1 %s\nR 50 0.1 ok %s"
        for first, second in (("1", "0"), ("1 1,x,-", "0"), ("1 1,x,-", "-"), ("- 1,x,-", "-")):
            kind = "now" if len(first) == 1 else "read c - -"
            with self.subTest((first, second)):
                self.rejects("stale", "1,add,c,x,-", pending, reads[0] % (kind, first), reads[1] % (kind, second))

    def test_a_refusal_and_a_repeated_key_are_seen_too(self):
        pending = "I 10 0.0 add - c,x,k"
        late = "I 40 0.0 now\nR 50 0.0 ok 0"
        self.rejects("stale", "1,add,c,x,k", pending, "I 20 0.0 add - c,y,k\nR 30 0.0 err key_conflict", late)
        self.rejects("stale", "1,add,c,x,k", pending, "I 20 0.0 add - c,x,k\nR 30 0.0 ok 1,0,replayed", late)
        self.rejects("stale", "1,add,c,x,k", pending, "I 20 0.0 add 0 c,z,-\nR 30 0.0 err unexpected_sequence", late)

    def test_lost_events(self):
        self.rejects("lost", "1,add,c,x,-", ADDS)
        self.rejects("lost", "1,add,c,x,- 2,add,c,z,-", ADDS, "I 1 0.0 add - c,z,-")
        self.rejects("lost", "1,add,c,x,- 2,flush,l", ADD_X_AND_FORGET, "I 1 0.0 flush l")
        self.rejects("lost", "1,add,c,x,-", "I 1 0.0 flush l\nR 5 0.0 ok 1,0,new", "I 10 0.0 add - c,x,-")
        self.rejects("lost", "1,add,c,x,- 2,flush,l", "I 1 0.0 add - c,x,-", "I 1 0.1 clear c\nR 5 0.1 ok 2,0,new",
                     "I 1 0.2 flush l")

    def test_a_forgetting_that_is_not_seen(self):
        self.rejects("stale", "1,add,c,x,- 2,forget,c,1",
                     ADD_X_AND_FORGET, "I 50 0.0 read c - -\nR 60 0.0 ok - 1,x,-")
        self.rejects("not what the first 2", "1,add,c,x,- 2,forget,c,1",
                     ADD_X_AND_FORGET, "I 50 0.0 read c - -\nR 60 0.0 ok 2 1,x,-")
        self.rejects("not what the first 2", "1,add,c,x,- 2,forget,c,1",
                     ADD_X_AND_FORGET, "I 50 0.0 get 1\nR 60 0.0 ok 2 c,x")

    def test_one_key_added_twice(self):
        self.rejects("key was recorded twice", "1,add,c,x,k 2,add,c,y,k", "I 1 0.0 add - c,x,k",
                     "I 1 0.0 add - c,y,k")
        self.rejects("content was recorded twice", "1,add,c,x,- 2,add,c,x,-", "I 1 0.0 add - c,x,-")
        self.rejects("two calls made one event", "1,add,c,x,k", "I 1 0.0 add - c,x,k\nR 5 0.0 ok 1,0,new",
                     "I 1 0.0 add - c,x,k\nR 5 0.0 ok 1,0,new")

    def test_a_receipt_that_is_not_the_first(self):
        self.rejects("another memory", "1,add,c,x,k 2,add,c,y,-", "I 1 0.0 add - c,x,k\nR 5 0.0 ok 1,0,new",
                     "I 1 0.0 add - c,y,-\nR 5 0.0 ok 2,0,new", "I 10 0.0 add - c,x,k\nR 15 0.0 ok 2,0,replayed")
        self.rejects("without a key", "1,add,c,x,-", "I 1 0.0 add - c,x,-\nR 5 0.0 ok 1,0,replayed")
        self.rejects("from later", "1,add,c,x,- 2,add,c,y,- 3,add,d,z,k", "I 1 0.0 add - d,z,k",
                     "I 1 0.0 add - c,x,- d,z,k c,y,-\nR 5 0.0 ok 1,0,new 3,0,replayed 2,0,new")
        self.rejects("another time", "1,add,c,x,k", "I 1 0.0 add - c,x,k\nR 5 0.0 ok 1,7,new")

    def test_sequences_against_real_time(self):
        self.rejects("against real time", "1,add,c,y,- 2,add,c,x,-", """
            I 10 0.0 add - c,x,-
            R 20 0.0 ok 2,0,new
            I 30 0.1 add - c,y,-
            R 40 0.1 ok 1,0,new""")
        # Also of a call that never returned.
        self.rejects("against real time", "1,add,c,y,- 2,add,c,x,-", "I 10 0.0 add - c,x,-\nR 20 0.0 ok 2,0,new",
                     "I 30 0.0 add - c,y,-")

    def test_a_read_from_the_future(self):
        for seen in ("read c - -\nR 25 0.0 ok - 1,x,- 2,y,-", "read c - -\nR 25 0.0 ok 2 1,x,- 2,y,-", "now\nR 25 0.0 ok 2",
                     "add 1 c,z,-\nR 25 0.0 err unexpected_sequence"):
            with self.subTest(seen):
                self.rejects("against real time", TWO, ADDS, "I 21 0.0 " + seen)
        self.rejects("does not have", TWO, ADDS, "I 21 0.0 now\nR 50 0.0 ok 3")

    def test_what_no_prefix_gives(self):
        self.rejects("no prefix", TWO, ADDS, "I 1 0.0 read c - -\nR 60 0.0 ok - 2,y,-")
        self.rejects("first 2 events", TWO, ADDS, "I 1 0.0 read c - -\nR 60 0.0 ok 2 2,y,-")
        self.rejects("first 1 events", TWO, ADDS, "I 1 0.0 read c - -\nR 60 0.0 ok 1 1,x,- 2,y,-")
        self.rejects("not what the log has", TWO, ADDS, "I 1 0.0 read c - -\nR 60 0.0 ok - 1,z,-")
        self.rejects("not what the log has", TWO, ADDS, "I 1 0.0 read d - -\nR 60 0.0 ok - 1,x,-")
        self.rejects("first 2 events", TWO, ADDS, "I 1 0.0 names c\nR 60 0.0 ok 2 c,1")
        self.rejects("no event with this", TWO, ADDS, "I 1 0.0 last d\nR 60 0.0 ok 1")
        self.rejects("no flush with", TWO, ADDS, "I 1 0.0 label l\nR 60 0.0 ok 1")
        self.rejects("something else", TWO, ADDS, "I 1 0.0 events 0\nR 60 0.0 ok 2,add,c,y,-")
        self.rejects("first 1 events", TWO, ADDS, "I 1 0.0 past 1 c\nR 60 0.0 ok 1 1,x,- 2,y,-")

    def test_torn_batches(self):
        check(BATCH, ADD_BATCH)
        for seen in ("- 1,x,-", "1 1,x,-", "2 1,x,-"):
            self.rejects("torn", BATCH, ADD_BATCH, "I 20 0.0 read c - -\nR 30 0.0 ok " + seen)
        self.rejects("torn", BATCH, ADD_BATCH, "I 20 0.0 now\nR 30 0.0 ok 2")
        pending = ADD_BATCH.split("R")[0]
        self.rejects("torn", "1,add,c,x,-", pending)
        self.rejects("torn", "1,add,c,x,- 2,add,d,z,k", pending)
        self.rejects("torn", "1,add,c,x,- 2,add,c,y,-", pending)
        self.rejects("torn", "1,add,c,x,- 2,flush,l 3,add,c,y,-", pending, "I 1 0.0 flush l")
        self.rejects("torn", "1,add,c,x,- 2,add,d,z,k 3,flush,l 4,add,c,y,-", "I 1 0.0 flush l\nR 50 0.0 ok 3,0,new",
                     ADD_BATCH.replace("3,0", "4,0"))
        # The key came later than the batch that has it.
        self.rejects("torn", "1,add,c,x,- 2,add,c,y,- 3,add,d,z,k", pending, "I 1 0.0 add - d,z,k")
        # What an earlier event is said to have been, between a batch's parts.
        self.rejects("torn", "1,add,c,x,- 2,add,c,y,- 3,flush,l 4,forget,c,1 5,flush,l 6,forget,c,2",
                     "I 1 0.0 add - c,x,- c,y,-",
                     "I 1 0.0 flush l", "I 2 0.0 flush l", "I 5 0.0 forget 1 2\nR 50 0.0 ok 4,0,new 6,0,new")
        self.rejects("replacement that was acknowledged", "1,add,c,x,- 2,forget,c,1 3,flush,l",
                     "I 1 0.0 add - c,x,-", "I 1 0.0 flush l", "I 1 0.0 forget 1",
                     "I 5 0.0 replace 1 y\nR 50 0.0 ok 3,0,new")
        self.rejects("torn", "1,add,c,x,- 2,flush,l 3,add,c,y,-", "I 1 0.0 add - c,x,-", "I 1 0.0 flush l",
                     "I 5 0.0 replace 1 y")
        self.rejects("torn", "1,add,c,x,- 2,add,c,y,- 3,forget,c,1", "I 1 0.0 add - c,x,-", "I 1 0.0 add - c,y,-",
                     "I 5 0.0 forget 1 2")

    def test_followers(self):
        for what in ("D 60 0 2,add,c,y,-", "D 50 0 1,add,c,x,-\nD 60 0 1,add,c,x,-",
                     "D 50 0 1,add,c,x,-\nD 60 0 2,add,c,x,-",
                     "D 50 0 1,add,c,x,-\nD 60 0 2,add,c,y,-\nD 70 0 3,add,c,z,-"):
            with self.subTest(what):
                self.rejects("something else", TWO, ADDS, "F 5 0 0\n" + what)
        self.rejects("against real time", TWO, ADDS, "F 5 0 1\nD 25 0 2,add,c,y,-")
        self.rejects("stale", "1,add,c,x,-", "I 10 0.0 add - c,x,-", "F 5 0 0\nD 25 0 1,add,c,x,-",
                     "I 30 0.0 now\nR 40 0.0 ok 0")
        self.rejects("did not come", TWO, ADDS, "F 5 0 0\nD 25 0 1,add,c,x,-\nW 90 0 2")
        self.rejects("ended by", TWO, ADDS, "F 5 0 0\nE 90 0 damaged")

    def test_refusals_without_cause(self):
        self.rejects("no prefix", TWO, ADDS, "I 1 0.0 add - c,z,k\nR 60 0.0 err key_conflict")
        self.rejects("no prefix", "1,add,c,x,k", "I 1 0.0 add - c,x,k",
                     "I 1 0.0 add - c,x,k\nR 60 0.0 err key_conflict")
        # The other content came only after the call had returned.
        self.rejects("against real time", "1,add,c,x,k", "I 70 0.0 add - c,x,k",
                     "I 1 0.0 add - c,y,k\nR 60 0.0 err key_conflict")
        self.rejects("stale", TWO, ADDS, "I 50 0.0 add 2 c,z,-\nR 60 0.0 err unexpected_sequence")
        self.rejects("stale", "1,add,c,x,-", "I 10 0.0 add - c,x,-\nR 20 0.0 ok 1,0,new",
                     "I 30 0.0 forget 1\nR 40 0.0 err no_such_memory")
        self.rejects("without a cause", TWO, ADDS, "I 1 0.0 now\nR 60 0.0 err damaged")
        self.rejects("without a cause", TWO, ADDS, "I 1 0.0 now\nR 60 0.0 err outcome_unknown_")
        self.rejects("without a cause", TWO, ADDS, "I 1 0.0 snapshot\nR 60 0.0 err system")

    def test_expected_sequences_that_were_not_there(self):
        self.rejects("that expected 0", "1,add,c,x,- 2,add,c,y,-", "I 1 0.0 add - c,x,-",
                     "I 1 0.0 add 0 c,y,-\nR 60 0.0 ok 2,0,new")
        # Both of two who expected the same.
        self.rejects("that expected 0", "1,add,c,x,- 2,add,c,y,-", "I 1 0.0 add 0 c,x,-\nR 60 0.0 ok 1,0,new",
                     "I 1 0.0 add 0 c,y,-")

    def test_a_known_key_is_no_matter_of_what_was_expected(self):
        self.rejects("stale", "1,add,c,x,k", "I 1 0.0 add - c,x,k\nR 5 0.0 ok 1,0,new",
                     "I 10 0.0 add 7 c,x,k\nR 20 0.0 err unexpected_sequence")
        check("1,add,c,x,k", "I 1 0.0 add - c,x,k\nR 15 0.0 ok 1,0,new",
              "I 10 0.0 add 7 c,x,k\nR 20 0.0 err unexpected_sequence")

    def test_one_key_with_two_contents_in_a_batch(self):
        check("", "I 1 0.0 add - c,x,- c,y,k c,z,k c,w,-\nR 5 0.0 err key_conflict")
        self.rejects("no prefix", "", "I 1 0.0 add - c,x,- c,y,k c,y,k c,w,-\nR 5 0.0 err key_conflict")

    def test_what_was_refused_and_is_there(self):
        for code in ("busy", "not_written", "unexpected_sequence"):
            self.rejects("refused is there", "1,add,c,x,-", "I 10 0.0 add 7 c,x,-\nR 20 0.0 err " + code)
        self.rejects("nobody made", "1,add,c,x,k", "I 10 0.0 add - c,x,k\nR 20 0.0 err busy")

    def test_what_nobody_made(self):
        self.rejects("nobody made", "1,add,c,x,- 2,add,c,y,- 3,flush,l", ADDS)
        self.rejects("content that nobody made", "1,add,c,!x,-", "I 10 0.0 add - c,!x,-")
        self.rejects("not there", "1,forget,c,1", "I 10 0.0 forget 1")
        self.rejects("gap", "1,add,c,x,- 3,add,c,y,-", ADDS)

    def test_recorded_times_that_run_backwards(self):
        with self.assertRaises(Violation):
            Log([Event(1, "flush", label="l", recorded=2), Event(2, "flush", label="l", recorded=1)])


class Contents(unittest.TestCase):
    def test_a_content_that_was_changed_is_noticed(self):
        for token in ("1.0-0.0.0", "k.e0-4.10.a", "x"):
            self.assertEqual(token_of(text_of(token)), token)
            self.assertTrue(token_of(text_of(token) + " ").startswith("!"))
        self.assertTrue(token_of(None).startswith("!"))

    def test_times(self):
        self.assertEqual(microseconds("1970-01-01T00:00:00.000001Z"), 1)
        self.assertEqual(microseconds("2024-02-29T12:00:00.500000Z"), 1709208000500000)


if __name__ == "__main__":
    unittest.main()
