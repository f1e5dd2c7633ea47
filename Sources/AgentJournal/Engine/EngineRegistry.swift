import JournalFileSystem
import SegmentLog
import SystemPackage

/// The engines of this process, one a directory: the one piece of process-wide state.
///
/// Memory made per request is a normal pattern, so opens of one directory share an engine, counted.
final class EngineRegistry: Sendable {
    /// This process's. The child of a fork begins with an empty one: a thread that is not there may hold the parent's
    /// monitor, and the engines' threads are not there either.
    static var shared: EngineRegistry { registries.current() ?? registries.adopt(EngineRegistry()) }

    private static let registries = PerProcess(EngineRegistry())

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
        /// The directories that are being opened or closed right now.
        var busy: Set<Key> = []
        /// How many openings go on of directories that were not there when they began: any of the others may be the same.
        var unknown = 0

        func isFree(_ key: Key?) -> Bool {
            guard let key else { return unknown == 0 && busy.isEmpty }
            return unknown == 0 && !busy.contains(key)
        }

        mutating func begin(_ key: Key?) {
            if let key { busy.insert(key) } else { unknown += 1 }
        }

        mutating func end(_ key: Key?) {
            if let key { busy.remove(key) } else { unknown -= 1 }
        }
    }

    private let engines = Monitor(Engines())

    /// The engine of a directory: the one that is open, or a new one.
    ///
    /// Openings and closings of one directory are one after the other, so that two openings meet in one engine, and one
    /// does not meet the lock of an engine that is being closed. Other directories do not wait for them.
    func engine(
        _ directory: FilePath, _ fileSystem: any FileSystem, open: () throws(JournalError) -> Engine
    ) throws(JournalError) -> Engine {
        let before = key(directory, fileSystem)
        let shared = engines.withLock(waitingUntil: { $0.isFree(before) }) { engines -> Engine? in
            if let before, let engine = engines.open[before], !engine.isPoisoned {
                engines.users[ObjectIdentifier(engine), default: 0] += 1
                return engine
            }
            engines.begin(before)
            return nil
        }
        if let shared { return shared }
        let opened: Result<Engine, JournalError>
        do throws(JournalError) { opened = .success(try open()) } catch { opened = .failure(error) }
        let key = key(directory, fileSystem)
        engines.withLock { engines in
            if case .success(let engine) = opened {
                // A poisoned engine that is still held goes on serving reads to those who hold it.
                if let key { engines.open[key] = engine }
                engines.users[ObjectIdentifier(engine)] = 1
            }
            engines.end(before)
        }
        engines.broadcast()
        return try opened.get()
    }

    /// Lets go of an engine; the last one to do so closes it.
    func release(_ engine: Engine) throws(JournalError) {
        let id = ObjectIdentifier(engine)
        let (isLast, key) = engines.withLock { engines -> (Bool, Key?) in
            engines.users[id, default: 1] -= 1
            guard engines.users[id] == 0 else { return (false, nil) }
            engines.users[id] = nil
            // One that is not shared any further has no directory that somebody could meet it in.
            guard let key = engines.open.first(where: { $0.value === engine })?.key else {
                return (true, nil)
            }
            engines.open[key] = nil
            engines.busy.insert(key)
            return (true, key)
        }
        guard isLast else { return }
        defer {
            if let key {
                engines.withLock { engines in _ = engines.busy.remove(key) }
                engines.broadcast()
            }
        }
        try engine.shutDown()
    }

    private func key(_ directory: FilePath, _ fileSystem: any FileSystem) -> Key? {
        guard let identity = try? fileSystem.status(of: directory)?.identity else { return nil }
        let object = type(of: fileSystem) is AnyClass ? ObjectIdentifier(fileSystem as AnyObject) : nil
        return Key(fileSystem: object, directory: identity)
    }
}
