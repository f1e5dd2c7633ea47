#!/usr/bin/env python3
"""An independent reader of AgentJournal's format version 1, written from docs/format.md and docs/journal.proto alone.

    format_reader.py export DIR   the canonical export: one line a memory
    format_reader.py digest DIR   the SHA-256 of the export
    format_reader.py events DIR   one line an event, in order of sequence
    format_reader.py dump DIR     headers of segments and frames, where and why the log ends, snapshots; for people

Exit status: 0; 1 when the journal is damaged (and nothing on standard output, but for `dump`); 2 when it is not a
journal, not supported, or cannot be read. It takes no locks and writes nothing: it reads what is there.

canonical_json.py has the section "Canonical JSON", payload.py the protobuf messages, journal_log.py the sections
from "journal.json" to "lock", erasure.py the keys and hashes of "Erased segments", snapshot.py "Tables" and "Snapshots",
and this file "Opening", "State", "Export" and the commands. random_payloads.py compares another reader with this one.
"""

import argparse
import base64
import bisect
import hashlib
import os
import sys
from collections import namedtuple

import canonical_json
import erasure
import journal_log
import payload
import snapshot
from journal_log import Damaged, Unsupported

Event = namedtuple("Event", "sequence recorded fields")


def read_events(log):
    """The events of a log in order of sequence, without those that may be skipped."""
    for walk in log.walks:
        for frame in walk.frames:
            if frame.header.type == journal_log.LOST:
                yield Event(frame.first_sequence, frame.recorded, {
                    "kind": "lost", "first": frame.first_sequence,
                    "target": frame.first_sequence + frame.header.count - 1})
            if frame.header.type != journal_log.EVENTS:
                continue
            # The CRC is right, so what is wrong here was written so: damage, wherever the frame is.
            try:
                events = payload.events(
                    frame.payload, frame.first_sequence, frame.header.count, walk.segment.erased)
            except payload.Malformed as error:
                raise Damaged(walk.segment.file, frame.offset, "payload: %s" % error) from None
            except payload.NotUnderstood as error:
                raise Unsupported("%s:%d: %s is not known" % (walk.segment.file, frame.offset, error)) from None
            for sequence, fields in enumerate(events, frame.first_sequence):
                if fields is not None:
                    yield Event(sequence, frame.recorded, fields)


def open_salts(log, events):
    """The erased events whose salts can still be had, as notes."""
    segments = [walk.segment for walk in log.walks]
    firsts = [segment.header.first_sequence for segment in segments]
    for event in events:
        if event.fields["kind"] == "erased":
            at = bisect.bisect_right(firsts, event.sequence) - 1
            footer = segments[at].footer
            if footer and erasure.find(footer.nodes, event.sequence - firsts[at]):
                yield "%s: a node leads to event %d, which is erased" % (segments[at].file, event.sequence)


def known_losses(events):
    """What a repair recorded as lost, by frames and events: (first, last) in order, none within or next to another."""
    found = [(event.fields["first"], event.fields["target"]) for event in events if event.fields["kind"] == "lost"]
    merged = []
    for first, last in sorted(found):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = merged[-1][0], max(merged[-1][1], last)
        else:
            merged.append((first, last))
    return merged


# ---------------------------------------------------------------- Opening

def open_journal(directory, whole):
    """What `open_once` gives. When files come and go meanwhile, what is missing may have been replaced: then once more."""
    while True:
        before = file_names(directory)
        try:
            return open_once(directory, whole)
        except Damaged:
            if file_names(directory) == before:
                raise


def file_names(directory):
    return sorted(os.path.join(folder, name) for folder, _, names in os.walk(directory) for name in names)


def open_once(directory, whole):
    """(The newest snapshot that can be read, or None; the log; its events behind the snapshot, or all that it holds when
    it is read `whole`; what is to be reported)."""
    identity = journal_log.read_identity(directory)
    notes = []
    # The snapshots come first: a writer that goes on meanwhile makes the log longer, never shorter.
    base = snapshot.newest(directory, identity.journal, notes)
    covered = base.sequence if base else 0
    log = journal_log.read_log(directory, identity, covered, whole)
    last = log.walks[-1].next_sequence - 1
    if covered > last:
        raise Damaged(base.file, 32, "it covers sequence %d, and the log ends with %d: the end of the log is missing" % (
            covered, last))
    events = list(read_events(log))
    floors = [event.fields["target"] for event in events if event.sequence > covered and event.fields["kind"] == "floor"]
    journal_log.check_floor(log, max([base.floor if base else 0] + floors))
    notes += log.notes + list(open_salts(log, events))
    notes += ["known loss: sequences %d to %d" % loss for loss in known_losses(events)]
    if not whole:
        events = [event for event in events if event.sequence > covered]
    return base, log, events, notes


