"""docs/format.md from "journal.json" to "lock": from files to frames, and where the log ends."""

import os
import re
import struct
import zlib
from collections import namedtuple

import canonical_json
import erasure
import payload

VERSION = 1  # of the format, as far as this reader knows it
BOUND = 1 << 62  # of sequences, offsets and times: no journal reaches it


class Damaged(Exception):
    """What was there is no longer: `file` (relative to the journal) is damaged at `offset`."""

    def __init__(self, file, offset, message):
        super().__init__("damaged: %s:%d: %s" % (file, offset, message))


class Unsupported(Exception):
    """Not a journal, not this journal's, or from a version that this reader does not know."""


def read_file(directory, *names):
    """The bytes of a file, or None when it is not there."""
    try:
        with open(os.path.join(directory, *names), "rb") as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        return None


# ---------------------------------------------------------------- journal.json

Identity = namedtuple("Identity", "journal maximum_frame_bytes")


def read_identity(directory):
    data = read_file(directory, "journal.json")
    if data is None:
        if os.path.exists(os.path.join(directory, "journal.json.incomplete")):
            raise Unsupported("not a journal: a backup that was not finished")
        raise Unsupported("not a journal: there is no journal.json")
    try:
        members = canonical_json.check(data[:-1])
    except canonical_json.NotCanonical as error:
        raise Damaged("journal.json", error.offset, "not canonical JSON: %s" % error) from None
    if members is None or data[-1:] != b"\n":
        raise Damaged("journal.json", max(0, len(data) - 1), "not one object and a newline")
    values = dict(members)
    # The canonical form without one member is the other members between braces. Members that are not known count.
    rest = b",".join(canonical_json.string(key) + b":" + value for key, value in members if key != "checksum")
    if values.get("checksum") != b'"%08x"' % zlib.crc32(b"{" + rest + b"}"):
        raise Damaged("journal.json", 0, "the checksum is wrong")

    def number(name):
        if not re.fullmatch(rb"[1-9][0-9]{0,17}", values.get(name, b"")):
            raise Damaged("journal.json", 0, "%s is not a positive number" % name)
        return int(values[name])

    if number("minimum_reader") > VERSION:
        raise Unsupported("the journal needs a reader of version %d" % number("minimum_reader"))
    number("format"), number("maximum_content_bytes")
    uuid = values.get("journal", b"").decode("utf-8")
    if not re.fullmatch('"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"', uuid):
        raise Damaged("journal.json", 0, "journal is not a UUID")
    if not canonical_json.is_time(values.get("created", b"").decode("utf-8")[1:-1]):
        raise Damaged("journal.json", 0, "created is not a time")
    return Identity(bytes.fromhex(uuid.strip('"').replace("-", "")), number("maximum_frame_bytes"))


# ---------------------------------------------------------------- A segment

SEGMENT_NAME = re.compile(r"([0-9]{20})-([0-9]{8})\.segment", re.ASCII)
MAGIC = b"\x89AJS\r\n\x1a\n"
COPIES, FRAMES = (0, 512), 1024
HEADER = struct.Struct("<8sHHI16sQq4sI32sIIQQII4sI")
PACKED_SEGMENT, ERASED_SEGMENT = 1, 2  # flags
Header = namedtuple("Header", "magic version minimum_reader id journal first_sequence created salt flags secret "
                              "predecessor predecessor_chain predecessor_last predecessor_end original_id replaced_id "
                              "zero crc")


