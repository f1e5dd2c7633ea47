#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif
import JournalFileSystem
import SystemPackage

/// Catches the first SIGINT and SIGTERM, so that long work can come to a good end. The second ends the process at once.
///
/// The handler does the one thing that a handler may: it writes the signal's number to a pipe. (Not `sigwait`: the
/// main thread of an asynchronous Swift program takes every signal that has no handler, and ends.)
struct Interruption: Sendable {
    /// Readable once a signal has come.
    let descriptor: FileDescriptor

    /// Installs the handlers. One process needs one of these.
    init() throws {
        do {
            let pipe = try FileDescriptor.pipe()
            descriptor = pipe.readEnd
            signalPipe = pipe.writeEnd.rawValue
        } catch let error as Errno {
            throw Failure(error, "A pipe for signals cannot be made")
        }
        for number in [SIGINT, SIGTERM] { Interruption.install(number) }
    }

    private static func install(_ number: Int32) {
        var action = sigaction()
        // A constant of C that Swift imports as signed, into a field that is not everywhere.
        action.sa_flags =
            numericCast(SA_RESTART) | Int32(bitPattern: UInt32(truncatingIfNeeded: SA_RESETHAND))
        let handler: @convention(c) (Int32) -> Void = { number in
            var byte = UInt8(truncatingIfNeeded: number)
            let saved = errno
            receivedSignal = byte
            _ = write(signalPipe, &byte, 1)
            errno = saved
        }
        #if canImport(Darwin)
            action.__sigaction_u.__sa_handler = handler
        #else
            action.__sigaction_handler.sa_handler = handler
        #endif
        _ = sigaction(number, &action, nil)
    }

    /// Whether a signal has come.
    var hasCome: Bool { isReadable(descriptor, orEither: nil, waiting: false) }

    /// The signal that came first; 0 before one came.
    static var received: Int32 { Int32(receivedSignal) }

    /// Waits for a signal; nil when the pipe cannot be read.
    func wait() -> Int32? {
        var byte: UInt8 = 0
        let count = withUnsafeMutableBytes(of: &byte) { buffer in try? descriptor.read(into: buffer) }
        return count == 1 ? Int32(byte) : nil
    }

    /// Calls `body` on a thread of its own when a signal comes.
    func onSignal(_ body: @escaping @Sendable (Int32) -> Void) throws {
        do {
            _ = try spawnThread(name: "signals") { if let number = wait() { body(number) } }
        } catch {
            throw Failure(error, "A thread for signals cannot be started")
        }
    }

    /// Waits until `input` can be read, or a signal has come.
    ///
    /// - Returns: false when it was a signal.
    func waitForInput(_ input: FileDescriptor) -> Bool {
        _ = isReadable(input, orEither: descriptor, waiting: true)
        return !hasCome
    }

    private func isReadable(_ first: FileDescriptor, orEither second: FileDescriptor?, waiting: Bool) -> Bool
    {
        var polls = [pollfd(fd: first.rawValue, events: Int16(POLLIN), revents: 0)]
        if let second { polls.append(pollfd(fd: second.rawValue, events: Int16(POLLIN), revents: 0)) }
        while true {
            let count = poll(&polls, numericCast(polls.count), waiting ? -1 : 0)
            if count < 0, errno == EINTR { continue }
            return count > 0 && polls.contains { $0.revents != 0 }
        }
    }
}

/// Where the handler writes. It is stored before a handler is installed and never again, and a handler may touch nothing
/// that must be initialised or locked.
nonisolated(unsafe) private var signalPipe: Int32 = -1
/// Read only after the pipe has told that it is there.
nonisolated(unsafe) private var receivedSignal: UInt8 = 0