# ---------------------------------------------------------------- State

def state(base, events):
    """The memories there are: {conversation: {sequence: event}}."""
    conversations, home = {}, {}
    # What a snapshot covers and what was forgotten up to there, it has not any more.
    covered, erased = (base.sequence, base.erased) if base else (0, 0)
    for memory in base.memories if base else ():
        event = Event(memory.sequence, memory.recorded, memory.fields)
        conversations.setdefault(memory.conversation, {})[memory.sequence] = event
        home[memory.sequence] = memory.conversation
    for event in events:
        kind, conversation = event.fields["kind"], event.fields.get("conversation")
        if kind == "added":
            conversations.setdefault(conversation, {})[event.sequence] = event
            home[event.sequence] = conversation
        elif kind == "forgotten":
            target = event.fields["target"]
            if event.sequence > erased or target > covered:
                conversations.get(home.get(target), {}).pop(target, None)
        elif kind == "cleared":
            conversations.pop(conversation, None)
    return conversations


# ---------------------------------------------------------------- Export

def members(event):
    """The members that a memory's line and its event's line have in common."""
    fields = event.fields

    def string(name):
        return canonical_json.string(fields[name]) if name in fields else None

    base64_data = base64.b64encode(fields["data"]).decode("ascii") if "data" in fields else None
    return {
        "content": fields.get("json", string("text")),
        "content_base64": None if base64_data is None else canonical_json.string(base64_data),
        "conversation": string("conversation"),
        "idempotency_key": string("idempotency_key"),
        "metadata": fields.get("metadata"),
        "mime_type": string("mime_type"),
        "role": string("role"),
        "sequence": b"%d" % event.sequence,
    }


def time_string(microseconds):
    return canonical_json.string(canonical_json.time(microseconds))


def export(base, events):
    conversations = state(base, events)
    lines = []
    for conversation in sorted(conversations, key=lambda name: name.encode("utf-8")):
        for _, event in sorted(conversations[conversation].items()):
            timestamp = event.fields.get("timestamp", event.recorded)
            lines.append(canonical_json.object_line(dict(members(event), timestamp=time_string(timestamp))))
    return b"".join(lines)


# ---------------------------------------------------------------- events

NUMBERS = ("erasure", "first", "target")
WAS = {code: canonical_json.string(payload.KINDS[code]) for code in (1, 2, 3)}


def event_lines(events):
    lines = []
    for event in events:
        fields = event.fields
        numbers = {name: b"%d" % fields[name] for name in NUMBERS if name in fields}
        lines.append(canonical_json.object_line(dict(
            members(event),
            kind=canonical_json.string(fields["kind"]),
            label=canonical_json.string(fields["label"]) if "label" in fields else None,
            recorded=time_string(event.recorded),
            leaf=canonical_json.string(fields["leaf"].hex()) if "leaf" in fields else None,
            timestamp=time_string(fields["timestamp"]) if "timestamp" in fields else None,
            was=WAS.get(fields["was"], b'"unknown"') if "was" in fields else None,
            **numbers,
        )))
    return b"".join(lines)


# ---------------------------------------------------------------- dump

