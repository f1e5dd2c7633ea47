"""docs/format.md, "Tables" and "Snapshots": the state as of one sequence, in a file of its own."""

import hashlib
import os
import re
import struct
import zlib
from collections import namedtuple

import canonical_json
import payload
from journal_log import BOUND, VERSION, Damaged, Unsupported, inflate, read_file

# ---------------------------------------------------------------- Tables

MAGIC = b"\x89AJT\r\n\x1a\n"
HEADER, FOOTER = struct.Struct("<8sHHI16sQ20xI"), struct.Struct("<QQIIQQI4x8s4xI")
BLOCK = struct.Struct("<IIIIIHH")
DATA, INDEX, ROOT, META = 1, 2, 3, 4
PUT, DELETE, DELETE_PREFIX = 0, 1, 2
LONGEST_BLOCK, LONGEST_KEY = (1 << 31) - 1, (1 << 16) - 1

Entry = namedtuple("Entry", "key operation value")
Place = namedtuple("Place", "offset length")


LINE, LINES_PER_PAGE, BITS_64 = 64, 256, (1 << 64) - 1


def mix(number):
    number = (number ^ number >> 30) * 0xBF58476D1CE4E5B9 & BITS_64
    number = (number ^ number >> 27) * 0x94D049BB133111EB & BITS_64
    return number ^ number >> 31


def filter_bits(key, lines):
    """(The line of a key in a filter, its bits there)."""
    number = mix(len(key))
    for at in range(0, len(key), 8):
        number = mix(number ^ int.from_bytes(key[at:at + 8], "little"))
    bits = mix(number + 0x9E3779B97F4A7C15 & BITS_64)
    return number * lines >> 64, [bits >> 9 * probe & 511 for probe in range(7)]


