import SegmentLog

/// What one caller wants appended, encoded on the caller's thread.
struct Append: Sendable {
    /// Memories to be added, encoded one behind the other.
    struct Additions: Sendable {
        struct Item: Sendable {
            var conversation: String
            /// Where among the bytes its event is, and of that the body, which is its end.
            var event: Range<Int>
            var body: Range<Int>
            var key: [UInt8]?

            /// Encodes a memory behind what is there.
            init(_ conversation: String, _ memory: NewMemory, replaces: UInt64? = nil, to raw: inout [UInt8])
            {
                let start = raw.count
                let body = EventEncoder.appendAdded(
                    conversation: conversation, memory, replaces: replaces, to: &raw)
                self.conversation = conversation
                event = start..<raw.count
                self.body = body..<raw.count
                key = memory.idempotencyKey.map { Array($0.utf8) }
            }
        }

        var items: [Item]
        /// The events; compressed already when large.
        var events: EncodedEvents

        /// Few memories are longer.
        private static let usualBytes = 256

        /// One memory, which the journal takes.
        init(_ memory: NewMemory, to conversation: String, replaces: UInt64? = nil) {
            var raw: [UInt8] = []
            raw.reserveCapacity(EventEncoder.room(conversation: conversation, memory))
            items = [Item(conversation, memory, replaces: replaces, to: &raw)]
            events = EncodedEvents(raw: raw, count: 1)
        }

        /// At least one, checked one after the other.
        init(_ memories: [(conversation: String, memory: NewMemory)], _ limits: Limits) throws(JournalError) {
            var raw: [UInt8] = []
            raw.reserveCapacity(memories.count * Additions.usualBytes)
            items = []
            items.reserveCapacity(memories.count)
            for (conversation, memory) in memories {
                try limits.check(memory, in: conversation)
                items.append(Item(conversation, memory, to: &raw))
            }
            events = EncodedEvents(raw: raw, count: items.count)
        }

        /// Calls with the body of one of them.
        func withBody<R>(_ item: Item, _ body: (UnsafeRawBufferPointer) -> R) -> R {
            events.raw.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0[item.body])) }
        }
    }

    enum Action: Sendable {
        /// `expecting`: the conversation's last event must have this sequence.
        case add(Additions, expecting: UInt64?)
        case forget([UInt64])
        /// In a conversation, where the caller says in which.
        case replace(UInt64, NewMemory, in: String?)
        /// Whatever needs no look at the state: clear, flush.
        case record(EventEncoder.Encoded)
    }

    var action: Action
    /// At least the bytes of payload that will be appended; none when there is nothing to append.
    var rawBytes: Int

    /// The events of appends that only add; nil where there is another among them.
    static func additions(_ appends: [Append]) -> [EncodedEvents]? {
        var events: [EncodedEvents] = []
        events.reserveCapacity(appends.count)
        for append in appends {
            guard case .add(let additions, _) = append.action else { return nil }
            events.append(additions.events)
        }
        return events
    }

    /// Room for an event that names a conversation and a sequence.
    static let smallEventBytes = 560

    static func add(
        _ memories: [(conversation: String, memory: NewMemory)], expecting: UInt64?, limits: Limits
    ) throws(JournalError) -> Append {
        guard memories.count > 1 else {
            // Nothing is what forgetting nothing appends, too.
            guard let only = memories.first else { return Append(action: .forget([]), rawBytes: 0) }
            return try add(only.memory, to: only.conversation, expecting: expecting, limits: limits)
        }
        var additions = try Additions(memories, limits)
        try limits.checkBatch(additions.events.raw.count)
        additions.events.compressIfLarge(level: limits.compressionLevel)
        return Append(
            action: .add(additions, expecting: expecting), rawBytes: additions.events.raw.count)
    }

    /// One memory: the most frequent append by far.
    static func add(
        _ memory: NewMemory, to conversation: String, expecting: UInt64?, limits: Limits
    ) throws(JournalError) -> Append {
        try limits.check(memory, in: conversation)
        var additions = Additions(memory, to: conversation)
        try limits.checkBatch(additions.events.raw.count)
        additions.events.compressIfLarge(
            level: limits.compressionLevel, above: EncodedEvents.largeContentBytes, quickly: true)
        return Append(
            action: .add(additions, expecting: expecting), rawBytes: additions.events.raw.count)
    }

    static func forget(_ sequences: [UInt64], limits: Limits) throws(JournalError) -> Append {
        // The names of the conversations are not known yet; they count with their longest.
        try limits.checkBatch(sequences.count * smallEventBytes)
        return Append(action: .forget(sequences), rawBytes: sequences.count * smallEventBytes)
    }

    static func replace(
        _ sequence: UInt64, in conversation: String? = nil, with memory: NewMemory, limits: Limits
    ) throws(JournalError) -> Append {
        try limits.check(memory)
        let bytes = EventEncoder.room(conversation: "", memory)
        return Append(
            action: .replace(sequence, memory, in: conversation), rawBytes: bytes + 2 * smallEventBytes)
    }

    static func clear(_ conversation: String) throws(JournalError) -> Append {
        try NameRules.check(conversation, "conversation's name", maximumBytes: NameRules.conversationBytes)
        return record(EventEncoder.cleared(conversation: conversation))
    }

    static func flush(label: String?) throws(JournalError) -> Append {
        if let label { try NameRules.check(label, "label", maximumBytes: NameRules.labelBytes) }
        return record(EventEncoder.flushed(label: label))
    }

    static func floor(_ sequence: UInt64) -> Append { record(EventEncoder.floor(sequence)) }

    static func erasureBegun(through sequence: UInt64, key: [UInt8]) -> Append {
        record(EventEncoder.erasureBegun(through: sequence, key: key))
    }

    static func erasureDone(through sequence: UInt64) -> Append {
        record(EventEncoder.erasureDone(through: sequence))
    }

    static func lost(_ range: ClosedRange<UInt64>) -> Append { record(EventEncoder.lost(range)) }

    private static func record(_ encoded: EventEncoder.Encoded) -> Append {
        Append(action: .record(encoded), rawBytes: encoded.bytes.count)
    }
}

