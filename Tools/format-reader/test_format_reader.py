#!/usr/bin/env python3
"""Tests of the reader, with a little writer of their own, which is from the document as well.

    python3 -m unittest discover -s Tools/format-reader
"""

import base64
import hashlib
import hmac
import io
import json
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
import zlib
from contextlib import redirect_stderr
from unittest import mock

import canonical_json
import erasure
import format_reader
import snapshot

UUID = "00112233-4455-6677-8899-aabbccddeeff"
CREATED = 1_767_323_045_000_006  # 2026-01-02T03:04:05.000006Z
ADDED, FORGOTTEN, CLEARED, FLUSHED, FLOOR, ERASED, BEGUN, DONE, LOST = range(1, 10)
CONVERSATION, TEXT, JSON, DATA, MIME, ROLE, METADATA, TIME, KEY, TARGET, LABEL = range(2, 13)
WAS, LEAF, KEY_HASH, ERASURE, ERASURE_KEY, FIRST = range(13, 19)
REPLACES = 32
SECRET, THE_ERASURE_KEY = bytes(range(32)), bytes(range(100, 132))
SYNC, RESTART, STORED = 1, 2, 4


# ---------------------------------------------------------------- The writer

def varint(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, str):
        value = value.encode("utf-8")
    return varint(number << 3 | 2) + varint(len(value)) + value


def zigzag(value):
    return (value << 1) ^ (value >> 63) if value >= 0 else (-value << 1) - 1


def event(kind, *fields):
    return field(1, kind) + b"".join(field(number, value) for number, value in fields)


def add(text="hello", conversation="c", *fields):
    return event(ADDED, (CONVERSATION, conversation), (TEXT, text), *fields)


def hmac256(key, data):
    return hmac.new(key, data, hashlib.sha256).digest()


def key_at(number, level, key=SECRET):
    """The key of the node that so many of the highest bits of `number` lead to."""
    for bit in "{:032b}".format(number)[:level]:
        key = hmac256(key, b"\1" if bit == "1" else b"\0")
    return key


def erased(number, recorded, original, was, *fields, erasure=8):
    """What is left of the event with this number, counted from the first of its segment."""
    leaf = hmac256(key_at(number, 32), struct.pack("<q", recorded) + original)
    fields = dict(fields)
    fields.update({WAS: was, LEAF: leaf, ERASURE: erasure})
    return event(ERASED, *sorted(fields.items()))


def identity(journal=UUID, **members):
    values = {"created": "2026-01-02T03:04:05.000006Z", "format": 1, "journal": journal,
              "maximum_content_bytes": 16777216, "maximum_frame_bytes": 67108864, "minimum_reader": 1}
    values.update(members)

    def line():
        return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode("utf-8")
    values["checksum"] = "%08x" % zlib.crc32(line())
    return line() + b"\n"


class Segment:
    def __init__(self, id=1, before=None, created=CREATED, **fields):
        self.id, self.created, self.salt = id, created, 0x5A17 * id
        self.first = before.next if before else 1
        values = dict(version=1, minimum=1, journal=bytes.fromhex(UUID.replace("-", "")), flags=0, original=id,
                      first=self.first, zero=b"", predecessor=before.id if before else 0,
                      predecessor_chain=before.chain if before else 0,
                      predecessor_last=before.next - 1 if before else 0, predecessor_end=before.end if before else 0,
                      replaced=0, secret=SECRET)
        values.update(fields)
        self.header = struct.pack(
            "<8sHHI16sQqII32sIIQQII4s", b"\x89AJS\r\n\x1a\n", values["version"], values["minimum"], id,
            values["journal"], values["first"], created, self.salt, values["flags"], values["secret"],
            values["predecessor"], values["predecessor_chain"], values["predecessor_last"], values["predecessor_end"],
            values["original"], values["replaced"], values["zero"])
        self.chain = zlib.crc32(self.header)
        self.header += struct.pack("<I", self.chain)
        self.data = bytearray(1024)
        self.data[:128] = self.data[512:640] = self.header
        self.first = values["first"]
        self.next = self.first
        self.offsets = []
        self.deflater = None

    @property
    def name(self):
        return "%020d-%08d.segment" % (self.first, self.id)

    @property
    def end(self):
        return len(self.data)

    def frame(self, *events, flags=0, type=1, recorded=1, count=None, zero=0, raw=None, sequence_offset=None,
              previous=None):
        """Append a frame; what restart must be is found out. Returns its offset."""
        raw = b"".join(field(1, each) for each in events) if raw is None else raw
        if flags & STORED:
            self.deflater = None
            flags |= RESTART
            data = raw
        else:
            if self.deflater is None or flags & RESTART:
                flags |= RESTART
                self.deflater = zlib.compressobj(6, zlib.DEFLATED, -15)
            data = self.deflater.compress(raw) + self.deflater.flush(zlib.Z_SYNC_FLUSH)
            assert data.endswith(b"\0\0\xff\xff")
            data = data[:-4]
        offset, count = self.end, len(events) if count is None else count
        time = varint(recorded)
        rest = struct.pack("<IIIII3sBHH", zlib.crc32(time, zlib.crc32(data, zlib.crc32(raw))),
                           self.chain if previous is None else previous, len(time + data), len(raw),
                           self.next - self.first if sequence_offset is None else sequence_offset,
                           count.to_bytes(3, "little"), type, flags, zero)
        self.chain = zlib.crc32(struct.pack("<IIQ", self.salt, self.id, offset) + rest)
        self.data += struct.pack("<I", self.chain) + rest + time + data
        self.data += bytes(-len(self.data) % 8)
        self.next += count
        self.offsets.append(offset)
        return offset


class Packed(Segment):
    """A packed segment in place of `original`, with blocks."""

    def __init__(self, original, id, replaced=None, before=None, **fields):
        fields = {"flags": 1, "first": original.first, **fields}
        super().__init__(id, before, original.created, original=original.id,
                         replaced=original.id if replaced is None else replaced, **fields)
        self.original, self.entries, self.nodes = original, [], []

    def block(self, *groups, table=None, **fields):
        """Append a block of groups: (recorded since the segment's creation, events...)."""
        times = [groups[0][0]] + [group[0] for group in groups[:-1]]
        raws = [b"".join(field(1, each) for each in group[1:]) for group in groups]
        if table is None:
            table = varint(len(groups)) + b"".join(
                varint(group[0] - time) + varint(len(group) - 1) + varint(len(raw))
                for group, time, raw in zip(groups, times, raws))
        return self.alone(raw=table + b"".join(raws), type=2, recorded=groups[0][0],
                          count=sum(len(group) - 1 for group in groups), **fields)

    def alone(self, *events, recorded=1, flags=RESTART, **fields):
        self.entries.append((self.end, self.next, self.created + recorded, self.chain, 0))
        return self.frame(*events, recorded=recorded, flags=flags, **fields)

    def lost(self, count, recorded=0, **fields):
        return self.alone(raw=b"", count=count, recorded=recorded, type=3, **fields)

    def finish(self, **fields):
        values = dict(magic=b"\x89AJI\r\n\x1a\n", index=self.end, number=len(self.entries), last=self.next - 1,
                      end=self.original.end, chain=self.original.chain, own=self.chain, nodes=len(self.nodes))
        index = b"".join(struct.pack("<QQqII", *entry) for entry in self.entries)
        index += b"".join(struct.pack("<IB3s32s", first, level, b"any", key) for first, level, key in self.nodes)
        values.update(crc=zlib.crc32(index))
        values.update(fields)
        self.data += index
        trailer = struct.pack("<8sQIIQQIII", *(values[name] for name in (
            "magic", "index", "number", "crc", "last", "end", "chain", "own", "nodes")))
        place = struct.pack("<IIQ", self.salt, self.id, self.end)
        self.data += trailer + struct.pack("<I", zlib.crc32(place + trailer))
        return self


class Erased(Packed):
    """An erased segment in place of `original`, with the nodes of these (number, level)."""

    def __init__(self, original, id, *nodes, **fields):
        super().__init__(original, id, **{"flags": 3, "secret": bytes(32), **fields})
        self.nodes = [(number, level, key_at(number, level)) for number, level in nodes]


def lock(segment, id=None, end=None, chain=None, mark=None):
    record = struct.pack("<IIQQq16x", segment.id if id is None else id, segment.chain if chain is None else chain,
                         segment.end if end is None else end, segment.next - 1, CREATED)
    page = bytearray(4096)
    page[:8] = b"AJLOCK1\n"
    struct.pack_into("<Q", page, 3584, (1 << 32) + zlib.crc32(record) if mark is None else mark)
    page[3592:3640] = record
    return bytes(page)


PUT, DELETE, DELETE_PREFIX = 0, 1, 2


class Table:
    """A table of these entries, (key, value) or (key, value, operation), so many in a block and blocks in an index."""

    def __init__(self, sequence, entries, meta, per_block=3, per_index=2, stored=(), shared=True, **fields):
        values = dict(magic=b"\x89AJT\r\n\x1a\n", minimum=1, journal=bytes.fromhex(UUID.replace("-", "")), salt=0x1234,
                      sequence=sequence, again=sequence, count=len(entries), end_magic=b"\x89AJT\r\n\x1a\n",
                      end_salt=0x1234, meta_key=b"\0", gap=b"", header=b"", footer=b"", block={})
        values.update(fields)
        self.values, self.shared, self.stored, self.places = values, shared, stored, []
        header = struct.pack("<8sHHI16sQ20x", values["magic"], 1, values["minimum"], values["salt"], values["journal"],
                             values["sequence"])
        self.data = bytearray(header + struct.pack("<I", zlib.crc32(header)))
        root, index = [], []
        for start in range(0, len(entries), per_block):
            block = entries[start:start + per_block]
            index.append((block[-1][0], varint_pair(self.block(1, block)) + block[0][0]))
            if len(index) == per_index or start + per_block >= len(entries):
                root.append((index[-1][0], varint_pair(self.block(2, index))))
                index = []
        self.data += values["gap"]
        root = self.block(3, root)
        meta = self.block(4, [(values["meta_key"], meta)])
        footer = struct.pack("<QQIIQQI4x8s4x", root[0], meta[0], root[1], meta[1], values["count"], values["again"],
                             values["end_salt"], values["end_magic"])
        self.data += footer + struct.pack("<I", zlib.crc32(footer))

    @property
    def name(self):
        return "snapshots/%020d.snapshot" % self.values["sequence"]

    def block(self, kind, entries):
        offset, number = len(self.data), len(self.places)
        last, raw = b"", b""
        for key, value, *operation in entries:
            common = len(os.path.commonprefix([last, key])) if self.shared else 0
            raw += varint(common) + varint(len(key) - common) + varint(len(value) << 2 | (operation or [PUT])[0])
            raw += key[common:] + value
            last = key
        values = dict(kind=kind, stored=int(number in self.stored or not raw), count=len(entries), raw=raw, raw_length=None)
        values.update(self.values["block"].get(number, {}))
        raw = data = values["raw"]
        if not values["stored"]:
            deflater = zlib.compressobj(6, zlib.DEFLATED, -15)
            data = (deflater.compress(raw) + deflater.flush(zlib.Z_SYNC_FLUSH))[:-4]
        rest = struct.pack("<IIIIHH", zlib.crc32(data), len(data),
                           len(raw) if values["raw_length"] is None else values["raw_length"], values["count"],
                           values["kind"], values["stored"])
        place = struct.pack("<IQ", self.values["salt"], offset)
        self.data += struct.pack("<I", zlib.crc32(place + rest)) + rest + data
        self.places.append((offset, len(self.data) - offset))
        return self.places[-1]


def varint_pair(place):
    return varint(place[0]) + varint(place[1])


def big(number):
    return struct.pack(">Q", number)


def meta(sequence, recorded, memories, floor=0):
    return varint(sequence) + varint(zigzag(recorded)) + varint(memories) + varint(floor)


def meta_erased(done, begun, erased, key=THE_ERASURE_KEY):
    """What is behind that in a meta block when there was an erasure."""
    return varint(done) + varint(begun) + varint(erased) + key


def conversation(memories, last, flags=0):
    return bytes([flags]) + varint(zigzag(memories)) + varint(last)


def key_value(sequence, recorded, *fields):
    compared = b"".join(field(number, value) for number, value in fields)
    return varint(sequence) + varint(zigzag(recorded)) + hashlib.sha256(compared).digest()[:16]


def memory(recorded, *fields):
    return varint(zigzag(recorded)) + b"".join(field(number, value) for number, value in fields)


class Output:
    def __init__(self):
        self.buffer = io.BytesIO()


