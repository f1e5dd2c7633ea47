import SystemPackage

/// Bytes in order, from a file or from something that unpacks it.
protocol ByteSource: AnyObject {
    /// Fills at most the buffer; 0 means the end.
    func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int
}

/// A signal came while input was awaited.
struct Interrupted: Error {}

/// A file, or stdin.
final class FileSource: ByteSource {
    /// The name in messages; nil for stdin.
    let path: FilePath?
    private let descriptor: FileDescriptor
    private let interruption: Interruption?

    /// Opens a file; nil or `-` is stdin.
    init(_ name: String?, interruption: Interruption?) throws {
        self.interruption = interruption
        guard let name, name != "-" else {
            path = nil
            descriptor = .standardInput
            return
        }
        let path = FilePath(name)
        self.path = path
        do {
            descriptor = try FileDescriptor.open(path, .readOnly, options: [.closeOnExec])
        } catch let error as Errno {
            throw Failure(error, "\(path) cannot be opened", path: path)
        }
    }

    deinit {
        if path != nil { try? descriptor.close() }
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        if let interruption, !interruption.waitForInput(descriptor) { throw Interrupted() }
        do {
            return try descriptor.read(into: buffer)
        } catch let error as Errno {
            throw Failure(error, "\(path?.string ?? "stdin") cannot be read", path: path)
        }
    }
}

extension ByteSource {
    /// Everything up to the end.
    ///
    /// - Throws: `too_large` beyond `limit` bytes, without reading on.
    func readAll(limit: Int) throws -> [UInt8] {
        var all: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = try piece.withUnsafeMutableBytes { try read(into: $0) }
            if count == 0 { return all }
            all.append(contentsOf: piece[..<count])
            guard all.count <= limit else {
                throw Failure(
                    "too_large",
                    "stdin holds more than \(limit >> 20) MiB, which no journal takes as one memory")
            }
        }
    }
}
