/// One entry of the journal's log.
public struct Event: Sendable, Hashable {
    /// Its number: from 1, gapless over the whole journal.
    public var sequence: UInt64
    /// When it was recorded; never runs backwards.
    public var recorded: Timestamp
    /// What happened.
    public var kind: Kind

    /// What happened.
    public enum Kind: Sendable, Hashable {
        /// A memory was added.
        case added(Memory)
        /// The memory with this sequence was forgotten.
        case forgotten(UInt64, conversation: String)
        /// All memories of a conversation were forgotten.
        case cleared(conversation: String)
        /// Everything before was made durable, and the point was perhaps given a name.
        case flushed(label: String?)
        /// The history up to this sequence was let go by a compaction.
        case historyLetGo(through: UInt64)
        /// It is erased by a compaction; this is what is left of it.
        case erased(Erased)
        /// What was forgotten up to this sequence is being erased.
        case erasureBegun(through: UInt64)
        /// What was forgotten up to this sequence is erased.
        case erasureDone(through: UInt64)
        /// Events with these sequences were lost to damage, as a repair recorded: in their place, and again when that was done.
        case lost(ClosedRange<UInt64>)
        /// An event of a later version that may be passed over.
        case unknown(UInt64)
    }

    /// What is left of an event that is erased, beside its sequence and when it was recorded.
    public struct Erased: Sendable, Hashable {
        /// What it was.
        public var kind: ErasedKind
        /// Of a memory, its conversation, unless that holds no memory any more.
        public var conversation: String?
        /// What it forgot.
        public var target: UInt64?
        /// HMAC-SHA256 of it under a salt that is erased with it. 32 bytes.
        public var leaf: [UInt8]
        /// The sequence of the event that says which erasure it was.
        public var erasure: UInt64
    }

    /// The conversation it belongs to, if it belongs to one.
    public var conversation: String? {
        switch kind {
        case .added(let memory): memory.conversation
        case .forgotten(_, let conversation), .cleared(let conversation): conversation
        case .erased(let erased): erased.conversation
        case .flushed, .historyLetGo, .erasureBegun, .erasureDone, .lost, .unknown: nil
        }
    }
}