class ReaderTest(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.directory)

    def put(self, *segments, lock=None, identity=identity()):
        """Make the journal of these segments, and nothing else."""
        shutil.rmtree(self.directory)
        os.makedirs(os.path.join(self.directory, "log"))
        os.makedirs(os.path.join(self.directory, "snapshots"))
        files = {"log/" + segment.name: segment.data for segment in segments}
        files.update({"lock": lock, "journal.json": identity})
        for name, data in files.items():
            if data is not None:
                self.file(name, data)

    def file(self, name, data):
        with open(os.path.join(self.directory, name), "wb") as file:
            file.write(data)

    def run_reader(self, command):
        output, errors = Output(), io.StringIO()
        with mock.patch.object(sys, "stdout", output), redirect_stderr(errors):
            status = format_reader.main([command, self.directory])
        return status, output.buffer.getvalue(), errors.getvalue()

    def export(self):
        status, output, errors = self.run_reader("export")
        self.assertEqual((status, errors), (0, ""))
        return output

    def events(self):
        status, output, errors = self.run_reader("events")
        self.assertEqual((status, errors), (0, ""))
        return output.decode("utf-8").splitlines()

    def texts(self):
        return [json.loads(line)["content"] for line in self.export().splitlines()]

    def ending(self):
        status, output, errors = self.run_reader("dump")
        self.assertEqual((status, errors), (0, ""))
        return output.decode("utf-8").splitlines()[-1]

    def assert_refused(self, status, *messages):
        for command in ("export", "events", "digest"):
            found, output, errors = self.run_reader(command)
            self.assertEqual((found, output), (status, b""), errors)
            for message in messages:
                self.assertIn(message, errors)
        self.assertEqual(self.run_reader("dump")[0], 0)

    def assert_damaged(self, file, offset, message=""):
        self.assert_refused(1, "damaged: %s:%d: " % (file, offset), message)

    def assert_unsupported(self, message=""):
        self.assert_refused(2, message)


# ---------------------------------------------------------------- What is in a journal

class ContentTests(ReaderTest):
    def test_one_event_of_each_kind(self):
        segment = Segment()
        segment.frame(event(ADDED, (CONVERSATION, "b"), (JSON, '{"n":1.50e+3}'), (MIME, "m/t"), (ROLE, "user"),
                            (METADATA, '{"k":[1,-0]}'), (TIME, zigzag(-1)), (KEY, "key")),
                      add("gone", "b"), add("a", "a"), add("x", "cleared"))
        segment.frame(event(FORGOTTEN, (CONVERSATION, "b"), (TARGET, 2)), event(CLEARED, (CONVERSATION, "cleared")),
                      event(FLUSHED, (LABEL, "mark")), event(FLUSHED), recorded=2)
        self.put(segment)
        export = (
            b'{"content":"a","conversation":"a","sequence":3,"timestamp":"2026-01-02T03:04:05.000007Z"}\n'
            b'{"content":{"n":1.50e+3},"conversation":"b","idempotency_key":"key","metadata":{"k":[1,-0]},'
            b'"mime_type":"m/t","role":"user","sequence":1,"timestamp":"1969-12-31T23:59:59.999999Z"}\n')
        self.assertEqual(self.export(), export)
        self.assertEqual(self.run_reader("digest")[1].decode().strip(), hashlib.sha256(export).hexdigest())
        at = '"recorded":"2026-01-02T03:04:05.00000%dZ"'
        self.assertEqual(self.events(), [
            '{"content":{"n":1.50e+3},"conversation":"b","idempotency_key":"key","kind":"added",'
            '"metadata":{"k":[1,-0]},"mime_type":"m/t",' + at % 7 +
            ',"role":"user","sequence":1,"timestamp":"1969-12-31T23:59:59.999999Z"}',
            '{"content":"gone","conversation":"b","kind":"added",' + at % 7 + ',"sequence":2}',
            '{"content":"a","conversation":"a","kind":"added",' + at % 7 + ',"sequence":3}',
            '{"content":"x","conversation":"cleared","kind":"added",' + at % 7 + ',"sequence":4}',
            '{"conversation":"b","kind":"forgotten",' + at % 9 + ',"sequence":5,"target":2}',
            '{"conversation":"cleared","kind":"cleared",' + at % 9 + ',"sequence":6}',
            '{"kind":"flushed","label":"mark",' + at % 9 + ',"sequence":7}',
            '{"kind":"flushed",' + at % 9 + ',"sequence":8}',
        ])

    def test_add_after_clear_and_forget_of_nothing(self):
        segment = Segment()
        segment.frame(add("1"), event(CLEARED, (CONVERSATION, "c")), add("2"),
                      event(FORGOTTEN, (CONVERSATION, "c"), (TARGET, 1)))
        self.put(segment)
        self.assertEqual(self.texts(), ["2"])

    def test_conversations_in_order_of_bytes(self):
        # UTF-16 has the last two the other way round.
        names = ["Z", "a", "é", "\uffee", "\U0001f600"]
        segment = Segment()
        segment.frame(*(add("x", name) for name in reversed(names)))
        self.put(segment)
        found = [json.loads(line)["conversation"] for line in self.export().splitlines()]
        self.assertEqual(found, names)

    def test_control_characters(self):
        text = "".join(map(chr, range(0x22))) + '\\/\x7f\x80\u2028\U0001f600é'
        segment = Segment()
        segment.frame(add(text))
        self.put(segment)
        named = {8: "\\b", 9: "\\t", 10: "\\n", 12: "\\f", 13: "\\r"}
        expected = "".join(named.get(code, "\\u%04x" % code) for code in range(0x20))
        expected += ' !\\\\/\x7f\x80\u2028\U0001f600é'
        self.assertIn(b'"content":"' + expected.encode("utf-8") + b'",', self.export())
        self.assertEqual(self.texts(), [text])

    def test_base64(self):
        for length in range(5):
            data = bytes(range(251, 251 + length))
            segment = Segment()
            segment.frame(event(ADDED, (CONVERSATION, "c"), (DATA, data)))
            self.put(segment)
            expected = base64.b64encode(data)
            self.assertEqual(len(expected) % 4, 0)
            self.assertTrue(self.export().startswith(b'{"content_base64":"' + expected + b'","conversation"'))

    def test_times(self):
        first, last = -62_135_596_800_000_000, 253_402_300_799_999_999
        times = {first: "0001-01-01T00:00:00.000000Z", first + 1: "0001-01-01T00:00:00.000001Z",
                 last: "9999-12-31T23:59:59.999999Z", 0: "1970-01-01T00:00:00.000000Z",
                 -1: "1969-12-31T23:59:59.999999Z", 951_782_400_000_001: "2000-02-29T00:00:00.000001Z"}
        segment = Segment(created=first)
        segment.frame(*(add("x", "c", (TIME, zigzag(time))) for time in times), recorded=0)
        segment.frame(add("at the end"), recorded=last - first)
        self.put(segment)
        found = [json.loads(line)["timestamp"] for line in self.export().splitlines()]
        self.assertEqual(found, list(times.values()) + [times[last]])
        for time in (first - 1, last + 1):
            segment = Segment()
            offset = segment.frame(add("x", "c", (TIME, zigzag(time))))
            self.put(segment)
            self.assert_damaged("log/" + segment.name, offset, "timestamp")
        for created in (first - 1, last + 1):
            segment = Segment(created=created)
            self.put(segment)
            self.assert_damaged("log/" + segment.name, 40)

    def test_empty_journals(self):
        segment = Segment()
        self.put(segment)
        self.assertEqual(self.export(), b"")
        self.assertEqual(self.run_reader("digest")[1].decode().strip(), hashlib.sha256(b"").hexdigest())
        segment.frame(event(ADDED, (CONVERSATION, "c"), (TEXT, "")))
        self.put(segment)
        self.assertEqual(self.texts(), [""])

    def test_malformed_payloads(self):
        c = (CONVERSATION, "c")
        payloads = {
            "no kind": field(2, "c"), "kind 0": event(0), "two kinds": event(FLUSHED, (1, 4)),
            "no conversation": event(ADDED, (TEXT, "x")), "no content": event(ADDED, c),
            "two contents": event(ADDED, c, (TEXT, "x"), (DATA, b"x")), "twice": event(ADDED, c, c, (TEXT, "x")),
            "not UTF-8": event(ADDED, c, (TEXT, b"\xff")), "surrogate": event(ADDED, c, (TEXT, b"\xed\xa0\x80")),
            "control": event(CLEARED, (CONVERSATION, "a\nb")), "empty": event(CLEARED, (CONVERSATION, "")),
            "long": event(CLEARED, (CONVERSATION, "x" * 513)), "no target": event(FORGOTTEN, c),
            "not its field": event(FLUSHED, (TEXT, "x")), "wire type": event(CLEARED, (CONVERSATION, 1)),
            "string": event(ADDED, c, (JSON, '"x"')), "null": event(ADDED, c, (JSON, "null")),
            "not canonical": event(ADDED, c, (JSON, '{"a": 1}')),
            "metadata": event(ADDED, c, (TEXT, ""), (METADATA, "{}")),
            "group": event(FLUSHED) + b"\x0b", "cut": event(FLUSHED) + field(12, "label")[:-1],
            "cut varint": event(FLUSHED) + b"\xff", "long varint": event(FLUSHED) + b"\xff" * 10 + b"\x01",
        }
        for name, payload in payloads.items():
            with self.subTest(name):
                segment = Segment()
                segment.frame(add())
                offset = segment.frame(payload)
                self.put(segment)
                self.assert_damaged("log/" + segment.name, offset, "payload")
        segment = Segment()
        offset = segment.frame(event(FLUSHED), count=2)
        self.put(segment)
        self.assert_damaged("log/" + segment.name, offset, "1 events, not 2")

    def test_deep_json(self):
        deep = "[" * 100_000 + "]" * 100_000
        segment = Segment()
        segment.frame(event(ADDED, (CONVERSATION, "c"), (JSON, deep)))
        self.put(segment)
        self.assertIn(deep.encode(), self.export())


class CanonicalTests(unittest.TestCase):
    def test_canonical(self):
        for text in ("{}", "[]", "0", "-0.10E+5", "true", '"x"', '{"":1,"A":{"b":[[],{}]},"a":null,"é":"\\u0001\\n"}',
                     '{"\\n":1," ":2}', '[1,[2,"\\u001f\\\\\\""]]', '"\x7f"'):
            canonical_json.check(text.encode("utf-8"))

    def test_members(self):
        found = canonical_json.check(b'{"a":{"a":[1,{"x":2}]},"b":"}","c":-1.0}')
        self.assertEqual(found, [("a", b'{"a":[1,{"x":2}]}'), ("b", b'"}"'), ("c", b"-1.0")])
        self.assertIsNone(canonical_json.check(b'[{"a":1}]'))

    def test_not_canonical(self):
        for text in ("", " 1", "1 ", "1\n", "01", "1.", ".1", "+1", "1e", "tru", "[1,]", "[,1]", "[1 ,2]", "[", "]",
                     "{", "[}",
                     '{"a"}', '{"a":}', '{"a":1,}', '{"b":1,"a":2}', '{"a":1,"a":1}', '{1:2}', '{" ":1,"\\n":2}', "1 2",
                     "[1][2]", "1,2", '"\\/"', '"\\u0041"', '"\\u000a"', '"\\u001F"', '"\\ud800"', '"\n"', '"', "NaN"):
            with self.subTest(text), self.assertRaises(canonical_json.NotCanonical):
                canonical_json.check(text.encode("utf-8"))
        with self.assertRaises(canonical_json.NotCanonical):
            canonical_json.check(b'"\xff"')


# ---------------------------------------------------------------- journal.json

class IdentityTests(ReaderTest):
    def test_the_document_s_example(self):
        self.put(Segment(),
                 identity=b'{"checksum":"a8ba815d","created":"2026-01-02T03:04:05.000006Z","format":1,"journal":'
                          b'"00112233-4455-6677-8899-aabbccddeeff","maximum_content_bytes":16777216,'
                          b'"maximum_frame_bytes":67108864,"minimum_reader":1}\n')
        self.assertEqual(self.export(), b"")

    def test_missing(self):
        self.put(Segment(), identity=None)
        self.assert_unsupported("not a journal")
        shutil.rmtree(self.directory)
        status, output, errors = self.run_reader("export")
        os.mkdir(self.directory)
        self.assertEqual((status, output), (2, b""))
        self.assertIn("not a journal", errors)

    def test_each_byte(self):
        line = identity()
        for position in range(len(line)):
            for bit in (1, 0x20, 0x80):
                changed = bytearray(line)
                changed[position] ^= bit
                self.put(Segment(), identity=changed)
                status, output, errors = self.run_reader("export")
                self.assertEqual((status, output), (1, b""), changed)
                self.assertTrue(errors.startswith("damaged: journal.json:"), errors)
            self.put(Segment(), identity=line[:position])
            self.assertEqual(self.run_reader("export")[0], 1)

    def test_versions_and_members(self):
        self.put(Segment(), identity=identity(format=2, later={"a": [1]}))
        self.assertEqual(self.export(), b"")
        self.put(Segment(), identity=identity(format=2, minimum_reader=2))
        self.assert_unsupported("version 2")
        for members in ({"journal": "x"}, {"maximum_frame_bytes": "1"}, {"created": "2026-02-30T00:00:00.000000Z"},
                        {"minimum_reader": 1.0}, {"format": 0}):
            self.put(Segment(), identity=identity(**members))
            self.assert_damaged("journal.json", 0)
        self.put(Segment(), identity=b"[1]\n")
        self.assert_refused(1)
        self.put(Segment(), identity=identity().rstrip(b"\n"))
        self.assert_refused(1)


