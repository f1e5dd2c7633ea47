public import SystemPackage

extension SimulatedDisk {
    /// What may be asked of a file system.
    public enum Operation: String, Sendable, CaseIterable {
        /// Opening a file, or making one.
        case openFile = "open"
        /// What a path leads to.
        case status = "stat"
        /// The names in a directory.
        case listDirectory = "list of directory"
        /// Making a directory.
        case createDirectory = "mkdir"
        /// Giving a file another name, in place of what had it.
        case rename = "rename"
        /// Removing a file's name.
        case removeFile = "unlink"
        /// Making a directory's names durable.
        case syncDirectory = "sync of directory"
        /// What the file system of a path is, and how much room it has.
        case volume = "statfs"
        /// Reading from a file.
        case read = "read"
        /// Writing to a file.
        case write = "write"
        /// A file's length.
        case length = "length"
        /// Reserving blocks for a part of a file.
        case allocate = "allocate"
        /// Setting a file's length.
        case truncate = "truncate"
        /// Making the bytes of a file durable, and its length.
        case syncData = "fdatasync"
        /// Making a file durable, with all that is known of it.
        case sync = "fsync"
        /// Locking a range of a file.
        case lock = "lock"
        /// Unlocking a range of a file.
        case unlock = "unlock"
        /// Asking whether somebody else has locked a range of a file.
        case testLock = "test of lock"
        /// Mapping the page that processes share.
        case mapPage = "map"
        /// Reserving the block of that page before a store to it.
        case reservePage = "reservation of the shared page"
        /// Which file an open one is, whatever its names.
        case identity = "identity"
        /// How many names an open file has.
        case linkCount = "link count"

        /// Whether it can change the disk, or what of it outlasts a power cut.
        public var changesDisk: Bool {
            switch self {
            case .openFile, .createDirectory, .rename, .removeFile, .syncDirectory, .write, .allocate,
                .truncate, .syncData, .sync:
                true
            case .status, .listDirectory, .volume, .read, .length, .lock, .unlock, .testLock, .mapPage,
                .reservePage, .identity, .linkCount:
                false
            }
        }
    }

    /// One call that was made. Loads and stores of the shared page are no calls: nothing can go wrong with them.
    public struct Call: Sendable, Equatable {
        /// The process that made it.
        public var pid: Int32
        /// What was asked.
        public var operation: Operation
        /// Of which path; for an open file the one it was opened by.
        public var path: FilePath
        /// The new path of a rename.
        public var newPath: FilePath?
        /// Where in the file, in bytes.
        public var offset: UInt64?
        /// How many bytes, or the new length.
        public var length: UInt64?
        /// How it failed; nil when it did not.
        public var error: Errno?

        /// A call, to compare those in a log with.
        public init(
            pid: Int32, operation: Operation, path: FilePath, newPath: FilePath? = nil, offset: UInt64? = nil,
            length: UInt64? = nil, error: Errno? = nil
        ) {
            self.pid = pid
            self.operation = operation
            self.path = path
            self.newPath = newPath
            self.offset = offset
            self.length = length
            self.error = error
        }
    }

    /// How a call is made to fail.
    public struct Fault: Sendable, Equatable {
        /// What the caller is told.
        public var error: Errno
        /// Of a write: how many bytes are written before the error.
        public var bytesWritten: Int

        /// Fails with any error; a write writes nothing, or a part.
        public init(_ error: Errno, bytesWritten: Int = 0) {
            self.error = error
            self.bytesWritten = bytesWritten
        }

        /// EIO: nothing of a write is written; what a sync should have made durable stays visible, is not durable,
        /// and is not made so by a later sync either (as Linux does it: the pages count as clean from then on).
        public static let inputOutputError = Fault(.ioError)

        /// ENOSPC: nothing is written or reserved.
        public static let noSpace = Fault(.noSpace)

        /// Writes only the first bytes, then fails with ENOSPC.
        public static func shortWrite(bytes: Int) -> Fault {
            Fault(.noSpace, bytesWritten: bytes)
        }
    }
}

/// The calls that were made, and those that are to fail.
struct CallLog: Sendable {
    typealias Operation = SimulatedDisk.Operation
    typealias Call = SimulatedDisk.Call
    typealias Fault = SimulatedDisk.Fault

    private struct PlannedFault: Sendable {
        var operation: Operation?
        var path: FilePath?
        var callsToSpare: Int
        var times: Int
        var fault: Fault
    }

    private(set) var calls: [Call] = []
    private(set) var counts: [Operation: Int] = [:]
    private var planned: [PlannedFault] = []

    /// With `keepsHistory`, the disk as each call of `calls` left it.
    private(set) var history: [Disk] = []
    var keepsHistory = false

    mutating func plan(_ operation: Operation?, path: FilePath?, after calls: Int, times: Int, _ fault: Fault)
    {
        planned.append(
            PlannedFault(operation: operation, path: path, callsToSpare: calls, times: times, fault: fault))
    }

    var hasNoFaultsPlanned: Bool { planned.isEmpty }

    mutating func cancelFaults() {
        planned = []
    }

    /// Notes a call and tells whether it is to fail.
    mutating func begin(_ call: Call) -> Fault? {
        calls.append(call)
        counts[call.operation, default: 0] += 1
        var result: Fault?
        for index in planned.indices {
            if let operation = planned[index].operation, operation != call.operation { continue }
            if let path = planned[index].path, path != call.path { continue }
            if planned[index].callsToSpare > 0 {
                planned[index].callsToSpare -= 1
            } else if result == nil {
                result = planned[index].fault
                planned[index].times -= 1
            }
        }
        planned.removeAll { $0.times == 0 }
        return result
    }

    /// Notes how the last call ended.
    mutating func end(_ error: Errno?, _ disk: Disk) {
        calls[calls.count - 1].error = error
        if keepsHistory { history.append(disk) }
    }

    mutating func reset() {
        calls = []
        counts = [:]
        history = []
    }
}