class Table:
    """A table, all of it read and checked: `sequence`, `entries` in order of their keys, `meta`."""

    def __init__(self, file, data, journal):
        self.file, self.data, self.salt = file, data, None
        if len(data) < HEADER.size:
            raise Damaged(file, 0, "the file is cut off")
        magic, _, minimum, salt, owner, sequence, crc = HEADER.unpack_from(data)
        if magic != MAGIC or crc != zlib.crc32(data[:HEADER.size - 4]):
            raise Damaged(file, 0, "the header is not valid")
        if minimum > VERSION:
            raise Unsupported("%s needs a reader of version %d" % (file, minimum))
        if owner != journal:
            raise Damaged(file, 16, "it belongs to another journal")
        if sequence >= BOUND:
            raise Damaged(file, 32, "no journal has so many events")
        self.salt, self.sequence, self.end = salt, sequence, len(data) - FOOTER.size
        if self.end < HEADER.size:
            raise Damaged(file, len(data), "the file is cut off")
        root, meta, root_length, meta_length, count, again, footer_salt, magic, crc = FOOTER.unpack_from(data, self.end)
        if magic != MAGIC or crc != zlib.crc32(data[self.end:-4]) or (again, footer_salt) != (sequence, salt):
            raise Damaged(file, self.end, "the footer is not valid")
        self.blocks = 0
        self.entries = self.read_all(self.block(Place(root, root_length), ROOT))
        if (self.at, len(self.entries)) != (root, count):
            raise Damaged(file, self.end, "the footer is not that of the blocks")
        entries = self.block(Place(meta, meta_length), META)
        if meta != root + root_length or meta + meta_length != self.end:
            raise Damaged(file, self.end, "the parts of the file do not fill it")
        if [entry[:2] for entry in entries] != [(b"\0", PUT)]:
            raise Damaged(file, meta, "the meta block has not one entry")
        self.meta = entries[0].value
        self.check_filter()

    def check_filter(self):
        """The filter of keys, if there is one that is this table's own, has them all."""
        found = [entry for entry in self.entries if entry.key[:1] == b"X"]
        if not found or found[0].key != b"X":
            return
        head, pages = found[0].value, {entry.key: entry.value for entry in found[1:]}
        if len(head) <= 4:
            raise Damaged(self.file, 0, "the head of the filter")
        if head[:4] != struct.pack("<I", self.salt):
            return  # copied by a version that knows no filters
        try:
            count, at = payload.varint(head, 4, len(head))
            lines, at = payload.varint(head, at, len(head))
        except payload.Malformed as error:
            raise Damaged(self.file, 0, "the head of the filter: %s" % error) from None
        sections, keys = head[at:], []
        if sections:
            keys = [entry.key for entry in self.entries if entry.key[0] in sections]
        if not sections or lines < 1 or lines * LINE > len(self.data) or not len(keys) == count <= lines * LINE * 8 // 10:
            raise Damaged(self.file, 0, "the head of the filter")
        for number in range(0, lines, LINES_PER_PAGE):
            page = pages.get(b"X" + struct.pack(">I", number // LINES_PER_PAGE), b"")
            if len(page) != LINE * min(LINES_PER_PAGE, lines - number):
                raise Damaged(self.file, 0, "a page of the filter")
        for key in keys:
            line, bits = filter_bits(key, lines)
            page = pages[b"X" + struct.pack(">I", line // LINES_PER_PAGE)]
            start = line % LINES_PER_PAGE * LINE
            if not all(page[start + bit // 8] >> bit % 8 & 1 for bit in bits):
                raise Damaged(self.file, 0, "the filter lacks a key")

    def read_all(self, root):
        """The entries of all data blocks, which fill the file up to `at`, with the index blocks between them."""
        self.at, entries = HEADER.size, []
        for last_of_index, _, value in root:
            index_place, rest = self.place(value)
            if rest:
                raise Damaged(self.file, index_place.offset, "more than a place in the root")
            index = self.block(index_place, INDEX)
            for last, _, value in index:
                place, first = self.place(value)
                self.expect(place)
                block = self.block(place, DATA)
                if not block or (block[0].key, block[-1].key) != (first, last) or not first:
                    raise Damaged(self.file, place.offset, "the block is not what the index says")
                if entries and entries[-1].key >= first:
                    raise Damaged(self.file, place.offset, "the keys are not in order")
                entries += block
            self.expect(index_place)
            if not index or index[-1].key != last_of_index:
                raise Damaged(self.file, index_place.offset, "the index block is not what the root says")
        return entries

    def expect(self, place):
        if place.offset != self.at:
            raise Damaged(self.file, place.offset, "a block is not where the one before it ends")
        self.at += place.length

    def place(self, value):
        """(The place of a block in an entry of index or root, what is behind it)."""
        try:
            offset, at = payload.varint(value, 0, len(value))
            length, at = payload.varint(value, at, len(value))
        except payload.Malformed as error:
            raise Damaged(self.file, self.at, "place of a block: %s" % error) from None
        return Place(offset, length), value[at:]

    def block(self, place, kind):
        """The entries of a block."""
        offset, length = place
        if length < BLOCK.size or offset < HEADER.size or offset + length > self.end:
            raise Damaged(self.file, min(offset, len(self.data)), "a block does not lie between header and footer")
        crc, data_crc, stored_length, raw_length, count, found, stored = BLOCK.unpack_from(self.data, offset)
        head = struct.pack("<IQ", self.salt, offset) + self.data[offset + 4:offset + BLOCK.size]
        if crc != zlib.crc32(head) or found != kind or stored > 1:
            raise Damaged(self.file, offset, "the block's header is not valid")
        data = self.data[offset + BLOCK.size:offset + length]
        if stored_length != len(data) or raw_length > LONGEST_BLOCK or zlib.crc32(data) != data_crc:
            raise Damaged(self.file, offset, "the block's data are not what was written")
        raw = data if stored else inflate(zlib.decompressobj(-15), data, raw_length)
        if raw is None or len(raw) != raw_length:
            raise Damaged(self.file, offset, "the block does not have its raw length")
        try:
            entries = block_entries(raw)
        except payload.Malformed as error:
            raise Damaged(self.file, offset, "entries of a block: %s" % error) from None
        if len(entries) != count:
            raise Damaged(self.file, offset, "%d entries in the block, not %d" % (len(entries), count))
        self.blocks += 1
        return entries


def block_entries(raw):
    """The entries of a block's raw bytes. Raises payload.Malformed."""
    entries, at, key = [], 0, b""
    while at < len(raw):
        shared, at = payload.varint(raw, at, len(raw))
        rest, at = payload.varint(raw, at, len(raw))
        tagged, at = payload.varint(raw, at, len(raw))
        operation, length = tagged & 3, tagged >> 2
        if shared > len(key) or shared + rest > LONGEST_KEY or rest + length > len(raw) - at:
            raise payload.Malformed("a length is too large")
        if operation > DELETE_PREFIX:
            raise payload.Malformed("operation %d" % operation)
        new = key[:shared] + raw[at:at + rest]
        if entries and new <= key:
            raise payload.Malformed("the keys are not in order")
        key, at = new, at + rest + length
        entries.append(Entry(key, operation, raw[at - length:at]))
    return entries


# ---------------------------------------------------------------- Snapshots

NAME = re.compile(r"([0-9]{20})\.snapshot", re.ASCII)
NAME_BOUNDS = KEY_BOUNDS = LABEL_BOUNDS = (1, 512)

Conversation = namedtuple("Conversation", "memories last_sequence")
Key = namedtuple("Key", "sequence recorded hash")
Memory = namedtuple("Memory", "conversation sequence recorded fields")


class Snapshot:
    """What a snapshot says, all of it read and checked.

    `sequence` and `recorded` of the last event it covers, `floor`; `conversations`, `keys`, `labels`, `memories` in the
    order of the file, and `added`: {sequence: conversation} of every add. Of what was erased: `erased`, up to where,
    `erasure_key` or None, `erased_keys` by their hashes, `erased_adds` of `added`.
    """

    def __init__(self, file, data, sequence, journal):
        self.file = file
        table = self.table = Table(file, data, journal)
        self.sequence = table.sequence
        if table.sequence != sequence:
            raise Damaged(file, 32, "it covers sequence %d, and its name says otherwise" % table.sequence)
        self.conversations, self.keys, self.labels, self.memories, self.added = {}, {}, {}, [], {}
        self.erased_keys, self.erased_adds = {}, set()
        try:
            self.read_meta(table.meta)
            for entry in table.entries:
                if entry.operation != PUT:
                    raise payload.Malformed("operation %d in a snapshot" % entry.operation)
                section = self.SECTIONS.get(entry.key[:1])
                if section:  # others are for later versions
                    section(self, entry.key[1:], entry.value)
            self.compare()
        except payload.Malformed as error:
            raise Damaged(file, 0, "it is not a state: %s" % error) from None
        except payload.NotUnderstood as error:
            raise Unsupported("%s: %s is not known" % (file, error)) from None

    def read_meta(self, meta):
        numbers, at = [], 0
        for _ in range(4):  # later versions may append
            number, at = payload.varint(meta, at, len(meta))
            numbers.append(number)
        if numbers[0] != self.sequence:
            raise payload.Malformed("the meta block says that it covers %d" % numbers[0])
        self.recorded, self.count, self.floor = self.time(numbers[1]), numbers[2], numbers[3]
        if self.floor > self.sequence:
            raise payload.Malformed("a floor beyond what it covers")
        self.erased, self.erasure_key = 0, None
        if at < len(meta):
            self.read_erasure(meta, at)

    def read_erasure(self, meta, at):
        """The part of the meta block that is there only when there was an erasure."""
        numbers = []
        for _ in range(3):
            number, at = payload.varint(meta, at, len(meta))
            numbers.append(number)
        done, begun, self.erased = numbers
        if done >= self.sequence or begun >= self.sequence:
            raise payload.Malformed("an erasure up to %d, which it does not cover" % max(done, begun))
        self.erasure_key = meta[at:at + 32]
        if len(self.erasure_key) != 32:
            raise payload.Malformed("an erasure key of %d bytes" % len(self.erasure_key))

    @staticmethod
    def time(value):
        value = payload.zigzag(value)
        if not canonical_json.FIRST_TIME <= value <= canonical_json.LAST_TIME:
            raise payload.Malformed("a time outside the years 0001 to 9999")
        return value

    def check_sequence(self, sequence):
        if not 1 <= sequence <= self.sequence:
            raise payload.Malformed("sequence %d is not covered" % sequence)
        return sequence

    def numbers(self, value, count):
        """So many varints that are all of `value`."""
        at, found = 0, []
        for _ in range(count):
            number, at = payload.varint(value, at, len(value))
            found.append(number)
        if at != len(value):
            raise payload.Malformed("bytes behind a value")
        return found

    def named(self, key):
        """(The conversation, what is behind the zero byte) of a key."""
        name, zero, rest = key.partition(b"\0")
        if not zero:
            raise payload.Malformed("a key without the end of a name")
        return payload.field("conversation", name, NAME_BOUNDS), rest

    def conversation(self, key, value):
        if value[:1] not in (b"\0", b"\1"):
            raise payload.Malformed("flags of a conversation")
        count, last = self.numbers(value[1:], 2)
        count = payload.zigzag(count)
        if count < 0:
            raise payload.Malformed("a conversation of %d memories" % count)
        name = payload.field("conversation", key, NAME_BOUNDS)
        self.conversations[name] = Conversation(count, self.check_sequence(last))

    def erased_key(self, key, value):
        if len(key) != 16:
            raise payload.Malformed("the hash of an erased key has %d bytes" % len(key))
        sequence, recorded = self.numbers(value, 2)
        self.erased_keys[key] = Key(self.check_sequence(sequence), self.time(recorded), key)

    def key(self, key, value):
        name, rest = self.named(key)
        sequence, recorded = self.numbers(value[:-16], 2)
        key = name, payload.field("idempotency_key", rest, KEY_BOUNDS)
        self.keys[key] = Key(self.check_sequence(sequence), self.time(recorded), value[-16:])

    def label(self, key, value):
        sequence, = self.numbers(value, 1)
        self.labels[payload.field("label", key, LABEL_BOUNDS)] = self.check_sequence(sequence)

    def memory(self, key, value):
        name, rest = self.named(key)
        if len(rest) != 8:
            raise payload.Malformed("the key of a memory does not end with a sequence")
        recorded, at = payload.varint(value, 0, len(value))
        event = value[at:]
        if event[:1] != b"\x08":
            encoded = name.encode("utf-8")
            event = b"\x08\x01\x12" + payload.encoded_varint(len(encoded)) + encoded + event
        fields = payload.event(event)
        if fields is None or fields["kind"] != "added" or fields["conversation"] != name:
            raise payload.Malformed("a memory that was not added to its conversation")
        sequence = self.check_sequence(int.from_bytes(rest, "big"))
        self.memories.append(Memory(name, sequence, self.time(recorded), fields))

    def add(self, key, value):
        if len(key) != 8:
            raise payload.Malformed("not a sequence")
        sequence = self.check_sequence(int.from_bytes(key, "big"))
        if value[:1] == b"\0":
            self.erased_adds.add(sequence)
            value = value[1:]
        self.added[sequence] = payload.field("conversation", value, NAME_BOUNDS)

    SECTIONS = {b"C": conversation, b"E": erased_key, b"K": key, b"L": label, b"M": memory, b"S": add}

    def compare(self):
        """Compare the sections with one another."""
        counts = dict.fromkeys(self.conversations, 0)
        if len(self.memories) != self.count:
            raise payload.Malformed("%d memories, not %d" % (len(self.memories), self.count))
        for memory in self.memories:
            name, sequence = memory.conversation, memory.sequence
            if self.added.get(sequence) != name or name not in counts:
                raise payload.Malformed("memory %d is missing in another section" % sequence)
            if sequence in self.erased_adds:
                raise payload.Malformed("memory %d is erased" % sequence)
            if memory.recorded > self.recorded or sequence > self.conversations[name].last_sequence:
                raise payload.Malformed("memory %d is later than the last event" % sequence)
            counts[name] += 1
            if "idempotency_key" in memory.fields:
                self.compare_key(memory, self.keys.get((name, memory.fields["idempotency_key"])))
        for name, count in counts.items():
            if count != self.conversations[name].memories:
                raise payload.Malformed("%d memories in a conversation of %d" % (
                    count, self.conversations[name].memories))
        for sequence, name in self.added.items():
            if name not in self.conversations or sequence > self.conversations[name].last_sequence:
                raise payload.Malformed("add %d is not of a conversation that is there" % sequence)
        for (name, _), key in self.keys.items():
            if self.added.get(key.sequence) != name:
                raise payload.Malformed("a key of an add that is not there")

    @staticmethod
    def compare_key(memory, key):
        # The first add with a key counts.
        if key is None or key.sequence > memory.sequence:
            raise payload.Malformed("the key of memory %d is missing" % memory.sequence)
        if key.sequence == memory.sequence and (key.recorded, key.hash) != (
                memory.recorded, compared_hash(memory.fields)):
            raise payload.Malformed("the key of memory %d is not its own" % memory.sequence)


def compared_hash(fields):
    """The hash of what a repeated idempotency key is compared by."""
    compared = b""
    for number, name in ((3, "text"), (4, "json"), (5, "data"), (6, "mime_type"), (7, "role"), (8, "metadata")):
        if name in fields:
            value = fields[name] if isinstance(fields[name], bytes) else fields[name].encode("utf-8")
            compared += bytes([number << 3 | 2]) + payload.encoded_varint(len(value)) + value
    return hashlib.sha256(compared).digest()[:16]


def names(directory):
    """The files that are snapshots by their names, the newest first: (sequence, file)."""
    try:
        found = os.listdir(os.path.join(directory, "snapshots"))
    except (FileNotFoundError, NotADirectoryError):
        found = []
    matches = [match for match in map(NAME.fullmatch, found) if match and int(match.group(1)) < BOUND]
    return sorted(((int(match.group(1)), "snapshots/" + match.group()) for match in matches), reverse=True)


def read(directory, sequence, file, journal):
    data = read_file(directory, file)
    if data is None:
        raise Damaged(file, 0, "it is gone")
    return Snapshot(file, data, sequence, journal)


def newest(directory, journal, notes):
    """The newest snapshot that is not damaged, or None. Each that is, is noted."""
    for sequence, file in names(directory):
        try:
            return read(directory, sequence, file, journal)
        except Damaged as error:
            notes.append("%s; it is not used" % error)
    return None
