/// What an append returns, once the event is on stable storage.
public struct Receipt: Sendable, Hashable {
    /// The event's number in the journal; of an added memory, its identity.
    public var sequence: UInt64
    /// When the journal recorded it.
    public var recorded: Timestamp
    /// True when an add with this idempotency key was there already: the receipt is the first one's.
    public var isReplayed: Bool

    package init(sequence: UInt64, recorded: Timestamp, isReplayed: Bool) {
        self.sequence = sequence
        self.recorded = recorded
        self.isReplayed = isReplayed
    }
}
