"""docs/format.md, "Erased segments": the keys that give each event its salt and its leaf, and the hash of an erased key."""

import bisect
import hmac
import struct
from collections import namedtuple

LEVELS = 32
NODE = struct.Struct("<IB3x32s")
Node = namedtuple("Node", "first level key")


def last_below(node):
    """The number of the last event below a node."""
    return node.first + (1 << LEVELS - node.level) - 1


def nodes(data):
    """The nodes in `data`, or None when they are not such as the document says."""
    found = [Node(*values) for values in NODE.iter_unpack(data)]
    next_number = 0
    for node in found:
        if node.level > LEVELS or node.first < next_number or node.first & (1 << LEVELS - node.level) - 1:
            return None
        next_number = last_below(node) + 1
    return found


def find(found, number):
    """The node that leads to the salt of the event with this number, or None."""
    at = bisect.bisect_right(found, (number, LEVELS + 1)) - 1
    return found[at] if at >= 0 and number <= last_below(found[at]) else None


def digest(key, data):
    return hmac.new(key, data, "sha256").digest()


def salt(found, number):
    """The salt of the event with this number, counted from the segment's first, or None when no node leads to it.

    A segment that is not erased has its secret as the only node: Node(0, 0, secret).
    """
    node = find(found, number)
    if node is None:
        return None
    key = node.key
    for level in range(node.level, LEVELS):
        key = digest(key, bytes([number >> LEVELS - 1 - level & 1]))
    return key


def leaf(salt, recorded, event):
    """The leaf of an event: `event` as it stood in its frame, without tag and length."""
    return digest(salt, struct.pack("<q", recorded) + event)


def key_hash(erasure_key, conversation, idempotency_key):
    return digest(erasure_key, conversation.encode("utf-8") + b"\0" + idempotency_key.encode("utf-8"))[:16]