# ---------------------------------------------------------------- Segments and frames

class FrameTests(ReaderTest):
    def test_shared_context(self):
        text = "".join(random.Random(1).choice("abcdefgh") for _ in range(500))
        segment = Segment()
        for _ in range(4):
            segment.frame(add(text))
        self.assertLess(segment.end - segment.offsets[1], 3 * 100)  # the later frames refer to the first
        self.put(segment)
        self.assertEqual(self.texts(), [text] * 4)

    def test_stored_and_restart(self):
        segment = Segment()
        segment.frame(add("1"))
        segment.frame(add("2"), recorded=10)
        segment.frame(add("3"), flags=STORED, recorded=200)
        segment.frame(add("4"), recorded=300)
        segment.frame(add("5"), flags=RESTART, recorded=400)
        segment.frame(add("6"), recorded=1)
        self.put(segment)
        self.assertEqual(self.texts(), list("123456"))
        ticks = [1, 11, 200, 300, 400, 401]
        found = [json.loads(line)["recorded"][-7:-1] for line in self.events()]
        self.assertEqual(found, ["%06d" % (tick + 6) for tick in ticks])

    def test_context_is_not_restarted(self):
        # A frame that needs a context that is not there: behind a stored frame without restart, and as the first.
        for first in (True, False):
            segment = Segment()
            if not first:
                segment.frame(add("1"), flags=STORED)
            segment.deflater = zlib.compressobj(6, zlib.DEFLATED, -15)
            offset = segment.frame(add("2"))
            self.put(segment)
            self.assertEqual(self.texts(), [] if first else ["1"])
            self.assertIn(":%d (" % offset, self.ending())

    def test_raw_length(self):
        payload = field(1, add("x" * 1000))
        for limit, texts in ((len(payload), 1), (len(payload) - 1, 0)):
            segment = Segment()
            segment.frame(raw=payload, count=1)
            self.put(segment, identity=identity(maximum_frame_bytes=limit))
            self.assertEqual(len(self.texts()), texts)

    def test_optional_type_flags_fields_kinds(self):
        segment = Segment()
        segment.frame(add("1", "c", (34, b"later"), (33, 7)) + b"\xd1\x02" + bytes(8) + b"\xd5\x02" + bytes(4))
        segment.frame(raw=b"not protobuf", count=3, type=128)
        segment.frame(add("2"), flags=0x8100)
        segment.frame(event(64, (2, 5), (19, "x")), add("3"))
        self.put(segment)
        lines = [json.loads(line) for line in self.export().splitlines()]
        self.assertEqual([(line["content"], line["sequence"]) for line in lines], [("1", 1), ("2", 5), ("3", 7)])
        self.assertEqual([json.loads(line)["sequence"] for line in self.events()], [1, 5, 7])

    def test_mandatory(self):
        for arguments in ({"type": 2}, {"type": 127}, {"flags": 8}, {"flags": 0x80}):
            segment = Segment()
            segment.frame(add("1"))
            offset = segment.frame(add("2"), **arguments)
            self.put(segment)
            self.assert_unsupported(":%d: frame type" % offset)
        for unknown in (event(10), event(63), add("1", "c", (19, 1)), add("1", "c", (31, b""))):
            segment = Segment()
            offset = segment.frame(unknown)
            self.put(segment)
            self.assert_unsupported(":%d: event " % offset)
        for fields in ({"flags": 4}, {"flags": 0x8000}, {"minimum": 2, "version": 2}, {"original": 2}):
            self.put(Segment(**fields))
            self.assert_unsupported()
        segment = Segment(flags=0xFFFF0000, version=2)
        segment.frame(add("1"))
        self.put(segment)
        self.assertEqual(self.texts(), ["1"])

    def test_invalid_frames_end_the_log(self):
        for arguments in ({"type": 0}, {"count": 0}, {"zero": 1}, {"sequence_offset": 2}, {"previous": 1}):
            segment = Segment()
            segment.frame(add("1"))
            offset = segment.frame(add("2"), **arguments)
            self.put(segment)
            self.assertEqual(self.texts(), ["1"])
            self.assertTrue(self.ending().startswith("torn tail: the log ends at log/%s:%d " % (segment.name, offset)))

    def test_payload_crc(self):
        # Over the raw payload, then the data as stored, then the varint, each of which has another length here.
        for flags in (0, STORED):
            segment = Segment()
            offset = segment.frame(add("1" * 100), flags=flags, recorded=300)
            stored, = struct.unpack_from("<I", segment.data, offset + 12)
            start, behind = offset + 34, offset + 32 + stored
            time, data, raw = segment.data[offset + 32:start], segment.data[start:behind], field(1, add("1" * 100))
            self.assertEqual(bytes(data) == raw, bool(flags))
            self.assertEqual(segment.data[offset + 4:offset + 8], struct.pack("<I", zlib.crc32(raw + data + time)))
            self.put(segment)
            self.assertEqual(len(self.texts()), 1)
            for covered in (raw + time, data + time, data + raw + time, time + raw + data, raw + data):
                changed = Segment()
                changed.data = bytearray(segment.data)
                struct.pack_into("<I", changed.data, offset + 4, zlib.crc32(covered))
                place = struct.pack("<IIQ", segment.salt, segment.id, offset)
                struct.pack_into("<I", changed.data, offset, zlib.crc32(place + changed.data[offset + 4:offset + 32]))
                if covered == raw + data + time:
                    continue  # a stored frame's data is its raw payload
                self.put(changed)
                self.assertEqual(self.texts(), [])
                self.assertIn("the payload CRC is wrong", self.ending())

    def test_header_copies(self):
        segment = Segment()
        segment.frame(add("1"))
        for position in range(128):
            for copies in ((0,), (512,), (0, 512)):
                changed = Segment()
                changed.data = bytearray(segment.data)
                for copy in copies:
                    changed.data[copy + position] ^= 0x10
                self.put(changed)
                if len(copies) == 1:
                    self.assertEqual(self.texts(), ["1"])
                else:
                    self.assert_damaged("log/" + segment.name, 0, "neither copy")

    def test_header_and_name(self):
        other = "99999999-4455-6677-8899-aabbccddeeff"
        self.put(Segment(), identity=identity(journal=other))
        self.assert_unsupported("foreign")
        for name in ("%020d-%08d.segment" % (2, 1), "%020d-%08d.segment" % (1, 2)):
            self.put()
            self.file("log/" + name, Segment().data)
            self.assert_damaged("log/" + name, 0, "name")
        segment = Segment(zero=b"\1")
        self.put(segment)
        self.assert_damaged("log/" + segment.name, 120)

    def test_other_names_are_ignored(self):
        segment = Segment()
        segment.frame(add("1"))
        self.put(segment)
        self.file("log/" + Segment(2, segment).name + ".new", b"garbage")
        self.file("log/other", b"garbage")
        self.assertEqual(self.texts(), ["1"])

    def test_every_cut_of_a_file_is_told_without_a_traceback(self):
        segment = Segment()
        segment.frame(add("1"))
        for length in list(range(0, 140)) + list(range(500, 650)) + list(range(1020, segment.end)):
            self.put()
            self.file("log/" + segment.name, segment.data[:length])
            status = self.run_reader("export")[0]
            self.assertEqual(status, 0 if length >= 128 else 1)
            self.assertEqual(self.run_reader("dump")[0], 0)

    def test_garbage(self):
        source = random.Random(2)
        segment = Segment()
        for number in range(5):
            segment.frame(add(str(number) * 20), flags=SYNC)
        for _ in range(300):
            changed = bytearray(segment.data)
            for _ in range(source.randrange(1, 6)):
                changed[source.randrange(len(changed))] = source.randrange(256)
            self.put()
            self.file("log/" + segment.name, changed)
            self.file("lock", source.randbytes(4096) if hasattr(source, "randbytes") else bytes(4096))
            for command in ("export", "dump"):
                self.assertIn(self.run_reader(command)[0], (0, 1))


# ---------------------------------------------------------------- Order of segments

class SegmentTests(ReaderTest):
    def three(self):
        first = Segment(1)
        first.frame(add("1"), add("2"))
        first.frame(add("3"))
        second = Segment(2, first)
        second.frame(add("4"))
        third = Segment(4, second)  # ids may have gaps
        third.frame(add("5"))
        return first, second, third

    def test_in_order(self):
        self.put(*self.three())
        self.assertEqual(self.texts(), list("12345"))

    def test_predecessor_ends_before_unvouched_frames(self):
        first = Segment(1)
        first.frame(add("1"))
        second = Segment(2, first)  # remembers the end before the next two
        first.frame(add("2"), recorded=5)
        first.frame(add("lost"))
        second.frame(add("2"), recorded=6)
        second.frame(add("3"))
        self.put(first, second)
        self.assertEqual(self.texts(), list("123"))
        self.assertIn(b"not replayed", self.run_reader("dump")[1])
        first.data[first.offsets[1] + 3] ^= 1  # nor does it matter what lies there
        self.put(first, second)
        self.assertEqual(self.texts(), list("123"))

    def test_empty_predecessor(self):
        first = Segment(1)
        second = Segment(2, first)
        third = Segment(3, second)
        third.frame(add("1"))
        self.put(first, second, third)
        self.assertEqual(self.texts(), ["1"])

    def test_missing_segments(self):
        first, second, third = self.three()
        self.put(first, third)
        self.assert_damaged("log/" + third.name, 88, "segment 2, is missing")
        self.put(second, third)
        self.assert_damaged("log/" + second.name, 88, "segment 1, is missing")
        self.put(first, second, lock=lock(third))
        self.assert_damaged("log/" + second.name, second.end, "closed with segment 4")
        self.put(lock=lock(third))
        self.assert_damaged("log", 0)

    def test_bounds(self):
        # So far from 0 that sums of them need care.
        first = Segment()
        for bad in (1 << 62, (1 << 64) - 1):
            for fields in ({"first": bad, "predecessor": 1, "predecessor_last": bad - 1}, {"first": bad},
                           {"predecessor_last": bad}, {"predecessor_end": bad}):
                segment = Segment(2, first, **fields)
                self.put(first, segment)
                self.assert_damaged("log/" + segment.name, 32, "no journal has such")
        for created in (1 << 62, -(1 << 62), (1 << 63) - 1, -(1 << 63)):
            segment = Segment(created=created)
            self.put(segment)
            self.assert_damaged("log/" + segment.name, 40)
        segment = Segment(first=0)
        self.put(segment)
        self.assert_damaged("log/" + segment.name, 32)

    def test_bounds_of_the_clean_close(self):
        segment = Segment()
        segment.frame(add("1"))
        for end, last in ((1 << 62, 1), ((1 << 64) - 1, 1), (segment.end, 1 << 62)):
            record = struct.pack("<IIQQq16x", segment.id, segment.chain, end, last, CREATED)
            page = bytearray(lock(segment, mark=(1 << 32) + zlib.crc32(record)))
            page[3592:3640] = record
            self.put(segment, lock=bytes(page))
            status, output, errors = self.run_reader("export")
            self.assertEqual((status, output.count(b"\n")), (0, 1))
            self.assertIn("the clean-close record is unreadable", errors)

    def test_no_segment(self):
        for page in (None, lock(Segment())):
            self.put(lock=page)
            self.assert_damaged("log", 0, "no segment")
            self.file("log/" + Segment().name + ".new", Segment().data)
            self.file("log/other", b"")
            self.assert_damaged("log", 0, "no segment")
            shutil.rmtree(os.path.join(self.directory, "log"))
            self.assert_damaged("log", 0, "no segment")

    def test_predecessor_damaged(self):
        for position in range(1024, self.three()[0].offsets[1] + 40):
            first, second, third = self.three()
            if first.data[position] == 0:  # may be padding
                continue
            first.data[position] ^= 0x40
            self.put(first, second, third)
            self.assert_damaged("log/" + first.name, first.offsets[position >= first.offsets[1]])
        first, second, third = self.three()
        end = first.end
        del first.data[first.offsets[1] + 8:]
        self.put(first, second, third)
        self.assert_damaged("log/" + first.name, first.offsets[1], "ends at %d" % end)

    def test_wrong_predecessor_fields(self):
        first = self.three()[0]
        for fields, offset in (({"predecessor_chain": 1}, first.end), ({"predecessor_last": 9}, first.end),
                               ({"predecessor_end": first.end - 8}, first.offsets[1]),
                               ({"predecessor_end": first.end + 8}, first.end), ({"predecessor_end": 0}, 1024)):
            self.put(first, Segment(2, first, **fields))
            self.assert_damaged("log/" + first.name, offset)
        for second, offset in ((Segment(2, first, first=9), 32), (Segment(2), 88),
                               (Segment(2, first, predecessor=7), 88)):
            self.put(first, second)
            self.assert_damaged("log/" + second.name, offset)
        alone = Segment(1, first=2)
        self.put(alone)
        self.assert_damaged("log/" + alone.name, 88)