def dump(directory):
    """Lines for people. Damage is told, and never stops it."""
    try:
        identity = journal_log.read_identity(directory)
        yield "journal %s, frames of at most %d bytes" % (identity.journal.hex(), identity.maximum_frame_bytes)
    except (Damaged, Unsupported) as error:
        identity = None
        yield str(error)
    maximum = identity.maximum_frame_bytes if identity else (1 << 32) - 1
    segments = journal_log.read_segments(directory)
    for segment, successor in zip(segments, segments[1:] + [None]):
        yield ""
        yield "%s, 0x%x bytes; header copies: %s" % (segment.file, len(segment.data), ", ".join(
            "valid" if copy else "not valid" for copy in segment.copies))
        header = segment.header
        if header is None:
            continue
        yield ("  header 0x%08x version %d minimum-reader %d id %d original %d journal %s first-sequence %d created %s "
               "flags 0x%x" % (header.crc, header.version, header.minimum_reader, header.id, header.original_id,
                               header.journal.hex(), header.first_sequence, show_time(header.created), header.flags))
        if segment.packed:
            footer = segment.footer
            yield "  %s, replaces %d; %s" % ("erased" if segment.erased else "packed", header.replaced_id, (
                "index damaged" if footer is None else
                "index 0x%x of %d frames, last sequence %d, was 0x%x long with chain 0x%08x" % (
                    footer.index, len(footer.entries), footer.last_sequence, footer.end, footer.chain)))
            for node in footer.nodes if footer else ():
                yield "  node of events %d..%d" % (
                    header.first_sequence + node.first, header.first_sequence + erasure.last_below(node))
        yield "  predecessor %d end 0x%x chain 0x%08x last-sequence %d" % (
            header.predecessor, header.predecessor_end, header.predecessor_chain, header.predecessor_last)
        vouched = None
        if successor and successor.header and not segment.packed:
            vouched = successor.header.predecessor_end
        walk = journal_log.Walk(segment, maximum, segment.footer.index if segment.footer else None)
        for frame in walk.frames:
            yield "  " + frame_line(frame, vouched)
        yield "  0x%06x %s" % (walk.end, walk.stop)
    yield ""
    if identity is None:
        return
    for sequence, file in snapshot.names(directory):
        try:
            yield snapshot_line(snapshot.read(directory, sequence, file, identity.journal))
        except (Damaged, Unsupported) as error:
            yield str(error)
    try:
        _, log, _, notes = open_journal(directory, whole=True)
        for note in notes:
            yield note
        yield "%s, last sequence %d" % (log.ending, log.walks[-1].next_sequence - 1)
    except (Damaged, Unsupported) as error:
        yield str(error)


def snapshot_line(found):
    erased = "" if found.erasure_key is None else " erased up to %d, %d erased keys, %d erased adds;" % (
        found.erased, len(found.erased_keys), len(found.erased_adds))
    return "%s, 0x%x bytes, %d blocks: %d memories in %d conversations, %d keys, %d labels, %d adds; floor %d;%s last event " \
        "recorded %s" % (found.file, len(found.table.data), found.table.blocks, len(found.memories),
                         len(found.conversations), len(found.keys), len(found.labels), len(found.added), found.floor,
                         erased, show_time(found.recorded))


def show_time(microseconds):
    if canonical_json.FIRST_TIME <= microseconds <= canonical_json.LAST_TIME:
        return canonical_json.time(microseconds)
    return "%d microseconds" % microseconds


def frame_line(frame, vouched):
    header = frame.header
    names = ((journal_log.FOLLOWS_SYNC, "followsSync"), (journal_log.RESTART, "restart"),
             (journal_log.STORED, "stored"))
    flags = [name for bit, name in names if header.flags & bit]
    if header.flags & 0xFF00:
        flags.append("0x%04x" % (header.flags & 0xFF00))
    return "0x%06x frame 0x%08x previous 0x%08x type %d events %d..%d stored %d raw %d recorded %s [%s]%s" % (
        frame.offset, header.crc, header.previous, header.type, frame.first_sequence,
        frame.first_sequence + header.count - 1, header.stored_length, header.raw_length, show_time(frame.recorded),
        " ".join(flags), " not replayed: beyond the vouched end" if vouched is not None and frame.end > vouched else "")


# ---------------------------------------------------------------- Commands

def run(command, directory):
    """(bytes for standard output, what is to be reported)."""
    if not os.path.isdir(directory):
        raise Unsupported("not a journal: there is no such directory")
    if command == "dump":
        return "".join(line + "\n" for line in dump(directory)).encode("utf-8"), []
    base, log, events, notes = open_journal(directory, whole=command == "events")
    if command == "events":
        first = log.walks[0].segment.header.first_sequence
        if first > 1:
            notes.append("history up to sequence %d was let go" % (first - 1))
        return event_lines(events), notes
    lines = export(base, events)
    if command == "digest":
        return hashlib.sha256(lines).hexdigest().encode("ascii") + b"\n", notes
    return lines, notes


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Reads an AgentJournal journal, format version 1.")
    parser.add_argument("command", choices=["export", "events", "digest", "dump"])
    parser.add_argument("directory", metavar="DIR")
    options = parser.parse_args(arguments)
    try:
        output, notes = run(options.command, options.directory)
    except Damaged as error:
        print(error, file=sys.stderr)
        return 1
    except (Unsupported, OSError) as error:
        print("format_reader: %s" % error, file=sys.stderr)
        return 2
    for note in notes:
        print("note: %s" % note, file=sys.stderr)
    try:
        sys.stdout.buffer.write(output)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


if __name__ == "__main__":
    sys.exit(main())
