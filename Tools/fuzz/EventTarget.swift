import CanonicalJSON
import SegmentLog

@testable import AgentJournal

/// A frame's raw payload: a series of events in protobuf wire format, and the state that they give.
struct EventTarget: Target {
    static let name = "event"

    func run(_ input: [UInt8]) throws {
        var state = State()
        var live: UInt64 = 0
        let recorded: Int64 = 1_700_000_000_000_000
        input.withUnsafeBytes { payload in
            var events = EventIterator(payload)
            var sequence: UInt64 = 0
            do throws(EventProblem) {
                while let bytes = try events.next() {
                    sequence += 1
                    let fields = try EventFields(bytes, at: sequence, inErasedSegment: false)
                    check(fields, bytes)
                    if fields.kind == EventFields.Kind.added { live += 1 }
                    try state.apply(bytes, sequence: sequence, recordedMicroseconds: recorded)
                    expect(state.lastSequence == sequence, "an event that is applied is the last")
                }
            } catch {
                return
            }
        }
        try checkExport(state, adds: live)
    }

    /// What an event says is said by what the encoder makes of it.
    private func check(_ fields: EventFields, _ bytes: UnsafeRawBufferPointer) {
        let event = Event(fields, bytes, sequence: 7, recordedMicroseconds: 9)
        guard let encoded = encode(event, isTimed: fields.timestampMicroseconds != nil) else { return }
        encoded.withBody { body in
            let again = EventFields(checked: body)
            expectSame(
                Event(again, body, sequence: 7, recordedMicroseconds: 9), event, "decode, encode, decode")
            guard let twice = encode(event, isTimed: again.timestampMicroseconds != nil) else {
                stop("what was encoded once can be encoded again")
            }
            expectSame(twice.bytes, encoded.bytes, "encode is the same each time")
        }
    }

    private func encode(_ event: Event, isTimed: Bool) -> EventEncoder.Encoded? {
        switch event.kind {
        case .added(let memory):
            EventEncoder.added(
                conversation: memory.conversation,
                NewMemory(
                    memory.content, role: memory.role, mimeType: memory.mimeType, metadata: memory.metadata,
                    timestamp: isTimed ? memory.timestamp : nil, idempotencyKey: memory.idempotencyKey),
                replaces: memory.replaces)
        case .forgotten(let target, let conversation):
            EventEncoder.forgotten(conversation: Array(conversation.utf8), target: target)
        case .cleared(let conversation): EventEncoder.cleared(conversation: conversation)
        case .flushed(let label): EventEncoder.flushed(label: label)
        case .historyLetGo(let sequence): EventEncoder.floor(sequence)
        case .erased(let left):
            EventEncoder.erased(
                Tombstone(
                    was: left.kind.number, conversation: left.conversation.map { Array($0.utf8) },
                    target: left.target, leaf: left.leaf, erasure: left.erasure))
        case .erasureDone(let sequence): EventEncoder.erasureDone(through: sequence)
        case .lost(let range): EventEncoder.lost(range)
        // Its key is not the event's to tell.
        case .erasureBegun: nil
        case .unknown: nil
        }
    }

    private func checkExport(_ state: State, adds: UInt64) throws {
        let view = JournalView(state)
        var lines: UInt64 = 0
        try view.export { piece in lines += UInt64(piece.count { $0 == UInt8(ascii: "\n") }) }
        let count = try view.count
        expect(count <= adds, "no more memories than adds")
        expect(lines >= count, "each memory is a line")
        expectSame(try view.digest(), try view.digest(), "a digest is the same each time")
    }

    func seeds() throws -> [String: [UInt8]] {
        var seeds: [String: [UInt8]] = [:]
        for name in ["one-memory", "shapes", "compacted"] {
            for (path, bytes) in try Golden.files(name) where path.hasSuffix(".segment") {
                for (number, payload) in try Frames(bytes).payloads.prefix(12).enumerated()
                where payload.count < 2048 {
                    let segment = path.dropFirst("log/".count + 21).dropLast(".segment".count)
                    seeds["\(name)-\(segment)-\(number)"] = payload
                }
            }
        }
        return seeds
    }
}

extension ErasedKind {
    fileprivate var number: UInt64 {
        switch self {
        case .added: EventFields.Kind.added
        case .forgotten: EventFields.Kind.forgotten
        case .cleared: EventFields.Kind.cleared
        case .unknown(let number): number
        }
    }
}

extension EventEncoder {
    /// The event that adds a memory, alone.
    static func added(conversation: String, _ memory: NewMemory, replaces: UInt64? = nil) -> Encoded {
        var bytes: [UInt8] = []
        let bodyOffset = appendAdded(conversation: conversation, memory, replaces: replaces, to: &bytes)
        return Encoded(bytes: bytes, bodyOffset: bodyOffset)
    }
}

extension EventEncoder.Encoded {
    func withBody(_ body: (UnsafeRawBufferPointer) -> Void) {
        bytes.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0[bodyOffset...])) }
    }
}