# ---------------------------------------------------------------- Torn or damaged

class EndTests(ReaderTest):
    def three_frames(self):
        segment = Segment()
        segment.frame(add("1"))
        segment.frame(add("2" * 30))
        segment.frame(add("3"), flags=SYNC)
        return segment

    def test_torn_tails(self):
        whole = self.three_frames()
        garbage = random.Random(3).getrandbits(80000).to_bytes(10000, "big")
        for tail in (b"", bytes(4096), b"\xff" * 100, b"\1" + bytes(50), garbage):
            segment = self.three_frames()
            segment.data += tail
            self.put(segment)
            self.assertEqual(len(self.texts()), 3)
            self.assertIn("torn tail: the log ends at log/%s:%d " % (segment.name, whole.end), self.ending())

    def test_cut_at_every_length_of_the_last_frame(self):
        whole = self.three_frames()
        offset = whole.offsets[2]
        stored, = struct.unpack_from("<I", whole.data, offset + 12)
        for length in range(offset, whole.end):
            for fill in (0, 64):
                segment = self.three_frames()
                del segment.data[length:]
                segment.data += bytes(fill)
                self.put(segment)
                complete = length >= offset + 32 + stored  # what is missing is padding, or zeros in place of zeros
                complete = complete or fill and segment.data[:whole.end] == whole.data
                self.assertEqual(len(self.texts()), 3 if complete else 2)

    def test_damaged_middle(self):
        whole = self.three_frames()
        offset, last = whole.offsets[1:]
        stored, = struct.unpack_from("<I", whole.data, offset + 12)
        for position in range(offset, offset + 32 + stored):
            for bit in (1, 0x80):
                segment = self.three_frames()
                segment.data[position] ^= bit
                self.put(segment)  # the bits of the sync flush, which may inflate to the same, are covered too
                self.assert_damaged("log/" + segment.name, offset, "the frame at %d follows a sync" % last)

    def test_damaged_middle_without_promise(self):
        segment = Segment()
        segment.frame(add("1"), flags=SYNC)
        offset = segment.frame(add("2"), flags=SYNC)  # a promise about what is before it, not about itself
        segment.frame(add("3"))
        segment.data[offset + 32] ^= 1
        self.put(segment)
        self.assertEqual(self.texts(), ["1"])
        self.assertIn("torn tail", self.ending())

    def test_promise_needs_no_payload(self):
        segment = self.three_frames()
        segment.data[segment.offsets[1]] ^= 1
        segment.data[segment.offsets[2] + 33] ^= 1
        self.put(segment)
        self.assert_damaged("log/" + segment.name, segment.offsets[1])
        del segment.data[segment.offsets[2] + 32:]  # nor need it lie within the file
        self.put(segment)
        self.assert_damaged("log/" + segment.name, segment.offsets[1], "the frame at %d follows" % segment.offsets[2])
        del segment.data[segment.offsets[2] + 31:]  # but its header must
        self.put(segment)
        self.assertEqual(self.texts(), ["1"])

    def test_frame_beyond_the_file(self):
        # One that continues the log is no promise of more than what is there, whatever its type and flags.
        for arguments in ({}, {"flags": SYNC}, {"type": 2, "flags": SYNC}, {"flags": SYNC | 0x40}):
            segment = Segment()
            segment.frame(add("1"))
            offset = segment.frame(add("2"), **arguments)
            del segment.data[offset + 34:]
            self.put(segment)
            self.assertEqual(self.texts(), ["1"])
            self.assertIn("does not lie within the file", self.ending())

    def test_promise_at_the_end(self):
        for arguments in ({"previous": 1}, {"sequence_offset": 2}, {"previous": 1, "type": 2}):
            for flags in (0, SYNC, SYNC | 0x40):
                for cut in (False, True):
                    segment = Segment()
                    segment.frame(add("1"))
                    offset = segment.frame(add("2"), flags=flags, **arguments)
                    if cut:
                        del segment.data[offset + 32:]
                    self.put(segment)
                    if flags:
                        self.assert_damaged("log/" + segment.name, offset, "the frame at %d follows a sync" % offset)
                    else:
                        self.assertEqual(self.texts(), ["1"])
                        self.assertIn("torn tail", self.ending())
        segment = Segment()  # the same where there is no frame before it
        offset = segment.frame(add("1"), flags=SYNC, previous=1)
        self.put(segment)
        self.assert_damaged("log/" + segment.name, offset)
        segment = Segment()  # one that continues the log and is not valid for its payload is torn
        segment.frame(add("1"))
        segment.data[segment.frame(add("2"), flags=SYNC) + 33] ^= 1
        self.put(segment)
        self.assertEqual(self.texts(), ["1"])
        self.assertIn("torn tail", self.ending())

    def test_promise_of_a_frame_that_is_not_known(self):
        for arguments in ({"type": 2, "flags": SYNC}, {"type": 200, "flags": SYNC}, {"flags": SYNC | 0x40}):
            segment = Segment()
            offset = segment.frame(add("1"))
            segment.frame(add("2"), **arguments)
            segment.data[offset] ^= 1
            self.put(segment)
            self.assert_damaged("log/" + segment.name, offset)

    def test_clean_close(self):
        segment = self.three_frames()
        page = lock(segment)
        self.put(segment, lock=page)
        self.assertEqual(len(self.texts()), 3)
        self.assertTrue(self.ending().startswith("clean: "))
        segment.data += bytes(512)
        self.put(segment, lock=page)
        self.assertTrue(self.ending().startswith("clean: "))
        self.put(Segment(), lock=lock(Segment()))
        self.assertTrue(self.ending().startswith("clean: "))

    def test_clean_close_not_reached(self):
        whole = self.three_frames()
        offset = whole.offsets[2]
        for cut in (whole.data[:offset], whole.data[:offset] + bytes(200), whole.data[:offset + 35]):
            segment = self.three_frames()
            segment.data = bytearray(cut)
            self.put(segment, lock=lock(whole))
            self.assert_damaged("log/" + segment.name, offset, "closed at %d" % whole.end)
        for chain, end in ((1, whole.end), (None, whole.end + 8)):
            self.put(whole, lock=lock(whole, chain=chain, end=end))
            self.assert_damaged("log/" + whole.name, whole.end)

    def test_clean_close_outgrown(self):
        segment = self.three_frames()
        page = lock(segment)
        for chain, end in ((1, segment.offsets[2]), (None, segment.end - 8), (None, 1024), (0, 0)):
            self.put(segment, lock=lock(segment, chain=chain, end=end))
            self.assertEqual(len(self.texts()), 3)  # and nothing is reported
            self.assertTrue(self.ending().startswith("torn tail: "))
        segment.frame(add("4"))
        self.put(segment, lock=page)
        self.assertEqual(len(self.texts()), 4)
        self.assertTrue(self.ending().startswith("torn tail: "))
        second = Segment(2, segment)
        second.frame(add("5"))
        for earlier in (page, lock(segment, chain=1), lock(segment, end=1 << 40)):
            self.put(segment, second, lock=earlier)
            self.assertEqual(len(self.texts()), 5)
            self.assertTrue(self.ending().startswith("torn tail: "))

    def test_clean_close_unreadable(self):
        segment = self.three_frames()
        good = lock(segment)
        pages = [lock(segment, mark=1)]
        for position in (3584, 3591, 3592, 3600, 3639):
            page = bytearray(good)
            page[position] ^= 4
            pages.append(bytes(page))
        for page in pages:
            self.put(segment, lock=page)
            status, output, errors = self.run_reader("export")
            self.assertEqual((status, len(output.splitlines())), (0, 3))
            self.assertIn("unreadable", errors)
            self.assertTrue(self.ending().startswith("torn tail: "))

    def test_no_clean_close(self):
        segment = self.three_frames()
        good = lock(segment)
        for page in (None, lock(segment, mark=0), b"", good[:3640], good[:4095], lock(segment, mark=1)[:4095]):
            self.put(segment, lock=page)
            self.assertEqual(len(self.texts()), 3)  # and nothing is reported
            self.assertTrue(self.ending().startswith("torn tail: "))

    def test_magic_of_the_lock_is_not_looked_at(self):
        segment = self.three_frames()
        for magic in (bytes(8), b"AJLOCK2\n"):
            self.put(segment, lock=magic + lock(segment)[8:] + b"more")
            self.assertTrue(self.ending().startswith("clean: "))
            self.put(segment, lock=magic + lock(segment, id=2)[8:])
            self.assert_damaged("log/" + segment.name, segment.end, "closed with segment 2")

    def test_promise_beats_clean_close(self):
        segment = self.three_frames()
        chain, = struct.unpack_from("<I", segment.data, segment.offsets[0])
        page = lock(segment, end=segment.offsets[1], chain=chain)
        segment.data[segment.offsets[1]] ^= 1
        self.put(segment, lock=page)
        self.assert_damaged("log/" + segment.name, segment.offsets[1])


# ---------------------------------------------------------------- The program

class ProgramTests(ReaderTest):
    def test_as_a_program(self):
        segment = Segment()
        segment.frame(add("é\n"))
        self.put(segment)
        program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "format_reader.py")
        done = subprocess.run([sys.executable, program, "export", self.directory], capture_output=True)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertEqual(done.stdout, self.export())
        self.assertEqual(done.stdout.count(b"\n"), 1)

    def test_dump(self):
        segment = Segment()
        offset = segment.frame(add("1"), flags=SYNC | STORED)
        self.put(segment)
        output = self.run_reader("dump")[1].decode()
        self.assertIn("header copies: valid, valid", output)
        self.assertIn("0x%06x frame" % offset, output)
        self.assertIn("[followsSync restart stored]", output)


# ---------------------------------------------------------------- Packed segments

