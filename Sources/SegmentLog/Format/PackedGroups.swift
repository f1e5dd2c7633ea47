/// The payload of a packed frame: the events of many frames, and from which frame each was.
///
///     number of groups              varint, from 1
///     a group                       so often:
///         recorded                  varint, microseconds since the group before; 0 for the first
///         number of events          varint, from 1
///         length of the events      varint, from 1
///     the events of all groups      up to the end
///
/// The events stand together behind the groups, because text that goes on undisturbed deflates better.
struct PackedGroups {
    /// Events of one recorded time that stood in one frame or in adjacent ones.
    struct Group {
        var eventCount: UInt32
        var recordedMicroseconds: Int64
        /// Where the events are: first only how many bytes, counted from 0, then within the payload.
        var bytes: Range<Int>
    }

    private(set) var groups: [Group] = []
    private var taken = 0

    /// Whether there are groups that were not taken yet.
    var hasMore: Bool { taken < groups.count }

    /// The next group in order.
    mutating func take() -> Group {
        defer { taken += 1 }
        return groups[taken]
    }

    mutating func removeAll() {
        groups.removeAll(keepingCapacity: true)
        taken = 0
    }

    /// Reads the groups of a payload, in place of those before.
    ///
    /// - Returns: what is wrong with them; nil when nothing is.
    mutating func read(_ payload: UnsafeRawBufferPointer, eventCount: UInt32, recorded: Int64) -> String? {
        removeAll()
        let problem = parse(payload, eventCount: UInt64(eventCount), recorded: recorded)
        if problem != nil { removeAll() }
        return problem
    }

    private mutating func parse(
        _ payload: UnsafeRawBufferPointer, eventCount: UInt64, recorded: Int64
    ) -> String? {
        var at = 0
        // A group takes at least three bytes of table and one of events: so what is allocated is bounded by what is there.
        guard let number = Varint.read(payload, &at), number > 0, number <= UInt64(payload.count / 4) else {
            return "the block says of no group, or of more than fit into it"
        }
        var time = recorded
        var events: UInt64 = 0
        var length = 0
        for index in 0..<number {
            guard let delta = Varint.read(payload, &at), let count = Varint.read(payload, &at),
                let bytes = Varint.read(payload, &at), let next = time.addingDelta(delta)
            else { return "the block's groups are cut off" }
            guard index > 0 || delta == 0, count > 0, count <= eventCount - events, bytes > 0,
                bytes <= UInt64(payload.count - length)
            else { return "the block's groups do not fit its header" }
            time = next
            events += count
            let end = length + Int(bytes)
            groups.append(
                Group(eventCount: UInt32(count), recordedMicroseconds: time, bytes: length..<end))
            length = end
        }
        guard events == eventCount, payload.count - at == length else {
            return "the block's groups do not fit its header"
        }
        for index in groups.indices {
            let bytes = groups[index].bytes
            groups[index].bytes = (at + bytes.lowerBound)..<(at + bytes.upperBound)
        }
        return nil
    }

    // MARK: Writing

    /// Adds events to the last group, or to a new one when their time is another.
    mutating func add(eventCount: UInt32, lengthBytes: Int, recordedMicroseconds: Int64) {
        let start = groups.last?.bytes.upperBound ?? 0
        if let last = groups.indices.last, groups[last].recordedMicroseconds == recordedMicroseconds {
            groups[last].eventCount += eventCount
            groups[last].bytes = groups[last].bytes.lowerBound..<(start + lengthBytes)
        } else {
            groups.append(
                Group(
                    eventCount: eventCount, recordedMicroseconds: recordedMicroseconds,
                    bytes: start..<(start + lengthBytes)))
        }
    }

    /// An upper bound of the bytes that one more group takes in the table of a block of at most 64 KiB.
    static let largestGroupBytes = Varint.maximumLength + 3 + 3

    /// Appends the table to `output`; the events follow.
    func encode(into output: inout RawBuffer) {
        func append(_ value: UInt64) {
            let length = Varint.write(value, into: output.reserve(Varint.maximumLength))
            output.grow(by: length)
        }
        append(UInt64(groups.count))
        var before = groups[0].recordedMicroseconds
        for group in groups {
            append(UInt64(group.recordedMicroseconds - before))
            append(UInt64(group.eventCount))
            append(UInt64(group.bytes.count))
            before = group.recordedMicroseconds
        }
    }
}

extension Int64 {
    /// Nil when the sum does not fit.
    func addingDelta(_ delta: UInt64) -> Int64? {
        guard delta <= UInt64(Int64.max) else { return nil }
        let (sum, overflow) = addingReportingOverflow(Int64(delta))
        return overflow ? nil : sum
    }
}
