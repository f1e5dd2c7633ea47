"""docs/journal.proto: the raw payload of a frame, a series of events in protobuf wire format."""

import canonical_json

KINDS = {1: "added", 2: "forgotten", 3: "cleared", 4: "flushed", 5: "floor", 6: "erased", 7: "erasure_begun",
         8: "erasure_done", 9: "lost"}

# What an event of each kind must have, beside the content of an added one. Numbers are from 1.
NEEDED = {
    "added": ("conversation",), "forgotten": ("conversation", "target"), "cleared": ("conversation",), "flushed": (),
    "floor": ("target",), "erased": ("was", "leaf", "erasure"), "erasure_begun": ("target", "erasure_key"),
    "erasure_done": ("target",), "lost": ("first", "target"),
}

# number: (name, wire type, kinds that may have it, least and greatest length of its UTF-8 or None)
FIELDS = {
    2: ("conversation", 2, ("added", "forgotten", "cleared", "erased"), (1, 512)),
    3: ("text", 2, ("added",), None),
    4: ("json", 2, ("added",), None),
    5: ("data", 2, ("added",), None),
    6: ("mime_type", 2, ("added",), (1, 255)),
    7: ("role", 2, ("added",), (1, 64)),
    8: ("metadata", 2, ("added",), None),
    9: ("timestamp", 0, ("added",), None),
    10: ("idempotency_key", 2, ("added",), (1, 512)),
    11: ("target", 0, ("forgotten", "floor", "erased", "erasure_begun", "erasure_done", "lost"), None),
    12: ("label", 2, ("flushed",), (1, 512)),
    13: ("was", 0, ("erased",), None),
    14: ("leaf", 2, ("erased",), None),
    15: ("key_hash", 2, ("erased",), None),
    16: ("erasure", 0, ("erased",), None),
    17: ("erasure_key", 2, ("erasure_begun",), None),
    18: ("first", 0, ("lost",), None),
    32: ("replaces", 0, ("added",), None),
}
LENGTHS = {"leaf": 32, "key_hash": 16, "erasure_key": 32}
FIRST_OPTIONAL_FIELD, FIRST_OPTIONAL_KIND = 32, 64

# Of an erased event, by what it was: what there must be, and what there may be.
ERASED_PARTS = {1: (set(), {"conversation", "key_hash"}), 2: ({"target"}, {"target"}), 3: (set(), set())}

# No journal has so many events.
BOUND = 1 << 62


class Malformed(ValueError):
    """The bytes are not what the document says they are."""


class NotUnderstood(Exception):
    """A kind or field that is not known and must be understood."""


def varint(data, position, end):
    """An unsigned varint of at most 64 bits in data[position:end]: (value, position behind it)."""
    value = 0
    for shift in range(0, 70, 7):
        if position >= end:
            raise Malformed("a varint is cut off")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value >= 1 << 64:
                break
            return value, position
    raise Malformed("a varint is longer than 64 bits")