class PackedTests(ReaderTest):
    def journal(self):
        """Three segments as they were written, and the same with the first two packed."""
        first = Segment()
        for index in range(4):
            first.frame(add("a%d" % index), add("b%d" % index), recorded=1)
        second = Segment(2, first)
        second.frame(add("long " * 20), recorded=3)
        second.frame(raw=b"not known", count=2, type=200, recorded=3)
        second.frame(add("x"), recorded=5)
        third = Segment(3, second)
        third.frame(add("end"), recorded=1)
        one = Packed(first, 4)
        one.block((1, add("a0"), add("b0")), (2, add("a1"), add("b1")), (3, add("a2")))
        one.block((3, add("b2")), (4, add("a3"), add("b3")))
        two = Packed(second, 5, before=first)
        two.block((3, add("long " * 20)))
        two.alone(raw=b"not known", count=2, type=200, recorded=6)
        two.alone(add("x"), recorded=11)
        return (first, second, third), (one.finish(), two.finish(), third)

    def test_same(self):
        plain, packed = self.journal()
        self.put(*plain, lock=lock(plain[2]))
        export, events = self.export(), self.events()
        self.assertEqual(len(events), 11)
        for segments in (packed, (packed[0], plain[1], plain[2]), (plain[0], packed[1], plain[2])):
            self.put(*segments, lock=lock(plain[2]))
            self.assertEqual((self.export(), self.events()), (export, events))
            self.assertIn("clean", self.ending())

    def test_both_there(self):
        plain, packed = self.journal()
        self.put(*packed)
        export = self.export()
        again = Packed(plain[0], 9, replaced=4)
        again.block((1, add("a0"), add("b0")), (2, add("a1"), add("b1")), (3, add("a2"), add("b2")),
                    (4, add("a3"), add("b3")))
        again.finish()
        damaged = Packed(plain[0], 9, replaced=4)
        damaged.block((1, add("a0")))
        for more, note in (((plain[0],), "replaced by"), ((plain[0], again), "replaced by"),
                           ((plain[0], damaged), "damaged")):
            self.put(*packed, *more)
            status, output, errors = self.run_reader("export")
            self.assertEqual((status, output), (0, export), errors)
            self.assertIn(note, errors)

    def test_every_byte(self):
        plain, packed = self.journal()
        self.put(*packed)
        export = self.export()
        for segment in packed[:2]:
            data = bytes(segment.data)
            for offset in range(1024, len(data)):
                changed = bytearray(data)
                changed[offset] ^= 1 << offset % 8
                self.file("log/" + segment.name, changed)
                status, output, errors = self.run_reader("export")
                if status == 0:  # padding, or the index, without which everything is found
                    self.assertEqual(output, export)
                    self.assertTrue("index is damaged" in errors or not errors)
                else:
                    self.assertEqual((status, output), (1, b""), errors)
            self.file("log/" + segment.name, data)

    def test_cut(self):
        plain, packed = self.journal()
        self.put(*packed)
        export = self.export()
        data = bytes(packed[0].data)
        frames = packed[0].entries[-1][0] + 32
        for length in range(len(data)):
            self.file("log/" + packed[0].name, data[:length])
            status, output, errors = self.run_reader("export")
            self.assertEqual(output, export if status == 0 else b"")
            self.assertTrue(status == 1 or "index is damaged" in errors and length > frames, errors)

    def test_index_damaged(self):
        plain, packed = self.journal()
        for fields in ({"magic": b"x" * 8}, {"crc": 1}, {"nodes": 1}, {"number": 1}, {"index": 1024}):
            one = Packed(plain[0], 4)
            one.data, one.chain, one.next, one.entries = (
                bytearray(packed[0].data[:packed[0].entries[-1][0]]), packed[0].entries[-1][3], 6, packed[0].entries[:1])
            one.block((3, add("b2")), (4, add("a3"), add("b3")))
            one.finish(**fields)
            self.put(one, *packed[1:])
            status, output, errors = self.run_reader("events")
            self.assertEqual(status, 0, errors)
            self.assertEqual(output.count(b"\n"), 11)
            self.assertIn("index is damaged", errors)

    def test_trailer_of_another(self):
        plain, packed = self.journal()
        for fields in ({"end": 8}, {"chain": 8}, {"last": 7}, {"own": 8}):
            one = Packed(plain[0], 4)
            one.block((1, add("a0"), add("b0")), (2, add("a1"), add("b1")), (3, add("a2"), add("b2")),
                      (4, add("a3"), add("b3")))
            one.finish(**fields)
            self.put(one, *packed[1:])
            self.assert_damaged("log/" + one.name, one.end - 56 - 32)

    def test_groups(self):
        event = field(1, add("a"))
        tables = [b"", varint(0), varint(1), varint(2) + varint(0) + varint(1) + varint(len(event)),
                  varint(1) + varint(1) + varint(1) + varint(len(event)),
                  varint(1) + varint(0) + varint(2) + varint(len(event)),
                  varint(1) + varint(0) + varint(1) + varint(len(event) - 1),
                  varint(2) + varint(0) + varint(1) + varint(len(event)) + varint(0) + varint(0) + varint(0),
                  varint(1 << 60)]
        for table in tables:
            original = Segment()
            original.frame(add("a"))
            last = Segment(2, original)
            one = Packed(original, 3)
            one.block((1, add("a")), table=table)
            one.finish()
            self.put(one, last)
            self.assert_damaged("log/" + one.name, 1024)

    def test_without_restart(self):
        original = Segment()
        original.frame(add("a"), add("b"))
        one = Packed(original, 3)
        one.block((1, add("a")))
        offset = one.alone(add("b"), flags=0, recorded=0)
        one.finish()
        self.put(one, Segment(2, original))
        self.assert_damaged("log/" + one.name, offset)

    def test_block_elsewhere(self):
        segment = Segment()
        segment.frame(raw=varint(1) + varint(0) + varint(1) + varint(3) + b"abc", count=1, type=2)
        self.put(segment)
        self.assert_unsupported("frame type 2")

    def test_ids(self):
        original = Segment()
        original.frame(add("a"))
        last = Segment(2, original)
        for replaced in (0, 3, 4):
            self.put(Packed(original, 3, replaced=replaced).finish(), last)
            self.assert_damaged("log/%020d-%08d.segment" % (1, 3), 112)
        self.put(Segment(replaced=1))
        self.assert_damaged("log/%020d-%08d.segment" % (1, 1), 116)

    def test_last(self):
        _, packed = self.journal()
        self.put(*packed[:2])
        self.assert_damaged("log/" + packed[1].name, 0, "what came behind it is missing")

    def test_empty(self):
        original = Segment()
        last = Segment(2, original)
        last.frame(add("a"))
        self.put(Packed(original, 3).finish(), last)
        self.assertEqual(self.texts(), ["a"])

    def test_begins_late(self):
        plain, packed = self.journal()
        for segments in (plain[1:], packed[1:]):
            self.put(*segments)
            self.assert_damaged("log/" + segments[0].name, 88, "the log begins with sequence 9")

    def test_bounds(self):
        plain, packed = self.journal()
        for fields in ({"last": 1 << 62}, {"end": 1 << 62}):
            one = Packed(plain[0], 4)
            one.block((1, add("a0"), add("b0")), (2, add("a1"), add("b1")), (3, add("a2"), add("b2")),
                      (4, add("a3"), add("b3")))
            one.finish(**fields)
            self.put(one, *packed[1:])
            status, _, errors = self.run_reader("export")
            self.assertEqual(status, 0)
            self.assertIn("index is damaged", errors)


# ---------------------------------------------------------------- Erased segments

class ErasedTests(ReaderTest):
    GONE = event(ADDED, (CONVERSATION, "c"), (TEXT, "gone"), (KEY, "k"))
    FORGET = event(FORGOTTEN, (CONVERSATION, "c"), (TARGET, 1))
    NODES = (1, 32), (2, 31)

    def journal(self, *events, nodes=NODES, finish={}, **fields):
        """A segment of four events, of which the first and the last are erased, and the one in which that is recorded."""
        original = Segment()
        original.frame(self.GONE, self.FORGET)
        original.frame(add("here"), event(CLEARED, (CONVERSATION, "empty")), recorded=4)
        last = Segment(2, original)
        last.frame(event(BEGUN, (TARGET, 4), (ERASURE_KEY, THE_ERASURE_KEY)), event(DONE, (TARGET, 4)), add("more"), recorded=5)
        segment = Erased(original, 3, *nodes, **fields)
        first, second, third, fourth = events or self.events_left()
        segment.block((1, first, second), (5, third, fourth))
        segment.finish(**finish)
        return original, segment, last

    def events_left(self):
        key_hash = hmac256(THE_ERASURE_KEY, b"c\0k")[:16]
        return (erased(0, CREATED + 1, self.GONE, ADDED, (CONVERSATION, "c"), (KEY_HASH, key_hash), erasure=5), self.FORGET,
                add("here"), erased(3, CREATED + 5, event(CLEARED, (CONVERSATION, "empty")), CLEARED, erasure=5))

    def test_same(self):
        original, segment, last = self.journal(nodes=((1, 32), (2, 32)))
        self.put(original, last)
        right = self.export()
        self.assertEqual(self.texts(), ["here", "more"])
        self.put(segment, last)
        self.assertEqual(self.export(), right)
        leaf = hmac256(key_at(0, 32), struct.pack("<q", CREATED + 1) + self.GONE).hex()
        other = hmac256(key_at(3, 32), struct.pack("<q", CREATED + 5) + event(CLEARED, (CONVERSATION, "empty"))).hex()
        at = '"recorded":"2026-01-02T03:04:05.%06dZ"'
        self.assertEqual(self.events(), [
            '{"conversation":"c","erasure":5,"kind":"erased","leaf":"' + leaf + '",' + at % 7 + ',"sequence":1,"was":"added"}',
            '{"conversation":"c","kind":"forgotten",' + at % 7 + ',"sequence":2,"target":1}',
            '{"content":"here","conversation":"c","kind":"added",' + at % 11 + ',"sequence":3}',
            '{"erasure":5,"kind":"erased","leaf":"' + other + '",' + at % 11 + ',"sequence":4,"was":"cleared"}',
            '{"kind":"erasure_begun",' + at % 11 + ',"sequence":5,"target":4}',
            '{"kind":"erasure_done",' + at % 11 + ',"sequence":6,"target":4}',
            '{"content":"more","conversation":"c","kind":"added",' + at % 11 + ',"sequence":7}'])
        output = self.run_reader("dump")[1].decode()
        self.assertIn("erased, replaces 1; index", output)
        self.assertIn("node of events 3..3", output)
        # The file that it replaces is still there.
        self.put(original, segment, last)
        status, output, errors = self.run_reader("export")
        self.assertEqual((status, output), (0, right))
        self.assertIn("replaced by log/" + segment.name, errors)

    def test_was(self):
        for was, name in ((1, "added"), (2, "forgotten"), (3, "cleared"), (4, "unknown"), (64, "unknown"), (1 << 40, "unknown")):
            events = self.events_left()
            target = ((TARGET, 9),) if was == 2 else ()
            _, segment, last = self.journal(erased(0, CREATED + 1, self.GONE, was, *target, erasure=5), *events[1:],
                                            nodes=[(1, 32)])
            self.put(segment, last)
            line = json.loads(self.events()[0])
            self.assertEqual((line["was"], line.get("target")), (name, 9 if target else None))

    def test_salts_and_leaves(self):
        _, segment, last = self.journal(nodes=((1, 32), (2, 32)))
        self.put(segment, last)
        footer = format_reader.journal_log.read_segments(self.directory)[0].footer
        for number in range(5):
            expected = key_at(number, 32) if number in (1, 2) else None
            self.assertEqual(erasure.salt(footer.nodes, number), expected)
        secret = [erasure.Node(0, 0, SECRET)]
        for number in (0, 1, 2, 5, 1 << 31, (1 << 32) - 1):
            self.assertEqual(erasure.salt(secret, number), key_at(number, 32))
        inner = [erasure.Node(8, 29, key_at(8, 29))]
        for number in range(7, 17):
            self.assertEqual(erasure.salt(inner, number), key_at(number, 32) if 8 <= number < 16 else None)
        self.assertIn(erasure.leaf(erasure.salt(secret, 0), CREATED + 1, self.GONE).hex(), self.events()[0])
        self.assertEqual(erasure.key_hash(THE_ERASURE_KEY, "c", "k"), hmac256(THE_ERASURE_KEY, b"c\0k")[:16])
        # As another program has it: 32 steps to the left from a key of zeros.
        self.assertEqual(erasure.salt([erasure.Node(0, 0, bytes(32))], 0).hex(),
                         "d9d71aa5aa91f4df9dcd8fee2fb925e073da15f00c3cd6f42e03180ca43c5f01")

    def test_nodes(self):
        good = ((), [(1, 32)], [(1, 32), (2, 32)], [(1, 32), (2, 32), (8, 29)])
        bad = ([(2, 32), (1, 32)], [(1, 32), (1, 32)], [(4, 30), (5, 32)], [(1, 31)], [(1, 33)], [(1, 255)])
        for nodes in good + bad:
            with self.subTest(nodes):
                _, segment, last = self.journal(nodes=nodes)
                self.put(segment, last)
                status, output, errors = self.run_reader("export")
                self.assertEqual((status, output.count(b"\n")), (0, 2))
                self.assertEqual(errors != "", nodes in bad, errors)
                self.assertEqual("index is damaged" in errors, nodes in bad)
        for nodes, sequences in (([(0, 32)], [1]), ([(2, 31)], [4]), ([(0, 0)], [1, 4])):
            _, segment, last = self.journal(nodes=nodes)
            self.put(segment, last)
            status, output, errors = self.run_reader("events")
            self.assertEqual((status, output.count(b"\n")), (0, 7))
            self.assertEqual(errors.splitlines(), [
                "note: log/%s: a node leads to event %d, which is erased" % (segment.name, sequence) for sequence in sequences])

    def test_trailer(self):
        for fields in ({"nodes": 0}, {"nodes": 1}, {"nodes": 3}, {"nodes": (1 << 32) - 1}, {"crc": 1}):
            _, segment, last = self.journal(finish=fields)
            self.put(segment, last)
            status, output, errors = self.run_reader("events")
            self.assertEqual((status, output.count(b"\n")), (0, 7), errors)
            self.assertIn("index is damaged", errors)
        # Nodes, or their number, where no nodes are.
        original, _, last = self.journal()
        for nodes, fields in (([(1, 32)], {}), ([], {"nodes": 1})):
            segment = Packed(original, 3)
            segment.block((1, self.GONE, self.FORGET), (5, add("here"), event(CLEARED, (CONVERSATION, "empty"))))
            segment.nodes = [(number, level, bytes(32)) for number, level in nodes]
            segment.finish(**fields)
            self.put(segment, last)
            self.assertEqual(self.texts_and_notes(), (["here", "more"], True))

    def texts_and_notes(self):
        status, output, errors = self.run_reader("export")
        self.assertEqual(status, 0, errors)
        return [json.loads(line)["content"] for line in output.splitlines()], "index is damaged" in errors

    def test_every_byte(self):
        _, segment, last = self.journal(nodes=((1, 32), (2, 32)))
        self.put(segment, last)
        right = self.export()
        data = bytes(segment.data)
        nodes = len(data) - 56 - 2 * 40
        for offset in range(1024, len(data)):
            changed = bytearray(data)
            changed[offset] ^= 1 << offset % 8
            self.file("log/" + segment.name, changed)
            status, output, errors = self.run_reader("export")
            self.assertEqual(output, right if status == 0 else b"")
            self.assertTrue(status == 1 or "index is damaged" in errors or not errors, errors)
            if offset >= nodes:
                self.assertIn("index is damaged", errors)

    def test_header(self):
        _, segment, last = self.journal(secret=bytes(31) + b"\1")
        self.put(segment, last)
        self.assert_damaged("log/" + segment.name, 56, "an erased segment with a secret")
        for fields in ({}, {"secret": bytes(32)}):
            self.put(Segment(flags=2, **fields))
            self.assert_unsupported("erased and not packed")

    def test_elsewhere(self):
        # What is left of an event, in a segment that is not erased.
        left = self.events_left()[0]
        segment = Segment()
        offset = segment.frame(left)
        self.put(segment)
        self.assert_damaged("log/" + segment.name, offset, "erased in a segment that is not")
        _, segment, last = self.journal(nodes=(), flags=1)
        self.put(segment, last)
        self.assert_damaged("log/" + segment.name, 1024, "erased in a segment that is not")

    def test_malformed(self):
        was, leaf, by = (WAS, 1), (LEAF, bytes(32)), (ERASURE, 5)
        for wrong, message in (
                (event(ERASED, leaf, by), "without was"), (event(ERASED, was, by), "without leaf"),
                (event(ERASED, was, leaf), "without erasure"), (event(ERASED, (WAS, 0), leaf, by), "was 0"),
                (event(ERASED, was, leaf, (ERASURE, 0)), "erasure 0"), (event(ERASED, (TARGET, 0), was, leaf, by), "target 0"),
                (event(ERASED, was, (LEAF, bytes(31)), by), "31 bytes"), (event(ERASED, was, (LEAF, bytes(33)), by), "33 bytes"),
                (event(ERASED, was, leaf, (KEY_HASH, bytes(15)), by), "15 bytes"), (event(ERASED, was, (LEAF, 1), by), "leaf"),
                (event(ERASED, (WAS, b"1"), leaf, by), "was"), (event(ERASED, was, was, leaf, by), "was twice"),
                (event(ERASED, (TEXT, "x"), was, leaf, by), "text"), (event(ERASED, (KEY, "k"), was, leaf, by), "idempotency"),
                (event(ERASED, (CONVERSATION, ""), was, leaf, by), "conversation of 0"),
                (event(ERASED, was, leaf, by, (ERASURE_KEY, bytes(32))), "erasure_key"),
                (event(ERASED, was, leaf, by, (REPLACES, 1)), "replaces")):
            with self.subTest(message):
                _, segment, last = self.journal(wrong, *self.events_left()[1:], nodes=())
                self.put(segment, last)
                self.assert_damaged("log/" + segment.name, 1024, "payload: ")
                self.assertIn(message, self.run_reader("export")[2])

    def test_events_of_an_erasure(self):
        key = (ERASURE_KEY, THE_ERASURE_KEY)
        for wrong in (event(BEGUN, key), event(BEGUN, (TARGET, 1)), event(BEGUN, (TARGET, 0), key),
                      event(BEGUN, (TARGET, 2), key),
                      event(BEGUN, (TARGET, 1), (ERASURE_KEY, bytes(31))), event(BEGUN, (CONVERSATION, "c"), (TARGET, 1), key),
                      event(DONE), event(DONE, (TARGET, 0)), event(DONE, (TARGET, 2)), event(DONE, (TARGET, 1), key),
                      event(CLEARED, (CONVERSATION, "c"), key)):
            segment = Segment()
            segment.frame(add("1"))
            offset = segment.frame(wrong)
            self.put(segment)
            self.assert_damaged("log/" + segment.name, offset, "payload: ")

    def test_replaces(self):
        segment = Segment()
        segment.frame(add("1"), event(FORGOTTEN, (CONVERSATION, "c"), (TARGET, 1)), add("2", "c", (REPLACES, 1)))
        self.put(segment)
        self.assertEqual(self.texts(), ["2"])
        for wrong in (add("1", "c", (REPLACES, 0)), add("1", "c", (REPLACES, b"1")), add("1", "c", (REPLACES, 1), (REPLACES, 1)),
                      event(CLEARED, (CONVERSATION, "c"), (REPLACES, 1))):
            segment = Segment()
            offset = segment.frame(wrong)
            self.put(segment)
            self.assert_damaged("log/" + segment.name, offset, "replaces")


