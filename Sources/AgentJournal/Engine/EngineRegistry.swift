import JournalFileSystem
import SegmentLog
import Synchronization
import SystemPackage

/// The engines of this process, one a directory: the one piece of process-wide state.
///
/// Memory made per request is a normal pattern, so opens of one directory share an engine, counted.
final class EngineRegistry: Sendable {
    static let shared = EngineRegistry()

    /// A directory on a file system. The real one is the same whoever asks; a simulated one is known by its object.
    private struct Key: Hashable {
        var fileSystem: ObjectIdentifier?
        var directory: FileIdentity
    }

    private struct Entry {
        var engine: Engine
        var count: Int
    }

    private let entries = Mutex<[Key: Entry]>([:])

    /// The engine of a directory: the one that is open, or a new one.
    ///
    /// Openings are one after the other, so that two of the same directory meet in one engine.
    func engine(
        _ directory: FilePath, _ fileSystem: any FileSystem, open: () throws(JournalError) -> Engine
    ) throws(JournalError) -> Engine {
        try entries.withLock { (entries) throws(JournalError) in
            if let key = key(directory, fileSystem), var entry = entries[key], !entry.engine.isPoisoned {
                entry.count += 1
                entries[key] = entry
                return entry.engine
            }
            let engine = try open()
            // A poisoned engine that is still held goes on serving reads to those who hold it.
            if let key = key(directory, fileSystem) { entries[key] = Entry(engine: engine, count: 1) }
            return engine
        }
    }

    /// Lets go of an engine; the last one to do so closes it.
    func release(_ engine: Engine) throws(JournalError) {
        let isLast = entries.withLock { entries in
            guard let key = entries.first(where: { $0.value.engine === engine })?.key else {
                return true
            }
            entries[key]!.count -= 1
            guard entries[key]!.count == 0 else { return false }
            entries[key] = nil
            return true
        }
        if isLast { try engine.shutDown() }
    }

    private func key(_ directory: FilePath, _ fileSystem: any FileSystem) -> Key? {
        guard let identity = try? fileSystem.status(of: directory)?.identity else { return nil }
        let object = type(of: fileSystem) is AnyClass ? ObjectIdentifier(fileSystem as AnyObject) : nil
        return Key(fileSystem: object, directory: identity)
    }
}
