import JournalFileSystem
import SegmentLog
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

    private struct Engines {
        /// The engine that a new opening of a directory shares.
        var open: [Key: Engine] = [:]
        /// How many hold each engine, also those that are not shared any further.
        var users: [ObjectIdentifier: Int] = [:]
    }

    private let engines = Monitor(Engines())

    /// The engine of a directory: the one that is open, or a new one.
    ///
    /// Openings and closings are one after the other, so that two openings of a directory meet in one engine, and one
    /// does not meet the lock of an engine that is being closed.
    func engine(
        _ directory: FilePath, _ fileSystem: any FileSystem, open: () throws(JournalError) -> Engine
    ) throws(JournalError) -> Engine {
        try engines.withLock { (engines) throws(JournalError) in
            if let key = key(directory, fileSystem), let engine = engines.open[key], !engine.isPoisoned {
                engines.users[ObjectIdentifier(engine), default: 0] += 1
                return engine
            }
            let engine = try open()
            // A poisoned engine that is still held goes on serving reads to those who hold it.
            if let key = key(directory, fileSystem) { engines.open[key] = engine }
            engines.users[ObjectIdentifier(engine)] = 1
            return engine
        }
    }

    /// Lets go of an engine; the last one to do so closes it.
    func release(_ engine: Engine) throws(JournalError) {
        try engines.withLock { (engines) throws(JournalError) in
            let id = ObjectIdentifier(engine)
            engines.users[id, default: 1] -= 1
            guard engines.users[id] == 0 else { return }
            engines.users[id] = nil
            if let key = engines.open.first(where: { $0.value === engine })?.key { engines.open[key] = nil }
            try engine.shutDown()
        }
    }

    private func key(_ directory: FilePath, _ fileSystem: any FileSystem) -> Key? {
        guard let identity = try? fileSystem.status(of: directory)?.identity else { return nil }
        let object = type(of: fileSystem) is AnyClass ? ObjectIdentifier(fileSystem as AnyObject) : nil
        return Key(fileSystem: object, directory: identity)
    }
}