# ---------------------------------------------------------------- Losses

class LossTests(ReaderTest):
    def journal(self, write, *more):
        original = Segment()
        original.frame(add("a"), add("b"), recorded=1)
        original.frame(add("c"), recorded=1)
        last = Segment(2, original)
        last.frame(add("d"), *more)
        segment = Packed(original, 3)
        write(segment)
        self.put(segment.finish(), last)
        return segment

    def assert_losses(self, texts, *losses):
        for command in ("export", "events"):
            status, output, errors = self.run_reader(command)
            self.assertEqual(status, 0, errors)
            self.assertEqual(errors.splitlines(), ["note: known loss: sequences %d to %d" % loss for loss in losses])
        found = [json.loads(line).get("content") for line in self.run_reader("export")[1].splitlines()]
        self.assertEqual(found, texts)
        return [json.loads(line) for line in output.splitlines()]

    def test_lost(self):
        for flags in (RESTART, STORED, RESTART | 0x100):
            def write(segment):
                segment.lost(2, 1, flags=flags)
                segment.block((2, add("c")))
            self.journal(write, event(LOST, (TARGET, 2), (FIRST, 1)))
            lines = self.assert_losses(["c", "d"], (1, 2))
            self.assertEqual(lines[0], {
                "first": 1, "kind": "lost", "recorded": "2026-01-02T03:04:05.000007Z", "sequence": 1, "target": 2})
            self.assertEqual([(line["kind"], line["sequence"]) for line in lines], [
                ("lost", 1), ("added", 3), ("added", 4), ("lost", 5)])
            self.assertEqual((lines[3]["first"], lines[3]["target"]), (1, 2))
            self.assertIn(b"type 3 events 1..2 ", self.run_reader("dump")[1])

    def test_where(self):
        self.journal(lambda segment: (segment.alone(add("a"), add("b"), recorded=2), segment.lost(1, 2)))
        self.assert_losses(["a", "b", "d"], (3, 3))
        self.journal(lambda segment: (segment.lost(1), segment.alone(add("b"), recorded=2), segment.lost(1, 2)))
        self.assert_losses(["b", "d"], (1, 1), (3, 3))
        self.journal(lambda segment: (segment.lost(1), segment.lost(2)))
        self.assert_losses(["d"], (1, 3))
        # Only an event says so.
        self.journal(lambda segment: segment.alone(add("a"), add("b"), add("c")), event(LOST, (TARGET, 3), (FIRST, 2)))
        self.assert_losses(["a", "b", "c", "d"], (2, 3))

    def test_covered(self):
        # What a snapshot covers is neither read nor reported.
        self.journal(lambda segment: (segment.lost(2), segment.alone(add("c"), recorded=2)))
        table = Table(3, [(b"Cc", conversation(1, 3)), (b"Mc\0" + big(3), memory(CREATED + 2, (TEXT, "c"))),
                          (b"S" + big(3), b"c")], meta(3, CREATED + 2, 1))
        self.file(table.name, table.data)
        self.assertEqual(self.texts(), ["c", "d"])
        self.assertIn("known loss: sequences 1 to 2", self.run_reader("events")[2])

    def test_wrong(self):
        for fields in ({"raw": b"x", "count": 2}, {"raw": b"x", "count": 2, "flags": STORED}, {"raw": b"", "count": 0},
                       {"raw": b"", "count": 2, "zero": 1}):
            segment = self.journal(lambda segment: (segment.alone(type=3, **fields), segment.alone(add("c"), recorded=2)))
            self.assert_damaged("log/" + segment.name, 1024)
        def without_restart(segment):
            segment.alone(add("a"), add("b"))
            segment.alone(raw=b"", count=1, type=3, flags=0)
        segment = self.journal(without_restart)
        self.assert_damaged("log/" + segment.name, segment.offsets[1], "does not restart")

    def test_not_known(self):
        for type in (4, 127):
            self.journal(lambda segment: (segment.alone(raw=b"", count=2, type=type), segment.alone(add("c"), recorded=2)))
            self.assert_unsupported("1024: frame type %d" % type)
        segment = Segment()
        segment.frame(add("a"))
        offset = segment.frame(raw=b"", count=1, type=3)
        self.put(segment)
        self.assert_unsupported(":%d: frame type 3" % offset)

    def test_events(self):
        for wrong in (event(LOST, (TARGET, 1)), event(LOST, (FIRST, 1)), event(LOST, (TARGET, 1), (FIRST, 0)),
                      event(LOST, (TARGET, 1), (FIRST, 2)), event(LOST, (CONVERSATION, "c"), (TARGET, 1), (FIRST, 1)),
                      event(CLEARED, (CONVERSATION, "c"), (FIRST, 1))):
            segment = Segment()
            segment.frame(add("1"))
            offset = segment.frame(wrong)
            self.put(segment)
            self.assert_damaged("log/" + segment.name, offset, "payload: ")

    def test_left_behind(self):
        # What a repair moved out of the way, and a copy that is none yet.
        segment = Segment()
        segment.frame(add("1"))
        self.put(segment)
        os.makedirs(os.path.join(self.directory, "damaged"))
        self.file("damaged/" + segment.name, b"garbage")
        self.assertEqual(self.texts(), ["1"])
        os.rename(os.path.join(self.directory, "journal.json"), os.path.join(self.directory, "journal.json.incomplete"))
        self.assert_unsupported("a backup that was not finished")


# ---------------------------------------------------------------- Snapshots