class Segment:
    """A segment file, its header read. `header` is None when neither copy is valid."""

    def __init__(self, directory, name):
        self.file = "log/" + name
        self.name_sequence, self.id = (int(part) for part in SEGMENT_NAME.fullmatch(name).groups())
        self.data = read_file(directory, "log", name) or b""
        self.copies = [segment_header(self.data, offset) for offset in COPIES]
        self.header = self.copies[0] or self.copies[1]
        self.packed = bool(self.header and self.header.flags & PACKED_SEGMENT)
        self.erased = bool(self.header and self.header.flags & ERASED_SEGMENT)
        self.footer = packed_footer(self) if self.packed else None

    def check(self, journal):
        """What a header must be before anything else in the segment means anything."""
        header = self.header
        if header is None:
            raise Damaged(self.file, 0, "neither copy of the segment header is valid")
        if header.minimum_reader > VERSION:
            raise Unsupported("%s needs a reader of version %d" % (self.file, header.minimum_reader))
        if header.flags & 0xFFFF & ~(PACKED_SEGMENT | ERASED_SEGMENT):
            raise Unsupported("%s has segment flags 0x%04x" % (self.file, header.flags & 0xFFFF))
        if self.erased and not self.packed:
            raise Unsupported("%s is erased and not packed, which version 1 does not describe" % self.file)
        if header.journal != journal:
            raise Unsupported("%s is a foreign segment: it belongs to another journal" % self.file)
        if (header.first_sequence, header.id) != (self.name_sequence, self.id) or not self.id:
            raise Damaged(self.file, 0, "the header is not that of the file's name")
        if not 0 < header.first_sequence < BOUND or header.predecessor_last >= BOUND or header.predecessor_end >= BOUND:
            raise Damaged(self.file, 32, "no journal has such sequences or offsets")
        if self.erased and header.secret.strip(b"\0"):
            raise Damaged(self.file, 56, "an erased segment with a secret")
        if header.zero.strip(b"\0"):
            raise Damaged(self.file, 120, "not zero in the segment header")
        if self.packed:
            if not header.original_id <= header.replaced_id < header.id:
                raise Damaged(self.file, 112, "the ids of a packed segment are not in order")
        elif header.original_id != header.id:
            raise Unsupported("%s was rewritten in a way that version 1 does not describe" % self.file)
        elif header.replaced_id:
            raise Damaged(self.file, 116, "not zero in the segment header")
        if not canonical_json.FIRST_TIME <= header.created <= canonical_json.LAST_TIME:
            raise Damaged(self.file, 40, "creation time outside the years 0001 to 9999")


def segment_header(data, offset):
    """The copy of the segment header at `offset`, or None when it is not valid."""
    if offset + HEADER.size > len(data):
        return None
    header = Header(*HEADER.unpack_from(data, offset))
    valid = header.magic == MAGIC and header.crc == zlib.crc32(data[offset:offset + 124])
    return header if valid else None


def inflate(inflater, data, raw_length):
    """What raw deflate gives up to a sync flush without its last bytes, or None when that is not of the raw length.

    Never more than a byte beyond it is inflated.
    """
    try:
        raw = inflater.decompress(data + b"\0\0\xff\xff", raw_length + 1)
    except zlib.error:
        return None
    return raw if len(raw) == raw_length and not inflater.eof else None


# ---------------------------------------------------------------- Frame

FRAME = struct.Struct("<IIIIII3sBHH")
FrameHeader = namedtuple("FrameHeader", "crc payload_crc previous stored_length raw_length sequence_offset count type "
                                        "flags zero")
Frame = namedtuple("Frame", "offset header first_sequence recorded payload end")  # end: behind the padding
EVENTS, PACKED, LOST, FIRST_OPTIONAL_TYPE = 1, 2, 3, 128
FOLLOWS_SYNC, RESTART, STORED = 1, 2, 4
UNKNOWN_FLAGS = 0xFF & ~(FOLLOWS_SYNC | RESTART | STORED)


def frame_header(segment, offset):
    """The frame header at `offset`, or None when there is none with a right CRC and possible fields.

    Whether type and flags are understood, and whether the frame lies within the file, is for the caller to say.
    """
    if offset + FRAME.size > len(segment.data):
        return None
    values = FRAME.unpack_from(segment.data, offset)
    header = FrameHeader(*values)._replace(count=int.from_bytes(values[6], "little"))
    if header.type == 0 or header.count == 0 or header.zero:
        return None
    place = segment.header.salt + struct.pack("<IQ", segment.id, offset)
    return header if header.crc == zlib.crc32(place + segment.data[offset + 4:offset + FRAME.size]) else None


