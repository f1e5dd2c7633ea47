/// What is left of an event that is erased.
struct Tombstone {
    /// The kind it was.
    var was: UInt64
    /// The conversation, unless that is emptied.
    var conversation: [UInt8]?
    /// What it forgot.
    var target: UInt64?
    var leaf: [UInt8]
    /// Of its idempotency key.
    var keyHash: [UInt8]?
    /// The erasure's sequence.
    var erasure: UInt64

    /// The event's bytes, without tag and length.
    var encoded: [UInt8] {
        let encoded = EventEncoder.erased(self)
        return Array(encoded.bytes[encoded.bodyOffset...])
    }
}