/// What a journal takes: fixed at creation, but for the level.
struct Limits: Sendable {
    /// Deeper values could not be imported again.
    static let jsonDepth = 256

    var maximumContentBytes: Int
    var maximumFrameBytes: Int
    var compressionLevel: Int32

    func check(_ memory: NewMemory, in conversation: String) throws(JournalError) {
        try NameRules.check(conversation, "conversation's name", maximumBytes: NameRules.conversationBytes)
        try check(memory)
    }

    func check(_ memory: NewMemory) throws(JournalError) {
        let size: Int
        switch memory.content {
        case .text(let text): size = text.utf8.count
        case .bytes(let bytes): size = bytes.count
        case .json(let json):
            size = json.utf8.count
            guard json.kind != .string, json.kind != .null else {
                throw JournalError(
                    .invalidArgument,
                    "JSON content is an object, an array, a number or a boolean; give a string as text")
            }
            try checkDepth(json, "content")
        }
        guard size <= maximumContentBytes else {
            throw JournalError(
                .tooLarge,
                "The content is \(size) bytes long; this journal takes \(maximumContentBytes) at most. Store large things "
                    + "elsewhere and remember where")
        }
        if let mimeType = memory.mimeType {
            try NameRules.check(mimeType, "mime type", maximumBytes: NameRules.mimeTypeBytes)
        }
        if let role = memory.role {
            try NameRules.check(role.rawValue, "role", maximumBytes: NameRules.roleBytes)
        }
        if let key = memory.idempotencyKey {
            try NameRules.check(key, "idempotency key", maximumBytes: NameRules.keyBytes)
        }
        guard memory.metadata.canonicalBytes.count <= maximumContentBytes else {
            throw JournalError(.tooLarge, "The metadata is longer than \(maximumContentBytes) bytes")
        }
        if !memory.metadata.isEmpty { try checkDepth(memory.metadata.json, "metadata") }
    }

    private func checkDepth(_ json: JSON, _ what: String) throws(JournalError) {
        // What is short cannot be deep: each level takes two bytes.
        guard json.utf8.count > 2 * Limits.jsonDepth else { return }
        guard json.depth <= Limits.jsonDepth else {
            throw JournalError(
                .invalidArgument, "The \(what) is nested deeper than \(Limits.jsonDepth) levels; flatten it")
        }
    }

    func checkBatch(_ bytes: Int) throws(JournalError) {
        guard bytes <= maximumFrameBytes else {
            throw JournalError(
                .tooLarge,
                "The batch is \(bytes) bytes long encoded; this journal takes \(maximumFrameBytes) at most. Split it"
            )
        }
    }
}