class Walk:
    """The valid frames of a segment from its beginning, to `limit` when somebody says that it ends there, or to its `last`
    sequence.

    `frames`, of a block those that it was made of; `end`, `chain` and `next_sequence` behind the last of them; `stop`,
    why there are no more; `unsupported`, whether that is because the next frame must be understood and is not.
    """

    def __init__(self, segment, maximum_frame_bytes, limit=None, last=None):
        self.segment, self.maximum, self.limit, self.last = segment, maximum_frame_bytes, limit, last
        self.frames, self.end, self.chain = [], FRAMES, segment.header.crc
        self.next_sequence = segment.header.first_sequence
        self.recorded = segment.header.created
        self.inflater = None  # none at the beginning, and behind a stored frame: only a restart can follow
        self.unsupported = False
        self.stop = None
        while self.stop is None:
            self.stop = self.step()

    def step(self):
        """Read the frame at `end`. Returns why it is not valid, or None when it was."""
        data, offset = self.segment.data, self.end
        if offset == self.limit:
            return "the %s says that it ends here" % ("trailer" if self.segment.packed else "next segment")
        if self.last is not None and self.next_sequence > self.last:
            return "the next segment begins with the next sequence"
        if offset >= len(data):
            return "end of the file"
        header = frame_header(self.segment, offset)
        if header is None:
            return "zeros" if not data[offset:offset + FRAME.size].strip(b"\0") else "no valid frame header"
        gap = self.gap(header)
        if gap:
            return gap
        behind = offset + FRAME.size + header.stored_length
        if behind > len(data):
            return "the frame does not lie within the file"
        known = LOST if self.segment.packed else EVENTS
        if known < header.type < FIRST_OPTIONAL_TYPE or header.flags & UNKNOWN_FLAGS:
            self.unsupported = True
            return "frame type %d with flags 0x%04x is not known" % (header.type, header.flags)
        if self.segment.packed and not header.flags & RESTART:
            return "a frame of a packed segment that does not restart"
        if header.type == LOST and header.raw_length:
            return "a lost frame with a payload"
        end = (behind + 7) & ~7
        if self.limit is not None and end > self.limit:
            return "the frame passes the end of the segment"
        if header.raw_length > self.maximum:
            return "the payload is longer than maximum_frame_bytes"
        try:
            delta, start = payload.varint(data, offset + FRAME.size, behind)
        except payload.Malformed as error:
            return "recorded time: %s" % error
        raw = self.inflate(header, data[start:behind])
        if raw is None:
            return "the payload does not inflate to its length"
        crc = zlib.crc32(data[start:behind], zlib.crc32(raw))
        if zlib.crc32(data[offset + FRAME.size:start], crc) != header.payload_crc:
            return "the payload CRC is wrong"
        recorded = delta + (self.segment.header.created if header.flags & RESTART else self.recorded)
        if recorded < self.recorded:
            return "the recorded time runs backwards"
        if recorded > canonical_json.LAST_TIME:
            return "recorded time after the year 9999"
        if header.type == PACKED and self.segment.packed:
            try:
                frames = block_frames(offset, header, self.next_sequence, recorded, raw, end)
            except payload.Malformed as error:
                return "block: %s" % error
            if frames[-1].recorded > canonical_json.LAST_TIME:
                return "recorded time after the year 9999"
        else:
            frames = [Frame(offset, header, self.next_sequence, recorded, raw, end)]
        self.frames += frames
        self.end, self.chain, self.recorded = end, header.crc, frames[-1].recorded
        self.next_sequence += header.count
        return None

    def gap(self, header):
        """Why a frame with this header does not continue the last one, or None when it does."""
        if header.previous != self.chain:
            return "the frame does not continue the one before it"
        if self.segment.header.first_sequence + header.sequence_offset != self.next_sequence:
            return "the frame's first sequence is not the next one"
        return None

    def inflate(self, header, data):
        """The raw payload, or None."""
        if header.flags & STORED:
            self.inflater = None
            return data if header.flags & RESTART and len(data) == header.raw_length else None
        if header.flags & RESTART:
            self.inflater = zlib.decompressobj(-15)
        return inflate(self.inflater, data, header.raw_length) if self.inflater else None


