import AgentJournal
import SystemPackage

/// Why a command did not do what it was told: what is printed, and the status the process ends with.
struct Failure: Error {
    /// A word to decide by, as `--json` gives it.
    var code: String
    /// What went wrong and what to do about it.
    var message: String
    /// The file or directory concerned.
    var path: FilePath?
    /// Where in the file, in bytes.
    var offset: UInt64?
    /// The exit status.
    var status: Int32

    init(
        _ code: String, _ message: String, path: FilePath? = nil, offset: UInt64? = nil,
        status: Int32 = Status.failed
    ) {
        self.code = code
        self.message = message
        self.path = path
        self.offset = offset
        self.status = status
    }

    /// An argument that cannot be taken.
    static func usage(_ message: String) -> Failure {
        Failure("usage", message, status: Status.usage)
    }

    /// The library's error. An argument that it refuses came from the command line, unless the caller says otherwise.
    init(_ error: JournalError, invalidArgument: Int32 = Status.usage) {
        let status =
            switch error.code {
            case .damaged: Status.damage
            case .invalidArgument: invalidArgument
            default: Status.failed
            }
        self.init(error.code.rawValue, error.message, path: error.path, offset: error.offset, status: status)
    }

    /// A call to the system that failed.
    init(_ errno: Errno, _ action: String, path: FilePath? = nil) {
        self.init("system", "\(action): \(errno)", path: path)
    }
}

/// What the process says by the way it ends.
enum Status {
    static let fine: Int32 = 0
    /// Damage, or a difference, was found.
    static let damage: Int32 = 1
    /// It could not be done.
    static let failed: Int32 = 2
    /// The command line is wrong (EX_USAGE of sysexits.h).
    static let usage: Int32 = 64
    /// Ended by a signal, as shells count it.
    static func signal(_ number: Int32) -> Int32 { 128 + number }
}

/// Whoever read our output has gone: no error, there is only nobody left to write for.
struct BrokenPipe: Error {}
