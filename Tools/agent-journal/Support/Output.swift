import SystemPackage

/// stdout, written in large pieces.
final class Output {
    private var buffer: [UInt8] = []
    private static let pieceBytes = 64 << 10

    /// Writes text as it is.
    func write(_ text: String) throws { try write(text.utf8) }

    /// Writes text and a newline.
    func line(_ text: String) throws {
        try write(text)
        try write(CollectionOfOne(UInt8(ascii: "\n")))
    }

    /// Writes bytes.
    func write(_ bytes: some Collection<UInt8>) throws {
        buffer.append(contentsOf: bytes)
        if buffer.count >= Output.pieceBytes { try flush() }
    }

    /// Hands everything to the system.
    ///
    /// - Throws: `BrokenPipe` when the reader has gone.
    func flush() throws {
        guard !buffer.isEmpty else { return }
        defer { buffer.removeAll(keepingCapacity: true) }
        do {
            try FileDescriptor.standardOutput.writeAll(buffer)
        } catch let error as Errno {
            if error == .brokenPipe { throw BrokenPipe() }
            throw Failure(error, "The result cannot be written to stdout")
        }
    }
}

/// Runs a command's body with stdout, and writes what it said also when it fails.
func withOutput(_ body: (Output) async throws -> Void) async throws {
    let output = Output()
    do {
        try await body(output)
    } catch {
        try? output.flush()
        throw error
    }
    try output.flush()
}
