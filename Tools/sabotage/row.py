"""What a row of the table is: one thing that is switched off.

A place is a file, the text that stands there (exactly once, or as often as said), and the text that takes its place in
the copy that is built. `SABOTAGED("name")` is true in a process that runs with that row switched on. The source itself
has no switches; a text that is not found any more is an error, so that no row becomes void unnoticed.
"""

import dataclasses

LOG = "Sources/SegmentLog/"
ENGINE = "Sources/AgentJournal/Engine/"


@dataclasses.dataclass
class Place:
    file: str
    text: str
    instead: str
    times: int = 1


@dataclasses.dataclass
class Row:
    name: str
    what: str
    # None where the place of another row has the switch of this one too.
    places: list
    # The tests that must notice; where none are named, the crash explorer must, in the workload of these steps.
    tests: str = ""
    workload: str = ""


def without(name, what, file, text, tests="", context=("", ""), workload=""):
    """A row that leaves a statement out."""
    before, after = context
    return Row(name, what, [Place(file, before + text + after, f'{before}if !SABOTAGED("{name}") {{ {text} }}{after}')], tests, workload)


def unless(name, what, file, text, tests="", context=("", ""), workload=""):
    """A row that takes a comparison for true."""
    before, after = context
    return Row(name, what, [Place(file, before + text + after, f'{before}(SABOTAGED("{name}") || {text}){after}')], tests, workload)