# ---------------------------------------------------------------- Packed segments

INDEX_ENTRY, TRAILER = struct.Struct("<QQqII"), struct.Struct("<8sQIIQQIIII")
Footer = namedtuple("Footer", "index entries last_sequence end chain own_chain nodes")


def block_frames(offset, header, sequence, recorded, raw, end):
    """The frames that a block was made of. Raises payload.Malformed."""
    number, at = payload.varint(raw, 0, len(raw))
    groups = []
    for _ in range(number):
        group = []
        for _ in range(3):
            value, at = payload.varint(raw, at, len(raw))
            group.append(value)
        groups.append(group)
    if not groups or groups[0][0] or any(not count or not length for _, count, length in groups):
        raise payload.Malformed("a group that cannot be")
    if (sum(group[1] for group in groups), sum(group[2] for group in groups)) != (header.count, len(raw) - at):
        raise payload.Malformed("the groups do not fit the frame")
    frames = []
    for delta, count, length in groups:
        recorded += delta
        part = header._replace(type=EVENTS, count=count, raw_length=length)
        frames.append(Frame(offset, part, sequence, recorded, raw[at:at + length], end))
        sequence, at = sequence + count, at + length
    return frames


def packed_footer(segment):
    """Index, nodes and trailer of a packed segment, or None when they are damaged."""
    data, at = segment.data, len(segment.data) - TRAILER.size
    if at < FRAMES:
        return None
    magic, index, number, crc, last, end, chain, own, node_number, trailer_crc = TRAILER.unpack_from(data, at)
    place = segment.header.salt + struct.pack("<IQ", segment.header.id, at)
    if magic != b"\x89AJI\r\n\x1a\n" or trailer_crc != zlib.crc32(place + data[at:at + TRAILER.size - 4]):
        return None
    index_end = index + number * INDEX_ENTRY.size
    if index < FRAMES or index_end + node_number * erasure.NODE.size != at or zlib.crc32(data[index:at]) != crc:
        return None
    entries = list(INDEX_ENTRY.iter_unpack(data[index:index_end]))
    if last >= BOUND or end >= BOUND or any(entry[1] >= BOUND for entry in entries):
        return None
    nodes = erasure.nodes(data[index_end:at])
    if nodes is None or nodes and not segment.erased:
        return None
    return Footer(index, entries, last, end, chain, own, nodes)


def packed_walk(segment, maximum_frame_bytes, successor):
    """(The walk of a packed segment, whether its footer is right). Without one it ends where the next segment begins."""
    if segment.footer is None:
        return Walk(segment, maximum_frame_bytes, last=successor.header.first_sequence - 1), False
    footer = segment.footer
    walk = Walk(segment, maximum_frame_bytes, footer.index)
    if walk.unsupported:
        return walk, True
    if (walk.end, walk.chain, walk.next_sequence - 1) != (footer.index, footer.own_chain, footer.last_sequence):
        raise Damaged(segment.file, walk.end, "%s, but the trailer says that it ends at %d" % (walk.stop, footer.index))
    blocks = []
    for frame in walk.frames:
        if not blocks or blocks[-1][0] != frame.offset:
            blocks.append((frame.offset, frame.first_sequence, frame.recorded, frame.header.previous, 0))
    if blocks != footer.entries:
        raise Damaged(segment.file, footer.index, "the index is not that of the frames")
    return walk, True