def encoded_varint(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def zigzag(value):
    """The signed number that a sint64 stands for."""
    return value >> 1 ^ -(value & 1)


def fields(data, position, end):
    """The fields of the message in data[position:end], as (number, wire type, int or bytes)."""
    while position < end:
        tag, position = varint(data, position, end)
        number, wire = tag >> 3, tag & 7
        if not 0 < number < 1 << 29:
            raise Malformed("field number %d" % number)
        if wire == 0:
            value, position = varint(data, position, end)
        elif wire in (1, 2, 5):
            length = 8 if wire == 1 else 4
            if wire == 2:
                length, position = varint(data, position, end)
            if length > end - position:
                raise Malformed("field %d is longer than its message" % number)
            value = data[position:position + length]
            position += length
        else:
            raise Malformed("wire type %d in field %d" % (wire, number))
        yield number, wire, value


def events(payload, first, count, in_erased_segment):
    """The events of the raw payload of a frame of `count` events from sequence `first` on, in order: a dict each, or None
    for an event that may be skipped."""
    found, position = [], 0
    while position < len(payload):
        if payload[position] != 0x0A:
            raise Malformed("not a series of events")
        length, position = varint(payload, position + 1, len(payload))
        if length > len(payload) - position:
            raise Malformed("an event is longer than the payload")
        result = event(payload[position:position + length])
        position += length
        wrong = result and out_of_place(result, first + len(found), in_erased_segment)
        if wrong:
            raise Malformed(wrong)
        found.append(result)
    if len(found) != count:
        raise Malformed("%d events, not %d" % (len(found), count))
    return found


def out_of_place(fields, sequence, in_erased_segment):
    """Why an event cannot be where it is, or None."""
    kind, target = fields["kind"], fields.get("target", 0)
    if kind == "floor" and target > sequence:
        return "a floor that is not reached yet"
    if kind in ("erasure_begun", "erasure_done") and target >= sequence:
        return "%s of what is not there yet" % kind
    if kind == "erased" and not in_erased_segment:
        return "erased in a segment that is not"
    if kind == "erased" and fields["erasure"] <= sequence:
        return "erased by what came before it"
    return None


def event(data):
    members = fields(data, 0, len(data))
    number, wire, code = next(members, (0, 0, 0))
    if (number, wire) != (1, 0) or not 0 < code < 1 << 31:
        raise Malformed("an event does not begin with its kind")
    if code >= FIRST_OPTIONAL_KIND:
        for _ in members:  # its fields are its own affair, so long as they are fields
            pass
        return None
    if code not in KINDS:
        raise NotUnderstood("event kind %d" % code)
    # What must be understood is told before what fields hold is looked at.
    result, before = {"kind": KINDS[code]}, 1
    for number, wire, value in members:
        if place(result, before, number, wire, value):
            before = number
    check(result)
    return result


def place(result, before, number, wire, value):
    """Puts a field into an event, the last of which has the number `before`; False when it is not known and passed over."""
    known = FIELDS.get(number)
    if known:
        name, expected, kinds, _ = known
        if wire != expected or result["kind"] not in kinds:
            raise Malformed("%s has %s as it cannot have it" % (result["kind"], name))
        if number <= before:
            raise Malformed("%s has %s twice, or out of its order" % (result["kind"], name))
        result[name] = value
        return True
    if number == 1:
        raise Malformed("an event has two kinds")
    if number < FIRST_OPTIONAL_FIELD:
        raise NotUnderstood("event field %d" % number)
    return False


def check(result):
    """Checks what the fields of an event hold, and makes values of them."""
    kind = result["kind"]
    for name, _, _, bounds in FIELDS.values():
        if name in result:
            if result[name] == 0 and name != "timestamp":
                raise Malformed("%s with %s 0" % (kind, name))
            result[name] = field(name, result[name], bounds)
    for name in NEEDED[kind]:
        if name not in result:
            raise Malformed("%s without %s" % (kind, name))
    if kind == "added" and sum(name in result for name in ("text", "json", "data")) != 1:
        raise Malformed("added without exactly one content")
    if kind == "lost" and not result["first"] <= result["target"] < BOUND:
        raise Malformed("lost from %d to %d" % (result["first"], result["target"]))
    if kind == "erased":
        check_erased(result)


def check_erased(result):
    was, parts = result["was"], {"conversation", "target", "key_hash"} & set(result)
    if was in ERASED_PARTS:
        needed, allowed = ERASED_PARTS[was]
        if not needed <= parts <= allowed:
            raise Malformed("erased of kind %d with %s" % (was, ", ".join(sorted(parts)) or "nothing"))


def field(name, value, bounds):
    """The value of a field, checked: str for text, bytes for JSON and data, int for numbers."""
    if name == "timestamp":
        value = zigzag(value)
        if not canonical_json.FIRST_TIME <= value <= canonical_json.LAST_TIME:
            raise Malformed("timestamp outside the years 0001 to 9999")
    elif name in LENGTHS:
        if len(value) != LENGTHS[name]:
            raise Malformed("%s of %d bytes" % (name, len(value)))
    elif name in ("json", "metadata"):
        # One object, array, number or boolean; metadata a non-empty object. Kept as bytes: it is written as it is.
        if value[:1] in (b'"', b"n") or name == "metadata" and (value[:1] != b"{" or value == b"{}"):
            raise Malformed("%s is not of a kind it may be" % name)
        try:
            canonical_json.check(value)
        except canonical_json.NotCanonical as error:
            raise Malformed("%s at byte %d: %s" % (name, error.offset, error)) from None
    elif name == "text" or bounds:
        if bounds and not bounds[0] <= len(value) <= bounds[1]:
            raise Malformed("%s of %d bytes" % (name, len(value)))
        try:
            value = value.decode("utf-8")
        except UnicodeDecodeError:
            raise Malformed("%s is not UTF-8" % name) from None
        if name == "conversation" and any(c < " " or "\x7f" <= c < "\xa0" for c in value):
            raise Malformed("conversation with a control character")
    return value
