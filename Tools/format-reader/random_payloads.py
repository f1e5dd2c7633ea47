#!/usr/bin/env python3
"""Random payloads of frames, and what this reader says of each: for another reader to be compared with it.

    random_payloads.py COUNT SEED > FILE

Each is a record: the length of the payload (4 bytes), the first sequence (8), the number of events that the frame says (4),
1 in an erased segment (1), the verdict (1: `a` accepted, `d` damaged, `u` unsupported), the payload. Most are events as a
writer makes them, with one or a few things changed.
"""

import random
import struct
import sys

import payload

RECORD = struct.Struct("<IQIBc")

TEXTS = (b"", b"a", b"prefers email", b"line\nand line", "caf\u00e9 \u4f60\u597d \U0001f600".encode(), b"x" * 63, b"x" * 64,
         b"x" * 65, b"x" * 255, b"x" * 256, b"x" * 512, b"x" * 513, b"x" * 5000, "\u4f60".encode() * 170, b"tab\there", b"\x7f",
         b"\xc2\x80", b"\xc2\x9f", b"\xc2\xa0", b"a\x00b", b"\x1b[31m", "\u202eabc".encode(), b"0123456789abcdef\x7f" + b"0" * 20,
         b"0123456\x1f" + b"0" * 9, b"01234567\xc3\xbf")
# What is not UTF-8: alone, cut short, overlong, half a surrogate pair, beyond the last.
NOT_TEXT = (b"\x80", b"\xff", b"\xc3", b"\xc0\x80", b"\xc1\xbf", b"\xe0\x80\x80", b"\xe0\x9f\xbf", b"\xe2\x82", b"\xed\xa0\x80",
            b"\xed\xbf\xbf", b"\xf0\x80\x80\x80", b"\xf0\x8f\xbf\xbf", b"\xf0\x9f\x98", b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80",
            b"\xc3\x28", b"\xe2\x28\xa1", b"\xf0\x28\x8c\xbc", b"\xee\x80\x80", b"\xf4\x8f\xbf\xbf", b"\xed\x9f\xbf")
NUMBERS = (0, 1, 2, 3, 4, 9, 10, 63, 64, 126, 127, 128, 1 << 31, (1 << 31) - 1, (1 << 62) - 1, 1 << 62, 1 << 63, (1 << 64) - 1)
TIMES = (0, 1, 2 * 62_135_596_800_000_000 - 1, 2 * 62_135_596_800_000_000, 2 * 62_135_596_800_000_000 + 1,
         2 * 253_402_300_799_999_999, 2 * 253_402_300_799_999_999 + 1, 2 * 253_402_300_800_000_000, (1 << 64) - 1)
SCALARS = (b"null", b"true", b"false", b"0", b"-0", b"1", b"-1.5", b"1e9", b"1E+9", b"2e-07", b"123456789012345678901234567890",
           b'""', b'"a"', b'"\\n"', b'"\\u001f"', b'"\\u0000"', '"\u4f60\u597d"'.encode(), b'"\x7f"', b'"0123456789 abcdef"')
NOT_SCALARS = (b"", b"01", b"1.", b".5", b"+1", b"1e", b"-", b"--1", b"NaN", b"Infinity", b"True", b"nul", b"tru", b"'a'", b'"',
               b'"a', b'"\\/"', b'"\\u0041"', b'"\\u001F"', b'"\\u000a"', b'"\\u0008"', b'"\\ud800"', b'"\n"', b'"\x1f"', b'"\\x"',
               b'"\\u00"', b'"\\u007f"', b"1 ", b" 1", b"1,2", b"0x1", b'"a" "b"', b"\xef\xbb\xbf1", b"1\n", b"[1", b"{", b"}", b"]")
KEYS = (b"", b"a", b"b", b"aa", b"a\\n", b'\\"', b"\\\\", b"\\u0001", b"\x7f", "\u00e9".encode(), b"topic", b"z" * 40)


def encoded(fields):
    """The bytes of an event that has these (number, value)."""
    out = b""
    for number, value in fields:
        out += payload.encoded_varint(number << 3 | (0 if isinstance(value, int) else 2))
        out += payload.encoded_varint(value if isinstance(value, int) else len(value)) + (b"" if isinstance(value, int) else value)
    return out


