/// Rewrites the events of a segment, and remembers whose salts go with that.
package struct EventRewriter: ~Copyable {
    /// An event as it stands.
    package struct Found {
        package var bytes: UnsafeRawBufferPointer
        package var sequence: UInt64
        package var recordedMicroseconds: Int64
    }

    /// What takes an event's place; nil keeps it. `leaf` gives the event's leaf: 32 bytes. Where a repair lost the salt, it is one
    /// under a salt that nobody keeps.
    package typealias Body = (_ event: Found, _ leaf: () -> [UInt8]) throws(LogError) ->
        [UInt8]?

    private let body: Body
    private let firstSequence: UInt64
    private var walk: SaltWalk
    /// The numbers of the events that were replaced, in order.
    private(set) var replaced: [UInt32] = []

    init(_ entry: CatalogEntry, _ salts: EventSalts, _ body: @escaping Body) {
        self.body = body
        firstSequence = entry.header.firstSequence
        walk = SaltWalk(salts)
    }

    /// The payload that takes the place of a frame's; nil when nothing in it changes, or it is no series of events.
    mutating func rewrite(
        _ frame: FrameCursor.Frame, _ payload: UnsafeRawBufferPointer
    ) throws(LogError) -> [UInt8]? {
        guard frame.header.type == FrameHeader.eventsType,
            BlockPacker.isSeries(payload, of: frame.header.eventCount)
        else { return nil }
        var output: [UInt8]?
        /// Up to here the payload is in the output.
        var copied = 0
        var at = 0
        var sequence = frame.firstSequence
        while at < payload.count {
            let start = at
            at += 1
            let length = Int(Varint.read(payload, &at)!)
            let event = Found(
                bytes: UnsafeRawBufferPointer(rebasing: payload[at..<(at + length)]), sequence: sequence,
                recordedMicroseconds: frame.recordedMicroseconds)
            at += length
            if let new = try rewrite(event) {
                if output == nil { output = [] }
                output!.append(contentsOf: payload[copied..<start])
                output!.append(payload[start])
                withUnsafeTemporaryAllocation(byteCount: Varint.maximumLength, alignment: 1) { place in
                    let count = Varint.write(UInt64(new.count), into: place)
                    output!.append(contentsOf: place[..<count])
                }
                output!.append(contentsOf: new)
                copied = at
            }
            sequence += 1
        }
        if output != nil { output!.append(contentsOf: payload[copied...]) }
        return output
    }

    private mutating func rewrite(_ event: Found) throws(LogError) -> [UInt8]? {
        let number = UInt32(event.sequence - firstSequence)
        var walk = walk
        let new = try body(event) {
            walk.leaf(of: number, event.bytes, recordedMicroseconds: event.recordedMicroseconds)
                ?? SaltWalk.leaf(
                    event.bytes, recordedMicroseconds: event.recordedMicroseconds, SaltWalk.randomSalt())
        }
        guard let new else { return nil }
        self.walk = walk
        replaced.append(number)
        return new
    }
}
