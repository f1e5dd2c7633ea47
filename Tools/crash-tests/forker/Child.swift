import AgentJournal

#if canImport(Darwin)
    import Darwin
#elseif canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// A process that this one forked.
struct Child {
    private let pid: pid_t

    /// Swift declares fork as unavailable, because little of Swift runs in the child of a process with threads: what runs
    /// there is what is tried here.
    private static let fork: @convention(c) @Sendable () -> pid_t = {
        guard let address = dlsym(nil, "fork") else { fatalError("the C library has no fork") }
        return unsafeBitCast(address, to: (@convention(c) @Sendable () -> pid_t).self)
    }()

    /// Forks; the child runs `body` and ends with 0, or with 1 when it throws. One that hangs is ended by a signal.
    init(_ what: String, _ body: () throws -> Void) throws {
        pid = Child.fork()
        if pid == -1 { throw Unexpected("\(what): cannot fork: \(Errno(rawValue: errno))") }
        guard pid == 0 else { return }
        setAlarm(seconds: 60)
        do {
            try body()
            _exit(0)
        } catch {
            end(saying: "\(what): \(error)")
        }
    }

    /// Waits until it has ended, which it must with 0, or else with the signal.
    func wait(_ what: String, signal: Int32? = nil) throws {
        var status: Int32 = 0
        while waitpid(pid, &status, 0) == -1 {
            if errno != EINTR { throw Unexpected("\(what): waitpid: \(Errno(rawValue: errno))") }
        }
        // The low seven bits are the signal, the next eight above the core flag the status.
        let isExpected = signal.map { status & 0x7F == $0 } ?? (status == 0)
        if !isExpected { throw Unexpected("\(what) ended with status \(status)") }
    }
}

/// Something is not as it should be.
struct Unexpected: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

func expect(_ isSo: Bool, _ what: @autoclosure () throws -> String) throws {
    if !isSo { throw Unexpected(try what()) }
}

/// That `body` throws an error with that code.
func expect(_ code: JournalError.Code, _ what: String, _ body: () throws -> Void) throws {
    do {
        try body()
    } catch let error as JournalError where error.code == code {
        return
    }
    throw Unexpected("\(what): expected the error \(code), and there was none")
}

/// Ends without running what a process runs at its end, which in a child is the parent's.
func end(saying error: Any) -> Never {
    // Without stderr there is nobody to tell; the status says it too.
    _ = try? FileDescriptor.standardError.writeAll("forker: \(error)\n".utf8)
    _exit(1)
}

func say(_ line: String) throws {
    try FileDescriptor.standardOutput.writeAll("\(line)\n".utf8)
}

func killSelf() -> Never {
    kill(getpid(), SIGKILL)
    fatalError("a process that was killed runs")
}

/// The open descriptors of files whose paths begin so.
///
/// Where there is no /proc it finds none.
func inheritedDescriptors(in path: FilePath) -> [String] {
    (0..<1024).compactMap { number in
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 4096) { buffer in
            guard let start = buffer.baseAddress else { return nil }
            let count = readlink("/proc/self/fd/\(number)", start, buffer.count)
            guard count > 0 else { return nil }
            let target = String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
            return target.hasPrefix(path.string) ? target : nil
        }
    }
}

/// Ends this process after so many seconds, so that nothing here hangs.
///
/// Who starts this program may have the signal blocked, as the worker threads of Dispatch have, and a process inherits that.
func setAlarm(seconds: UInt32) {
    var signals = sigset_t()
    sigemptyset(&signals)
    sigaddset(&signals, SIGALRM)
    sigprocmask(SIG_UNBLOCK, &signals, nil)
    alarm(seconds)
}

func sleep(milliseconds: Double) {
    usleep(UInt32(milliseconds * 1000))
}

/// A line from one process to another.
struct Line {
    private let reading: FileDescriptor
    private let writing: FileDescriptor

    init() throws {
        (reading, writing) = try FileDescriptor.pipe()
    }

    func signal() throws { try writing.writeAll([1]) }

    /// Waits for one signal; where none comes, until this process's alarm ends it.
    func wait() throws {
        _ = try withUnsafeTemporaryAllocation(byteCount: 1, alignment: 1) { try reading.read(into: $0) }
    }
}