class SnapshotTests(ReaderTest):
    """A log of three segments, and snapshots of it after the first and the second."""

    def setUp(self):
        super().setUp()
        first = Segment()
        first.frame(add("one", "a", (ROLE, "user"), (METADATA, '{"k":1}'), (KEY, "k1")), add("gone", "a", (KEY, "k2")),
                    recorded=10)
        first.frame(event(ADDED, (CONVERSATION, "é"), (DATA, b"\0\1"), (TIME, zigzag(-5))),
                    event(FORGOTTEN, (CONVERSATION, "a"), (TARGET, 2)), event(FLUSHED, (LABEL, "here")), recorded=10)
        second = Segment(2, first, created=CREATED + 20)
        second.frame(add("two", "a"), add("x", "cleared"), event(CLEARED, (CONVERSATION, "cleared")),
                     event(FLOOR, (TARGET, 5)), recorded=10)
        third = Segment(3, second, created=CREATED + 30)
        third.frame(event(FORGOTTEN, (CONVERSATION, "a"), (TARGET, 1)), add("three", "a"), recorded=10)
        self.segments = first, second, third

    def entries(self, sequence):
        """The entries of the snapshot as of sequence 5 or 9."""
        one = [(TEXT, "one"), (ROLE, "user"), (METADATA, '{"k":1}')]
        gone = [(TEXT, "gone")]
        late = sequence == 9
        found = {
            b"Ca": conversation(2 if late else 1, 6 if late else 4), "Cé".encode(): conversation(1, 3),
            b"Ka\0k1": key_value(1, CREATED + 10, *one), b"Ka\0k2": key_value(2, CREATED + 10, *gone),
            b"Lhere": varint(5),
            b"Ma\0" + big(1): memory(CREATED + 10, *one, (KEY, "k1")),
            "Mé\0".encode() + big(3): memory(CREATED + 20, (DATA, b"\0\1"), (TIME, zigzag(-5))),
            b"S" + big(1): b"a", b"S" + big(2): b"a", b"S" + big(3): "é".encode(),
        }
        if late:
            found.update({
                b"Ccleared": conversation(0, 8, 1), b"S" + big(6): b"a", b"S" + big(7): b"cleared",
                # All of the event, with its kind.
                b"Ma\0" + big(6): varint(zigzag(CREATED + 30)) + add("two", "a")})
        return found

    def snapshot(self, sequence, change={}, floor=None, recorded=None, memories=None, meta_more=b"", **fields):
        found = self.entries(sequence)
        found.update(change)
        entries = [(key, *(value if isinstance(value, tuple) else (value,)))
                   for key, value in sorted(found.items()) if value is not None]
        late = sequence == 9
        whole = meta(sequence, (CREATED + (30 if late else 20)) if recorded is None else recorded,
                     (3 if late else 2) if memories is None else memories,
                     (5 if late else 0) if floor is None else floor)
        return Table(sequence, entries, fields.pop("meta", whole) + meta_more, **fields)

    def put_snapshots(self, segments, *tables, **fields):
        self.put(*segments, **fields)
        for table in tables:
            self.file(table.name, table.data)

    def right(self):
        self.put(*self.segments)
        return self.export()

    @staticmethod
    def filtered(keys, salt=0x1234, count=None, lines=1, sections=b"EK", page=None):
        """The entries of a filter of one page."""
        page = bytearray(page or 64 * lines)
        for key in keys:
            line, bits = snapshot.filter_bits(key, lines)
            for bit in bits:
                page[64 * line + bit // 8] |= 1 << bit % 8
        head = struct.pack("<I", salt) + varint(len(keys) if count is None else count) + varint(lines) + sections
        return {b"X": head, b"X\0\0\0\0": bytes(page)}

    def test_filter_bits(self):
        # By hand, from the text of the format.
        self.assertEqual(snapshot.mix(1), 0x5692161D100B05E5)
        self.assertEqual(snapshot.filter_bits(b"Ka\0k1", 1 << 64)[0], snapshot.mix(
            snapshot.mix(5) ^ int.from_bytes(b"Ka\0k1", "little")))

    def test_filter(self):
        right = self.right()
        keys = [b"Ka\0k1", b"Ka\0k2"]
        found = self.filtered(keys)
        foreign = self.filtered(keys[:1], salt=0x4321)
        # No filter is longer than the file, as its pages are not compressed; these bits hardly can be.
        for change in found, self.filtered(keys, lines=300, page=random.Random(1).randbytes(64 * 300)), foreign, {b"X\0": b""}:
            if change.get(b"X", b"").endswith(b"\xac\x02EK"):  # 300 lines are two pages
                page = change[b"X\0\0\0\0"]
                change.update({b"X\0\0\0\0": page[:64 * 256], b"X\0\0\0\1": page[64 * 256:]})
            self.put_snapshots(self.segments, self.snapshot(9, change, per_block=1))
            self.assertEqual(self.export(), right)

    def test_damaged_filters(self):
        right = self.right()
        keys = [b"Ka\0k1", b"Ka\0k2"]
        whole = self.filtered(keys)
        for change in (self.filtered(keys[:1], count=2), self.filtered(keys, count=1),
                       {**whole, b"X": struct.pack("<I", 0x1234) + b"\2\0EK"},
                       self.filtered(keys, sections=b""), {**whole, b"X\0\0\0\0": whole[b"X\0\0\0\0"][1:]},
                       {**whole, b"X\0\0\0\0": None}, {**whole, b"X": b"1234"},
                       {**whole, b"X": struct.pack("<I", 0x1234) + b"\xff"}):
            table = self.snapshot(9, change)
            self.put_snapshots(self.segments, table)
            status, output, errors = self.run_reader("export")
            self.assertEqual((status, output), (0, right))
            self.assertIn("%s:0: " % table.name, errors)
            self.assertIn("filter", errors)

    def test_same(self):
        right = self.right()
        self.assertEqual(right.count(b"\n"), 3)
        early, late = self.snapshot(5), self.snapshot(9)
        first, second, third = self.segments
        for segments, tables in ((self.segments, (early,)), (self.segments, (late,)), (self.segments, (early, late)),
                                 ((second, third), (late,)), ((third,), (late,)), ((second, third), (early, late)),
                                 ((third,), (early, late)), ((second, third), (early,))):
            self.put_snapshots(segments, *tables)
            if segments[0] is third:
                # Let go up to 5, and it begins with 10.
                self.assert_damaged("log/" + third.name, 88, "only up to 5")
                tables = (*tables[:-1], self.snapshot(9, floor=9))
                self.put_snapshots(segments, *tables)
            self.assertEqual(self.export(), right)
            status, digest, _ = self.run_reader("digest")
            self.assertEqual(digest.decode().strip(), hashlib.sha256(right).hexdigest())
            status, output, errors = self.run_reader("events")
            self.assertEqual((status, output.count(b"\n")), (0, 12 - segments[0].first))
            self.assertEqual("was let go" in errors, segments[0] is not first)
            self.assertIn(b"2 keys, 1 labels", self.run_reader("dump")[1])

    def test_alone(self):
        last = Segment(4, self.segments[1], created=CREATED + 30)
        self.put(*self.segments[:2], last)
        right = self.export()
        self.put_snapshots([last], self.snapshot(9, floor=9), lock=lock(last))
        self.assertEqual(self.export(), right)
        self.assertIn("last sequence 9", self.ending())

    def test_packed(self):
        right = self.right()
        first, second, third = self.segments
        packed = Packed(second, 4, before=first)
        packed.block((10, add("two", "a"), add("x", "cleared"), event(CLEARED, (CONVERSATION, "cleared")),
                      event(FLOOR, (TARGET, 5))))
        packed.finish()
        for table in (self.snapshot(5), self.snapshot(9)):
            self.put_snapshots((packed, third), table)
            self.assertEqual(self.export(), right)

    def test_shapes_of_tables(self):
        right = self.right()
        for fields in ({"per_block": 1, "per_index": 1}, {"per_block": 100}, {"per_index": 100}, {"shared": False},
                       {"stored": range(100)}, {"stored": (0, 3)}, {"meta_more": meta_erased(0, 0, 0) + b"later"}):
            self.put_snapshots(self.segments[1:], self.snapshot(9, **fields))
            self.assertEqual(self.export(), right)
        # A section of a later version.
        self.put_snapshots(self.segments[1:], self.snapshot(9, {b"Zlater": b"?"}))
        self.assertEqual(self.export(), right)

    def test_no_events(self):
        segment = Segment()
        segment.frame(event(FLUSHED))
        self.put_snapshots([segment], Table(1, [], meta(1, CREATED + 1, 0)))
        self.assertEqual(self.export(), b"")

    def assert_unused(self, table, message, right, name=None):
        """A snapshot that is damaged is as good as none, and reported."""
        name = name or table.name
        self.put(*self.segments)
        self.file(name, table.data)
        status, output, errors = self.run_reader("export")
        self.assertEqual((status, output), (0, right), errors)
        self.assertIn("note: damaged: " + name, errors)
        self.assertIn(message, errors)
        self.put(*self.segments[1:])
        self.file(name, table.data)
        self.assert_damaged("log/" + self.segments[1].name, 88, "nor from a snapshot")

    def test_every_bit_and_every_cut(self):
        right = self.right()
        table = self.snapshot(9, per_block=4, per_index=3)
        older = self.snapshot(5)
        self.put_snapshots(self.segments[1:], older, table)
        data = bytes(table.data)
        for offset in range(len(data)):
            for bit in range(8):
                changed = bytearray(data)
                changed[offset] ^= 1 << bit
                self.file(table.name, changed)
                status, output, errors = self.run_reader("export")
                self.assertEqual((status, output), (0, right), (offset, bit, errors))
                self.assertIn("damaged: " + table.name, errors)
        for length in range(len(data)):
            self.file(table.name, data[:length])
            status, output, errors = self.run_reader("export")
            self.assertEqual((status, output), (0, right))
            self.assertIn("damaged: " + table.name, errors)
        os.remove(os.path.join(self.directory, older.name))
        for offset in range(0, len(data), 7):
            self.file(table.name, data[:offset] + b"\0" + data[offset:])
            self.assertEqual(self.run_reader("export")[:2], (1, b""))
        self.file(table.name, data)
        self.assertEqual(self.export(), right)

    def test_tables(self):
        right = self.right()
        for fields, message in (
                ({"magic": b"x" * 8}, "header"), ({"journal": bytes(16)}, "another journal"),
                ({"again": 8}, "footer"), ({"end_salt": 1}, "footer"), ({"end_magic": b"x" * 8}, "footer"),
                ({"count": 1}, "footer is not that of the blocks"), ({"gap": bytes(8)}, "not that of the blocks"),
                ({"meta_key": b"x"}, "meta block"), ({"block": {0: {"kind": 2}}}, "header is not valid"),
                ({"block": {0: {"stored": 2}}}, "header is not valid"), ({"block": {0: {"count": 9}}}, "entries"),
                ({"block": {0: {"raw_length": 9}}}, "raw length"), ({"block": {0: {"raw_length": 1 << 31}}}, "written"),
                ({"block": {0: {"raw": b"\0\1\0b\0\1\0a", "count": 2}}}, "order"),
                ({"block": {0: {"raw": b"\0\1\0a\1\0\0", "count": 2}}}, "order"),
                ({"block": {0: {"raw": b"\1\1\0a", "count": 1}}}, "too large"),
                ({"block": {0: {"raw": b"\0\2\0a", "count": 1}}}, "too large"),
                ({"block": {0: {"raw": b"\0\1\x08a", "count": 1}}}, "too large"),
                ({"block": {0: {"raw": b"\0\1\3a", "count": 1}}}, "operation 3"),
                ({"block": {0: {"raw": b"\0\1", "count": 0}}}, "varint"),
                ({"block": {0: {"raw": b"", "count": 0}}}, "not what the index says"),
                ({"block": {0: {"raw": b"\0\1\0C", "count": 1}}}, "not what the index says"),
                ({"block": {2: {"raw": b"", "count": 0}}}, "not where the one before")):
            with self.subTest(fields):
                table = self.snapshot(9, **fields)
                self.assert_unused(table, message, right)
        table = self.snapshot(9)
        self.assert_unused(table, "its name says otherwise", right, "snapshots/%020d.snapshot" % 8)
        self.put_snapshots(self.segments, self.snapshot(9, minimum=2))
        self.assert_unsupported("version 2")

    def test_blocks_elsewhere(self):
        # One block in the place of another, moved, or of another table: the CRC of its header says so.
        right = self.right()
        table = self.snapshot(9, per_block=1, stored=range(100), shared=False)
        for one, other in zip(table.places, table.places[1:]):
            if one[1] == other[1]:
                changed = self.snapshot(9, per_block=1, stored=range(100), shared=False)
                changed.data[one[0]:sum(one)] = table.data[other[0]:sum(other)]
                self.assert_unused(changed, "header is not valid", right)
        other = self.snapshot(9, salt=0x4321, end_salt=0x4321)
        changed = self.snapshot(9)
        place = changed.places[0]
        changed.data[place[0]:sum(place)] = other.data[place[0]:sum(place)]
        self.assert_unused(changed, "header is not valid", right)

    def test_states(self):
        right = self.right()
        ours = self.entries(9)
        one = b"Ma\0" + big(1)
        for change, message in (
                ({b"Ca": (b"", DELETE)}, "operation 1"), ({b"Ma\0": (b"", DELETE_PREFIX)}, "operation 2"),
                ({b"Ca": conversation(1, 6)}, "2 memories in a conversation of 1"),
                ({b"Ca": conversation(2, 10)}, "not covered"), ({b"Ca": conversation(2, 5)}, "later"),
                ({b"Ca": conversation(2, 6, 2)}, "flags"), ({b"Ca": conversation(-1, 6)}, "-1 memories"),
                ({b"Ca": conversation(2, 6) + b"\0"}, "behind"), ({b"Ca": None}, "missing"),
                ({b"Ca\1": conversation(0, 1)}, "control"), ({b"C": conversation(0, 1)}, "0 bytes"),
                ({b"Cno": conversation(1, 1)}, "0 memories in a conversation of 1"),
                ({b"Ka\0k1": None}, "key of memory 1 is missing"),
                ({b"Ka\0k1": key_value(1, CREATED + 10, (TEXT, "other"))}, "not its own"),
                ({b"Ka\0k1": key_value(1, CREATED + 11, (TEXT, "one"), (ROLE, "user"), (METADATA, '{"k":1}'))}, "own"),
                ({b"Ka\0k2": key_value(3, CREATED + 10, (TEXT, "gone"))}, "not there"),
                ({b"Ka\0k2": ours[b"Ka\0k2"][:-1]}, "varint|behind|cut|not its own"),
                ({b"Ka": ours[b"Ka\0k2"]}, "end of a name"), ({b"Ka\0": ours[b"Ka\0k2"]}, "0 bytes"),
                ({b"Lhere": varint(0)}, "not covered"), ({b"Lhere": varint(5) + b"\0"}, "behind"),
                ({b"L": varint(5)}, "0 bytes"), ({b"L\xff": varint(5)}, "UTF-8"),
                ({one: None}, "2 memories, not 3"), ({one[:-1]: ours[one]}, "end with a sequence"),
                ({b"Ma\0" + big(10): ours[one]}, "not covered"), ({b"Mno\0" + big(2): ours[one]}, "not 3"),
                ({one: memory(CREATED + 31, (TEXT, "one"))}, "later"), ({one: memory(CREATED + 10)}, "content"),
                ({one: memory(1 << 61, (TEXT, "one"))}, "years"), ({one: b"\x80"}, "varint"),
                ({one: varint(0) + event(CLEARED, (CONVERSATION, "a"))}, "not added"),
                ({one: varint(0) + add("one", "b")}, "not added"), ({one: varint(0) + event(64)}, "not added"),
                ({b"S" + big(1): None}, "missing in another"), ({b"S" + big(1): "é".encode()}, "missing in another"),
                ({b"S" + big(1)[1:]: b"a"}, "not a sequence"), ({b"S" + big(5): b"no"}, "add 5"),
                ({b"S" + big(10): b"a"}, "not covered"), ({b"S" + big(9): b"a"}, "add 9")):
            with self.subTest(change):
                table = self.snapshot(9, change)
                self.put(*self.segments)
                self.file(table.name, table.data)
                status, output, errors = self.run_reader("export")
                self.assertEqual((status, output), (0, right), errors)
                self.assertIn("damaged: %s:0: it is not a state" % table.name, errors)
                self.assertRegex(errors, message)
        for fields in ({"memories": 2}, {"recorded": CREATED}, {"recorded": 1 << 61}, {"floor": 10}, {"meta": b"\x09\0\3"},
                       {"meta": meta(8, CREATED + 30, 3)}):
            self.assert_unused(self.snapshot(9, **fields), "not a state", right)
        for unknown in (memory(CREATED + 10, (TEXT, "one"), (19, 1)), varint(0) + event(10)):
            self.put_snapshots(self.segments, self.snapshot(9, {one: unknown}))
            self.assert_unsupported("event ")

    def test_names(self):
        self.put(*self.segments)
        right = self.export()
        for name in ("9.snapshot", "+%019d.snapshot" % 9, "%020d.snapshot.new" % 9, "%020d.snapshot" % (1 << 62), "other"):
            self.file("snapshots/" + name, b"garbage")
        self.assertEqual(self.export(), right)
        shutil.rmtree(os.path.join(self.directory, "snapshots"))
        self.assertEqual(self.export(), right)

    def test_beyond_the_end(self):
        table = self.snapshot(9)
        for last in (self.segments[0], Segment(2, self.segments[0])):
            self.put_snapshots({self.segments[0].id: self.segments[0], last.id: last}.values(), table)
            self.assert_damaged(table.name, 32, "the log ends with 5: the end of the log is missing")
        # One that is damaged says nothing.
        table.data[3] ^= 1
        self.put_snapshots(self.segments[:1], table)
        self.assertEqual(self.run_reader("export")[0], 0)

    def test_beginning(self):
        first, second, third = self.segments
        right = self.right()
        # The log must lead on from the snapshot.
        self.put_snapshots((third,), self.snapshot(5, floor=5))
        self.assert_damaged("log/" + third.name, 88, "nor from a snapshot")
        # Not let go, as far as anybody says.
        for floor in (0, 4):
            self.put_snapshots((second, third), self.snapshot(9, floor=floor))
            self.assert_damaged("log/" + second.name, 88, "only up to %d" % floor)
        # As a floor behind the older snapshot says.
        self.put_snapshots((second, third), self.snapshot(5))
        self.assertEqual(self.export(), right)
        # A gap, and a first segment that says that it is not the first of all.
        self.put_snapshots((first, third), self.snapshot(9))
        self.assert_damaged("log/" + third.name, 88, "segment 2, is missing")
        odd = Segment(2, first, predecessor=0, predecessor_last=0, predecessor_end=0, predecessor_chain=0)
        odd.frame(add())
        self.put_snapshots((odd,), self.snapshot(5, floor=5))
        self.assert_damaged("log/" + odd.name, 88)

    def test_empty_beginning_dropped(self):
        empty = Segment()
        second = Segment(2, empty)
        second.frame(add("1"), event(FLOOR, (TARGET, 1)))
        entries = [(b"Cc", conversation(1, 1)), (b"Mc\0" + big(1), memory(CREATED + 1, (TEXT, "1"))),
                   (b"S" + big(1), b"c")]
        self.put(second)
        self.assert_damaged("log/" + second.name, 88)
        for floor in (0, 1):
            table = Table(2, entries, meta(2, CREATED + 1, 1, floor))
            self.put_snapshots([second], table)
            if floor:
                self.assertEqual(self.texts(), ["1"])
            else:
                self.assert_damaged("log/" + second.name, 88, "only up to 0")

    def test_damage_that_is_covered(self):
        # What the snapshot covers is not read, but for the segment that goes on behind it.
        right = self.right()
        first, second, third = self.segments
        first.data[first.offsets[0] + 40] ^= 1
        self.put_snapshots(self.segments, self.snapshot(9))
        self.assertEqual(self.export(), right)
        status, output, errors = self.run_reader("events")
        self.assertEqual((status, output), (1, b""))
        self.put_snapshots(self.segments, self.snapshot(5))
        self.assertEqual(self.export(), right)
        first.data[first.offsets[0] + 40] ^= 1
        second.data[second.offsets[0] + 40] ^= 1
        self.put_snapshots(self.segments, self.snapshot(5))
        self.assert_damaged("log/" + second.name, 1024)

    def test_compacted_meanwhile(self):
        # The snapshots are looked at before a compaction, the log after it.
        right = self.right()
        self.put_snapshots(self.segments, self.snapshot(5))
        table, read_log = self.snapshot(9, floor=9), format_reader.journal_log.read_log

        def compact(*arguments):
            if not os.path.exists(os.path.join(self.directory, table.name)):
                self.put_snapshots(self.segments[2:], table)
            return read_log(*arguments)
        with mock.patch.object(format_reader.journal_log, "read_log", compact):
            self.assertEqual(self.export(), right)

    def test_in_the_middle_of_a_frame(self):
        segment = Segment()
        segment.frame(add("1"), add("2"), event(FORGOTTEN, (CONVERSATION, "c"), (TARGET, 1)))
        entries = [(b"Cc", conversation(1, 1)), (b"Mc\0" + big(1), memory(CREATED + 1, (TEXT, "1"))),
                   (b"S" + big(1), b"c")]
        self.put_snapshots([segment], Table(1, entries, meta(1, CREATED + 1, 1)))
        self.assertEqual(self.texts(), ["2"])

    def test_floors(self):
        segment = Segment()
        segment.frame(add("1"), event(FLOOR, (TARGET, 2)))
        self.put(segment)
        self.assertEqual(self.texts(), ["1"])
        self.assertEqual(json.loads(self.events()[1]), {
            "kind": "floor", "recorded": "2026-01-02T03:04:05.000007Z", "sequence": 2, "target": 2})
        for wrong in (event(FLOOR), event(FLOOR, (TARGET, 0)), event(FLOOR, (TARGET, 3)),
                      event(FLOOR, (TARGET, 1), (CONVERSATION, "c")), event(FLOOR, (LABEL, "x"), (TARGET, 1))):
            segment = Segment()
            segment.frame(add("1"))
            offset = segment.frame(wrong)
            self.put(segment)
            self.assert_damaged("log/" + segment.name, offset, "floor")


class ErasedSnapshotTests(ReaderTest):
    """A log of eight events, one of which is erased, and snapshots of it that are."""

    HASH = hmac256(THE_ERASURE_KEY, b"c\0k")[:16]

    def setUp(self):
        super().setUp()
        self.segment = Segment()
        self.segment.frame(add("1", "c", (KEY, "k")), add("2", "c", (KEY, "k2")), add("3", "d"),
                           event(FORGOTTEN, (CONVERSATION, "c"), (TARGET, 1)), event(FLUSHED),
                           event(BEGUN, (TARGET, 5), (ERASURE_KEY, THE_ERASURE_KEY)), event(DONE, (TARGET, 5)), event(FLUSHED))
        self.put(self.segment)
        self.right = self.export()
        self.assertEqual(self.texts(), ["2", "3"])

    def snapshot(self, sequence=5, change={}, more=None, memories=2):
        found = {
            b"Cc": conversation(1, min(sequence, 4)), b"Cd": conversation(1, 3),
            b"E" + self.HASH: varint(1) + varint(zigzag(CREATED + 1)), b"Kc\0k2": key_value(2, CREATED + 1, (TEXT, "2")),
            b"Mc\0" + big(2): memory(CREATED + 1, (TEXT, "2"), (KEY, "k2")), b"Md\0" + big(3): memory(CREATED + 1, (TEXT, "3")),
            b"S" + big(1): b"\0c", b"S" + big(2): b"c", b"S" + big(3): b"d"}
        found.update(change)
        more = meta_erased(5, 5, 5) if sequence == 8 and more is None else meta_erased(0, 0, 5) if more is None else more
        return Table(sequence, [entry for entry in sorted(found.items()) if entry[1] is not None],
                     meta(sequence, CREATED + 1, memories) + more)

    def read(self, table):
        """What is exported, and what is reported, of the log with this snapshot alone."""
        self.put(self.segment)
        self.file(table.name, table.data)
        status, output, errors = self.run_reader("export")
        self.assertEqual(status, 0, errors)
        return output, errors

    def test_good(self):
        for table in (self.snapshot(), self.snapshot(8), self.snapshot(3), self.snapshot(5, more=meta_erased(4, 4, 100)),
                      self.snapshot(more=meta_erased(0, 0, 5) + b"later"), self.snapshot(more=meta_erased(0, 0, 0)),
                      # The name of a conversation without a memory is erased as well.
                      self.snapshot(change={b"S" + big(1): None})):
            self.assertEqual(self.read(table), (self.right, ""))
        self.read(self.snapshot())
        self.assertIn(b"erased up to 5, 1 erased keys, 1 erased adds;", self.run_reader("dump")[1])

    def test_forgotten_and_erased(self):
        # By the rule: what an erased snapshot still has, an event that it is erased up to does not take.
        still = {b"Cc": conversation(2, 2), b"E" + self.HASH: None, b"Kc\0k": key_value(1, CREATED + 1, (TEXT, "1")),
                 b"Mc\0" + big(1): memory(CREATED + 1, (TEXT, "1"), (KEY, "k")), b"S" + big(1): b"c"}
        for up_to, texts in ((0, ["2", "3"]), (3, ["2", "3"]), (4, ["1", "2", "3"]), (5, ["1", "2", "3"])):
            output, errors = self.read(self.snapshot(3, still, meta_erased(0, 0, up_to), 3))
            self.assertEqual(([json.loads(line)["content"] for line in output.splitlines()], errors), (texts, ""))
        # A target behind the snapshot is taken all the same.
        segment = Segment()
        segment.frame(add("1"), add("2"), event(FORGOTTEN, (CONVERSATION, "c"), (TARGET, 2)))
        self.put(segment)
        table = Table(1, [(b"Cc", conversation(1, 1)), (b"Mc\0" + big(1), memory(CREATED + 1, (TEXT, "1"))),
                          (b"S" + big(1), b"c")], meta(1, CREATED + 1, 1) + meta_erased(0, 0, 3))
        self.file(table.name, table.data)
        self.assertEqual(self.texts(), ["1"])

    def test_wrong(self):
        one = varint(1) + varint(zigzag(CREATED + 1))
        for change, message in (
                ({b"E" + self.HASH[1:]: one}, "15 bytes"), ({b"E" + self.HASH + b"x": one}, "17 bytes"),
                ({b"E" + self.HASH: varint(6) + varint(0)}, "6 is not covered"),
                ({b"E" + self.HASH: varint(0) + varint(0)}, "0 is not covered"),
                ({b"E" + self.HASH: one + b"\0"}, "behind a value"), ({b"E" + self.HASH: one[:-1]}, "cut off"),
                ({b"E" + self.HASH: varint(1) + varint(1 << 62)}, "a time outside"),
                ({b"S" + big(1): b"\0"}, "0 bytes"), ({b"S" + big(1): b"\0\0c"}, "control character"),
                ({b"S" + big(1): b"\1c"}, "control character"), ({b"S" + big(1): b"\0none"}, "not of a conversation"),
                ({b"S" + big(2): b"\0c"}, "memory 2 is erased")):
            with self.subTest(message):
                output, errors = self.read(self.snapshot(change=change))
                self.assertEqual(output, self.right)
                self.assertIn("it is not a state: ", errors)
                self.assertIn(message, errors)

    def test_meta(self):
        whole = meta_erased(0, 0, 5)
        for more, message in (
                [(whole[:length], "cut off" if length < 3 else "an erasure key of") for length in range(1, len(whole))] +
                [(meta_erased(5, 0, 5), "an erasure up to 5"), (meta_erased(0, 5, 5), "an erasure up to 5")]):
            output, errors = self.read(self.snapshot(more=more))
            self.assertEqual(output, self.right)
            self.assertIn("it is not a state: ", errors)
            self.assertIn(message, errors)


if __name__ == "__main__":
    unittest.main()