class Maker:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def one_of(self, *things):
        return self.random.choice(things)

    def odd(self, one_in):
        return self.random.randrange(one_in) == 0

    def text(self):
        if self.odd(40):
            return self.random.choice(TEXTS) + self.random.choice(NOT_TEXT) + self.random.choice(TEXTS)
        if self.odd(6):
            return self.random.choice(TEXTS)
        return b"name-%d" % self.random.randrange(100)

    def json(self, depth=0):
        kind = self.random.randrange(6 if depth < 4 else 2)
        if kind < 2:
            return self.random.choice(NOT_SCALARS if self.odd(40) else SCALARS)
        items = [self.json(depth + 1) for _ in range(self.random.randrange(4))]
        if kind == 2 and self.odd(20):
            return b"[" * 300 + b"]" * self.one_of(300, 300, 299, 301)
        comma, colon = (self.one_of(b", ", b",,", b""), self.one_of(b": ", b"", b"=")) if self.odd(40) else (b",", b":")
        if kind == 3:
            return b"[" + comma.join(items) + b"]"
        keys = sorted({self.random.choice(KEYS) for _ in items}, key=lambda key: payload_key(key))
        if self.odd(20):
            self.random.shuffle(keys)
        if self.odd(30) and keys:
            keys.append(keys[-1])
        return b"{" + comma.join(b'"' + key + b'"' + colon + item for key, item in zip(keys, items)) + b"}"

    def metadata(self):
        return b'{"topic":' + self.json(1) + b"}" if not self.odd(10) else self.json()

    def number(self, sequence):
        return self.random.choice(NUMBERS) if self.odd(8) else max(0, sequence + self.random.randrange(-3, 4))

    def hash(self, count):
        return bytes(self.one_of(count, count, count, count, count, count - 1, count + 1, 0))

    def fields(self, sequence):
        kind = self.one_of(1, 1, 1, 1, 1, 1, 2, 3, 4, 5, 6, 6, 7, 8, 9)
        number = lambda: self.number(sequence)
        maybe = lambda found: found if self.odd(2) else ()
        parts = {
            1: lambda: ((2, self.text()), self.one_of((3, self.text()), (3, self.text()), (4, self.json()), (5, self.text())),
                        *maybe(((6, self.text()),)), *maybe(((7, self.text()),)), *maybe(((8, self.metadata()),)),
                        *maybe(((9, self.random.choice(TIMES) if self.odd(3) else self.random.getrandbits(56)),)),
                        *maybe(((10, self.text()),)), *(maybe(((32, number()),)) if self.odd(4) else ())),
            2: lambda: ((2, self.text()), (11, number())),
            3: lambda: ((2, self.text()),),
            4: lambda: maybe(((12, self.text()),)),
            5: lambda: ((11, number()),),
            6: lambda: (*maybe(((2, self.text()),)), *maybe(((11, number()),)), (13, self.one_of(1, 1, 2, 3, number())),
                        (14, self.hash(32)), *maybe(((15, self.hash(16)),)), (16, number())),
            7: lambda: ((11, number()), (17, self.hash(32))),
            8: lambda: ((11, number()),),
            9: lambda: ((11, number()), (18, number())),
        }[kind]()
        return [(1, kind), *parts]

    def change(self, fields, sequence):
        """Changes one thing among the fields."""
        place = self.random.randrange(len(fields))
        number, value = fields[place]
        what = self.random.randrange(8)
        if what == 0:
            del fields[place]
        elif what == 1:
            fields.insert(self.random.randrange(len(fields) + 1), fields[place])
        elif what == 2:
            self.random.shuffle(fields)
        elif what == 3:
            fields[place] = (self.random.choice((0, 1, *range(2, 20), 31, 32, 33, 1 << 20, (1 << 29) - 1, 1 << 29)), value)
        elif what == 4:
            fields[place] = (number, self.text() if isinstance(value, int) else self.number(sequence))
        elif what == 5:
            fields[place] = (number, self.number(sequence) if isinstance(value, int) else self.one_of(b"", self.text(), self.json()))
        elif what == 6:
            fields.insert(self.random.randrange(1, len(fields) + 1), (self.one_of(19, 31, 33, 33, 34, 100, 5000), self.one_of(
                b"later", self.random.choice(NUMBERS))))
        else:
            fields[0] = (1, self.one_of(0, 10, 63, 64, 65, 1000, (1 << 31) - 1, 1 << 31, *range(1, 10)))

    def event(self, sequence):
        fields = self.fields(sequence)
        while fields and self.odd(3):
            self.change(fields, sequence)
        data = bytearray(encoded(fields))
        if self.odd(12) and data:
            self.spoil(data)
        if self.odd(40):
            # Fields of a fixed length, and wire types that there are not.
            data += payload.encoded_varint(self.one_of(2, 9, 19, 33, 40) << 3 | self.one_of(1, 5, 3, 4, 6, 7)) + bytes(self.one_of(4, 8, 3))
        return bytes(data)

    def spoil(self, data):
        place = self.random.randrange(len(data))
        what = self.random.randrange(4)
        if what == 0:
            data[place] ^= 1 << self.random.randrange(8)
        elif what == 1:
            del data[place:]
        elif what == 2:
            data.insert(place, self.random.randrange(256))
        else:
            del data[place]

    def record(self):
        first, is_erased = self.one_of(1, 2, 7, 100, 1 << 40), self.odd(2)
        count = self.one_of(1, 1, 1, 1, 2, 3)
        data = bytearray()
        for sequence in range(first, first + count):
            event = self.event(sequence)
            # A length that takes more bytes than it needs means the same.
            length = payload.encoded_varint(len(event)) if not self.odd(60) else struct.pack(
                "<HB", len(event) & 0x7F | 0x80 | (len(event) >> 7 & 0x7F | 0x80) << 8, len(event) >> 14 & 0x7F)
            data += (b"\x0a" if not self.odd(200) else self.one_of(b"\x12", b"\x08", b"\x8a\x00")) + length + event
        if self.odd(60) and data:
            self.spoil(data)
        said = count if not self.odd(30) else self.one_of(1, 2, 3, 4)
        return bytes(data), first, said, is_erased


def payload_key(key):
    """What a key's escapes stand for, by which it is ordered."""
    return key.replace(b"\\n", b"\n").replace(b'\\"', b'"').replace(b"\\u0001", b"\x01").replace(b"\\\\", b"\\")


def verdict(data, first, count, is_erased):
    try:
        payload.events(data, first, count, is_erased)
    except payload.Malformed:
        return b"d"
    except payload.NotUnderstood:
        return b"u"
    return b"a"


def main():
    count, seed = int(sys.argv[1]), int(sys.argv[2])
    maker = Maker(seed)
    for _ in range(count):
        record = maker.record()
        data, first, said, is_erased = record
        sys.stdout.buffer.write(RECORD.pack(len(data), first, said, is_erased, verdict(*record)) + data)


if __name__ == "__main__":
    main()