def complete(segment, maximum_frame_bytes):
    """Whether a packed segment is whole by itself."""
    try:
        return segment.footer is not None and not packed_walk(segment, maximum_frame_bytes, None)[0].unsupported
    except Damaged:
        return False


def one_of_each(segments, maximum_frame_bytes, notes):
    """Of segments with the same original id, in order, the one that serves."""
    serving = {}
    for segment in reversed(segments):
        others = [other for other in segments if other.header.original_id == segment.header.original_id]
        if segment.header.original_id in serving:
            notes.append("%s: replaced by %s" % (segment.file, serving[segment.header.original_id].file))
        elif segment is others[0] or complete(segment, maximum_frame_bytes):
            serving[segment.header.original_id] = segment
        else:
            notes.append("%s: damaged; what it replaces serves" % segment.file)
    return [segment for segment in segments if serving[segment.header.original_id] is segment]


# ---------------------------------------------------------------- Order of segments, and where each ends

Log = namedtuple("Log", "walks ending notes")  # ending: where and why the log ends; notes: what is to be reported


def read_segments(directory):
    try:
        names = os.listdir(os.path.join(directory, "log"))
    except (FileNotFoundError, NotADirectoryError):
        names = []
    segments = [Segment(directory, name) for name in names if SEGMENT_NAME.fullmatch(name)]
    return sorted(segments, key=lambda segment: (
        segment.name_sequence, segment.header.original_id if segment.header else segment.id, segment.id))


class Passed:
    """A segment that was not read, because a snapshot covers all that it holds."""

    frames, unsupported = (), False

    def __init__(self, segment):
        self.segment = segment


def read_log(directory, identity, covered=0, whole=True):
    """The log. With `covered`, the last sequence of a snapshot, it may begin behind that; unless it is read `whole`, the
    segments that hold nothing behind are passed over."""
    # The lock comes first: a writer that goes on meanwhile makes the log outgrow the record, never fall short of it.
    lock = read_file(directory, "lock")
    segments = read_segments(directory)
    for segment in segments:
        segment.check(identity.journal)
    notes = []
    segments = one_of_each(segments, identity.maximum_frame_bytes, notes)
    walks = []
    for segment, successor in zip(segments, segments[1:] + [None]):
        check_predecessor(segment, walks[-1] if walks else None, covered)
        if successor and not whole and successor.header.first_sequence <= covered + 1:
            walks.append(Passed(segment))
            continue
        if segment.packed:
            if successor is None:
                raise Damaged(segment.file, 0, "it is packed, and so not the last: what came behind it is missing")
            walk, indexed = packed_walk(segment, identity.maximum_frame_bytes, successor)
            if not indexed:
                notes.append("%s: the index is damaged; the frames were found without it" % segment.file)
        else:
            limit = successor.header.predecessor_end if successor else None
            walk = Walk(segment, identity.maximum_frame_bytes, limit)
        if walk.unsupported:
            raise Unsupported("%s:%d: %s" % (segment.file, walk.end, walk.stop))
        walks.append(walk)
    record, unreadable = clean_close_record(lock)
    if unreadable:
        notes.append("lock: the clean-close record is unreadable: %s" % unreadable)
    return Log(walks, log_end(walks, record), notes)


