import SegmentLog

/// What one caller wants appended, encoded on the caller's thread.
struct Append: Sendable {
    /// A memory to be added.
    struct Item: Sendable {
        var conversation: String
        var encoded: EventEncoder.Encoded
        var key: [UInt8]?

        init(conversation: String, encoded: EventEncoder.Encoded, key: [UInt8]?) {
            self.conversation = conversation
            self.encoded = encoded
            self.key = key
        }

        /// Encodes a memory, when it is one that the journal takes.
        init(_ conversation: String, _ memory: NewMemory, _ limits: Limits) throws(JournalError) {
            try limits.check(memory)
            self.init(
                conversation: conversation, encoded: EventEncoder.added(conversation: conversation, memory),
                key: memory.idempotencyKey.map { Array($0.utf8) })
        }
    }

    enum Action: Sendable {
        /// `expecting`: the conversation's last event must have this sequence.
        case add([Item], expecting: UInt64?)
        case forget([UInt64])
        /// In a conversation, where the caller says in which.
        case replace(UInt64, NewMemory, in: String?)
        /// Whatever needs no look at the state: clear, flush.
        case record(EventEncoder.Encoded)
    }

    var action: Action
    /// All of the events, when they are known before the state is; compressed already when large.
    var events: EncodedEvents?
    /// At least the bytes of payload that will be appended.
    var rawBytes: Int

    /// Room for an event that names a conversation and a sequence.
    static let smallEventBytes = 560

    static func add(
        _ memories: [(conversation: String, memory: NewMemory)], expecting: UInt64?, limits: Limits
    ) throws(JournalError) -> Append {
        var items: [Item] = []
        items.reserveCapacity(memories.count)
        var checked: String?
        var count = 0
        for (conversation, memory) in memories {
            if checked?.utf8.elementsEqual(conversation.utf8) != true {
                try NameRules.check(
                    conversation, "conversation's name", maximumBytes: NameRules.conversationBytes)
                checked = conversation
            }
            let item = try Item(conversation, memory, limits)
            count += item.encoded.bytes.count
            items.append(item)
        }
        guard !items.isEmpty else {
            return Append(action: .add([], expecting: expecting), events: nil, rawBytes: 0)
        }
        try limits.checkBatch(count)
        var events = EncodedEvents(raw: join(items, count), count: items.count)
        events.compressIfLarge(level: limits.compressionLevel)
        return Append(action: .add(items, expecting: expecting), events: events, rawBytes: count)
    }

    /// One memory: the most frequent append by far.
    static func add(
        _ memory: NewMemory, to conversation: String, expecting: UInt64?, limits: Limits
    ) throws(JournalError) -> Append {
        try NameRules.check(conversation, "conversation's name", maximumBytes: NameRules.conversationBytes)
        let item = try Item(conversation, memory, limits)
        var events = EncodedEvents(raw: item.encoded.bytes, count: 1)
        try limits.checkBatch(events.raw.count)
        events.compressIfLarge(
            level: limits.compressionLevel, above: EncodedEvents.largeContentBytes, quickly: true)
        return Append(
            action: .add([item], expecting: expecting), events: events, rawBytes: item.encoded.bytes.count)
    }

    private static func join(_ items: [Item], _ count: Int) -> [UInt8] {
        // One memory is the most frequent batch, and need not be copied.
        if items.count == 1 { return items[0].encoded.bytes }
        var raw: [UInt8] = []
        raw.reserveCapacity(count)
        for item in items { raw.append(contentsOf: item.encoded.bytes) }
        return raw
    }

    static func forget(_ sequences: [UInt64], limits: Limits) throws(JournalError) -> Append {
        // The names of the conversations are not known yet; they count with their longest.
        try limits.checkBatch(sequences.count * smallEventBytes)
        return Append(action: .forget(sequences), events: nil, rawBytes: sequences.count * smallEventBytes)
    }

    static func replace(
        _ sequence: UInt64, in conversation: String? = nil, with memory: NewMemory, limits: Limits
    ) throws(JournalError) -> Append {
        try limits.check(memory)
        let size = EventEncoder.added(conversation: "", memory).bytes.count
        return Append(
            action: .replace(sequence, memory, in: conversation), events: nil,
            rawBytes: size + 2 * smallEventBytes)
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
        Append(
            action: .record(encoded), events: EncodedEvents(raw: encoded.bytes, count: 1),
            rawBytes: encoded.bytes.count)
    }
}

/// What a journal takes: fixed at creation, but for the level.
struct Limits: Sendable {
    /// Deeper values could not be imported again.
    static let jsonDepth = 256

    var maximumContentBytes: Int
    var maximumFrameBytes: Int
    var compressionLevel: Int32

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
