/// What an append returns, once the event is on stable storage.
public struct Receipt: Sendable, Hashable {
    /// The event's number in the journal; of an added memory, its identity.
    public var sequence: UInt64
    /// When the journal recorded it.
    public var recorded: Timestamp
    /// True when an add with this idempotency key was there already: the receipt is the first one's.
    public var isReplayed: Bool
    /// True when that first memory was forgotten and erased since. Whether this one has the same content nobody can tell any
    /// more; it is taken for the same, and not added.
    public var isErased: Bool

    package init(sequence: UInt64, recorded: Timestamp, isReplayed: Bool, isErased: Bool = false) {
        self.isErased = isErased
        self.sequence = sequence
        self.recorded = recorded
        self.isReplayed = isReplayed
    }
}