def check_predecessor(segment, before, covered):
    """Check what a segment says of its predecessor; `before` is the walk of the segment before it, if any, and `covered` the
    last sequence that need not be in the log."""
    header = segment.header
    if header.predecessor == 0:
        if before or header.first_sequence != 1 or header.predecessor_chain or header.predecessor_last \
                or header.predecessor_end:
            raise Damaged(segment.file, 88, "no predecessor, but not the first segment of a journal")
    elif before is None:
        if not covered or header.first_sequence > covered + 1:
            raise Damaged(segment.file, 88, "its predecessor, segment %d, is missing: dropped or lost, the log begins with "
                          "sequence %d, and what there was cannot be had from it, nor from a snapshot" %
                          (header.predecessor, header.first_sequence))
    elif before.segment.header.original_id != header.predecessor:
        raise Damaged(segment.file, 88, "its predecessor, segment %d, is missing" % header.predecessor)
    elif isinstance(before, Passed):
        if header.first_sequence != header.predecessor_last + 1:
            raise Damaged(segment.file, 32, "first sequence is not the predecessor's last plus one")
    else:
        end, chain, footer = before.end, before.chain, before.segment.footer
        if before.segment.packed:
            end, chain = (footer.end, footer.chain) if footer else (header.predecessor_end, header.predecessor_chain)
        if end != header.predecessor_end:
            raise Damaged(before.segment.file, before.end,
                          "%s, but the next segment says that it ends at %d" % (before.stop, header.predecessor_end))
        if (chain, before.next_sequence - 1) != (header.predecessor_chain, header.predecessor_last):
            raise Damaged(before.segment.file, before.end, "it does not end as the next segment says")
        if header.first_sequence != before.next_sequence:
            raise Damaged(segment.file, 32, "first sequence is not the predecessor's last plus one")


# ---------------------------------------------------------------- Where the log ends: torn or damaged

def check_floor(log, floor):
    """Whether what the log does not begin with was let go. `floor`: as the snapshot and the events behind it say."""
    segment = log.walks[0].segment
    header = segment.header
    if header.predecessor and floor < max(1, header.first_sequence - 1):
        raise Damaged(segment.file, 88, "its predecessor, segment %d, is missing: the log begins with sequence %d, and "
                      "history was let go only up to %d" % (header.predecessor, header.first_sequence, floor))


def log_end(walks, record):
    """Where the log ends and why, in words. Raises Damaged by the table of the document."""
    if not walks:
        raise Damaged("log", 0, "there is no segment, and a journal always has one")
    walk = walks[-1]
    file, x = walk.segment.file, walk.end
    promise = later_promise(walk)
    if promise is not None:
        raise Damaged(file, x, "%s, but the frame at %d follows a sync" % (walk.stop, promise))
    if record and record.segment == walk.segment.id:
        if (record.end, record.chain) == (x, walk.chain):
            return "clean: the log ends at %s:%d (0x%x)" % (file, x, x)
        if record.end >= x:
            raise Damaged(file, x, "%s, but the log was closed at %d" % (walk.stop, record.end))
    elif record and record.segment > walk.segment.id:
        raise Damaged(file, x, "it was the last, but the log was closed with segment %d" % record.segment)
    return "torn tail: the log ends at %s:%d (0x%x): %s" % (file, x, x, walk.stop)


def later_promise(walk):
    """The offset of the first frame header behind the end that says that everything before it was durable, or None.

    One right at the end counts when it does not continue the frame before it.
    """
    segment = walk.segment
    nonzero = len(segment.data.rstrip(b"\0"))  # no such header's flags lie in the zeros at the end
    for offset in range(walk.end, nonzero - 28, 8):
        if segment.data[offset + 28] & FOLLOWS_SYNC:
            header = frame_header(segment, offset)
            if header and (offset > walk.end or walk.gap(header)):
                return offset
    return None


# ---------------------------------------------------------------- lock

LOCK_SIZE, MARK = 4096, 3584
RECORD = struct.Struct("<IIQQq16s")
CleanClose = namedtuple("CleanClose", "segment chain end last_sequence time zeros")


def clean_close_record(page):
    """(record or None, why it is unreadable or None)."""
    if page is None or len(page) < LOCK_SIZE:
        return None, None
    mark, = struct.unpack_from("<Q", page, MARK)
    if mark == 0:
        return None, None
    body = page[MARK + 8:MARK + 8 + RECORD.size]
    if mark != (1 << 32) + zlib.crc32(body):
        return None, "its CRC is wrong"
    record = CleanClose(*RECORD.unpack(body))
    if record.end >= BOUND or record.last_sequence >= BOUND:
        return None, "no journal is so long"
    return record, None
