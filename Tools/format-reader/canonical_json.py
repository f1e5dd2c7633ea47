"""docs/format.md, "Canonical JSON": checking it, splitting an object into members, and writing it."""

import datetime
import json
import re

# A token of canonical JSON. The string alternative admits exactly the canonical spelling of a string: nothing but
# `"`, `\` and the control characters below U+0020 is escaped, and each in the one way the document names.
TOKEN = re.compile(
    rb'"[^"\\\x00-\x1f]*(?:\\(?:["\\nrtbf]|u00(?:0[0-7bef]|1[0-9a-f]))[^"\\\x00-\x1f]*)*"'
    rb"|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"
    rb"|true|false|null|[\[\]{}:,]"
)

# Times: the years 0001 to 9999, in microseconds since 1970.
FIRST_TIME = -62_135_596_800_000_000
LAST_TIME = 253_402_300_799_999_999
TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)T([01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{6}Z", re.ASCII)


class NotCanonical(ValueError):
    """The bytes depart from canonical JSON at `offset`."""

    def __init__(self, offset, message):
        super().__init__(message)
        self.offset = offset


def check(text):
    """Check that `text` (bytes) is one value in canonical JSON.

    Returns the members of an object as (key, bytes of the value) in their order, or None for any other value. Works
    with a stack of its own, so that no depth of nesting exhausts the interpreter's.
    """
    try:
        text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NotCanonical(error.start, "not UTF-8") from None
    members = [] if text[:1] == b"{" else None
    stack = []  # of each open container: [closing token, greatest key so far]
    want = "value"  # value, value or end, key, key or end, colon, more, nothing
    position = value_start = 0
    while position < len(text):
        match = TOKEN.match(text, position)
        if not match:
            raise NotCanonical(position, "not a token of canonical JSON")
        token, start, position = match.group(), position, match.end()
        if want in ("value", "value or end") and token not in (b"]", b"}", b":", b","):
            if len(stack) == 1 and members is not None:
                value_start = start
            if token == b"{":
                stack.append([b"}", None])
                want = "key or end"
                continue
            if token == b"[":
                stack.append([b"]", None])
                want = "value or end"
                continue
        elif want in ("key", "key or end") and token[:1] == b'"':
            key = json.loads(token).encode("utf-8")  # ordered as the bytes of the key itself, not of its escapes
            if stack[-1][1] is not None and key <= stack[-1][1]:
                raise NotCanonical(start, "members are not in order of their keys, or one is there twice")
            stack[-1][1] = key
            want = "colon"
            continue
        elif want == "colon" and token == b":":
            want = "value"
            continue
        elif want == "more" and token == b",":
            want = "key" if stack[-1][0] == b"}" else "value"
            continue
        elif want in ("more", "value or end", "key or end") and token == stack[-1][0]:
            stack.pop()
        else:
            raise NotCanonical(start, "unexpected %s" % token[:20].decode("utf-8", "replace"))
        # A value has ended here.
        want = "more" if stack else "nothing"
        if len(stack) == 1 and members is not None:
            members.append((stack[0][1].decode("utf-8"), text[value_start:position]))
    if want != "nothing":
        raise NotCanonical(len(text), "ends too early")
    return members


def string(text):
    """A str as a canonical JSON string, in bytes. (json.dumps escapes exactly what the document says it must.)"""
    return json.dumps(text, ensure_ascii=False).encode("utf-8")


def object_line(members):
    """One line: the object with these members (name: bytes of the value; None is left out), and a newline."""
    present = sorted((name.encode("utf-8"), value) for name, value in members.items() if value is not None)
    return b"{" + b",".join(b'"%s":%s' % member for member in present) + b"}\n"


def time(microseconds):
    """Microseconds since 1970 as RFC 3339, UTC, six decimals. Integers throughout: nothing is rounded."""
    seconds, fraction = divmod(microseconds, 1_000_000)
    days, second = divmod(seconds, 86_400)
    date = datetime.date.fromordinal(datetime.date(1970, 1, 1).toordinal() + days)
    return "%sT%02d:%02d:%02d.%06dZ" % (date.isoformat(), second // 3600, second // 60 % 60, second % 60, fraction)


def is_time(text):
    """Whether `text` is a time as `time` writes it."""
    match = TIME.fullmatch(text)
    try:
        return bool(match) and datetime.date(*(int(part) for part in match.groups()[:3])) is not None
    except ValueError:  # the 30th of February
        return False
