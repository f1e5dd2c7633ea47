import SystemPackage

/// The limit of one durable writer: a loop that writes given bytes and syncs each piece, and does nothing else.
struct BareLoop {
    /// The pieces to be written, one after the other.
    var pieces: [[UInt8]]

    /// Writes all pieces to a new file.
    func run(_ path: FilePath) async throws -> Sample {
        let file = try PreallocatedFile(path)
        return try await Sample.measure(pieces.count) {
            for piece in pieces {
                try piece.withUnsafeBytes { try file.append($0) }
                try file.sync()
            }
        }
    }
}
