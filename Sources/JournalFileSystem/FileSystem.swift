package import SystemPackage

/// All that the journal asks of an operating system about files.
///
/// This is the whole seam: nothing above it opens, reads, writes, syncs, locks or maps a file in any other way,
/// so a simulated disk that implements it sees every step the engine takes. `PosixFileSystem` is the real one.
package protocol FileSystem: Sendable {
    /// A file system of these files, of which no path that leads below `directory` leaves it through a link: whoever may write there could else have
    /// any file read, overwritten or removed. The directory itself may be reached through links.
    ///
    /// What is made in it gets the owner of the directory, where this user may give things away.
    func confined(to directory: FilePath) -> any FileSystem

    /// Opens a regular file that has no other name. Never waits for one who writes to a FIFO.
    ///
    /// - Throws: `.noSuchFileOrDirectory` when it is not there and `mode` does not create; `.isDirectory` when
    ///   it is a directory; `.fileExists` when `mode` is `.createNew` and something is there;
    ///   `.tooManySymbolicLinkLevels` when it is a symbolic link, `.tooManyLinks` when it has several names,
    ///   `.invalidArgument` when it is a FIFO, a socket or a device.
    func openFile(_ path: FilePath, _ mode: FileOpenMode) throws(FileSystemError) -> any File

    /// What is at `path`, or nil when nothing is. A link is followed only outside of what the file system is confined to.
    func status(of path: FilePath) throws(FileSystemError) -> FileStatus?

    /// The names in a directory but `.` and `..`, in no order.
    func names(inDirectory path: FilePath) throws(FileSystemError) -> [String]

    /// Creates one directory, mode 0700, or as the directory that it is confined to is shared. Its entry is durable only after `syncDirectory` of its parent.
    func createDirectory(_ path: FilePath) throws(FileSystemError)

    /// Creates one directory with the owner and the permissions of another, whose place it is to take. Durable as above.
    func createDirectory(_ path: FilePath, like other: FilePath) throws(FileSystemError)

    /// Renames a file over whatever has the new name. Durable only after `syncDirectory` of its parent.
    func rename(_ path: FilePath, to newPath: FilePath) throws(FileSystemError)

    /// Exchanges the names of two directories beside one another: in one step where the system can, else one after the other. Durable
    /// only after `syncDirectory` of their parent.
    func exchange(_ path: FilePath, with other: FilePath) throws(FileSystemError)

    /// Removes a file's name. Durable only after `syncDirectory` of its parent.
    func removeFile(_ path: FilePath) throws(FileSystemError)

    /// Makes the entries of a directory durable (fsync of the directory).
    func syncDirectory(_ path: FilePath) throws(FileSystemError)

    /// Opens a directory whose entries are to be made durable later. Whoever renames a file in between cannot go back, and by
    /// then may get no descriptor.
    func openDirectory(_ path: FilePath) throws(FileSystemError) -> any Directory

    /// The file system that holds `path`: its kind, whether its locks and mappings can be trusted, free space.
    func volume(holding path: FilePath) throws(FileSystemError) -> Volume

    /// A file without a name: it is gone when it is closed. It lies in `directory`, or, where none can be made there, where the
    /// system keeps temporary files. Also a path to name it by in errors.
    func makeTemporaryFile(
        in directory: FilePath
    ) throws(FileSystemError) -> (file: any File, path: FilePath)

    /// What relative paths are relative to.
    var workingDirectory: FilePath { get }

    /// Who this process is, for the opener's record and for page validity.
    var process: ProcessIdentity { get }

    /// This process's pid, cheaply: for noticing, at each call, that it is the child of a fork.
    var processID: Int32 { get }

    /// Whether the process with this pid and start time still runs, and the machine was not booted since.
    ///
    /// False also for one in another container, whose processes cannot be seen from here. Locks tell the truth.
    func isRunning(_ process: ProcessIdentity) -> Bool
}

/// How a file is opened. A created file has mode 0600.
package enum FileOpenMode: Sendable {
    case readOnly
    case readWrite
    /// Read and write; created empty when not there.
    case createIfMissing
    /// Read and write; it must not be there yet.
    case createNew
}

/// An open file. Closed by `close()` or by deinit, whichever comes first; safe to use from several threads.
package protocol File: AnyObject, Sendable {
    /// Reads until `buffer` is full or the file ends, and returns how many bytes were read.
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(FileSystemError) -> Int

    /// Writes all of `bytes`. After an error any part of them may have been written.
    func write(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws(FileSystemError)

    /// The file's length in bytes.
    func length() throws(FileSystemError) -> UInt64

    /// Makes `range` part of the file, with disk blocks reserved, reading as zeros where nothing was written.
    ///
    /// Where the file system cannot reserve blocks, writes zeros (only beyond the present length).
    /// - Throws: `.noSpace` when the disk is full: then no byte of the file's present content has changed.
    func allocate(_ range: Range<UInt64>) throws(FileSystemError)

    /// Asks the file system, where it copies on write, to write this file, which must be empty, in place: so that a mapped page
    /// keeps its block. Best effort: nothing is promised, and nothing fails.
    func keepBlocksInPlace()

    /// Sets the file's length. Durable after `sync()`.
    func truncate(to length: UInt64) throws(FileSystemError)

    /// Makes the file's data, and the metadata needed to read them back, durable: fdatasync; F_FULLFSYNC on macOS.
    func syncData() throws(FileSystemError)

    /// Makes data and all metadata durable: fsync; F_FULLFSYNC on macOS.
    func sync() throws(FileSystemError)

    /// Takes a lock on a byte range (an open-file-description lock: the kernel drops it when the process dies).
    ///
    /// It replaces what this open file held of the range; threads that share the open file do not exclude each
    /// other. An empty range is `.invalidArgument`; an upper bound beyond all offsets means all to the end.
    /// - Returns: true when the lock was taken; false when another holds a conflicting one and `wait` is false.
    func lock(_ range: Range<UInt64>, _ kind: LockKind, wait: Bool) throws(FileSystemError) -> Bool

    /// Drops a lock.
    func unlock(_ range: Range<UInt64>) throws(FileSystemError)

    /// Whether another open file holds a lock on the range that excludes `kind`. Takes nothing.
    func isLockedByOther(_ range: Range<UInt64>, _ kind: LockKind) throws(FileSystemError) -> Bool

    /// Maps the first `length` bytes, shared between processes. The page may outlive the file's `close()`.
    ///
    /// - Throws: `.invalidArgument` when the file is not that long; `.permissionDenied` when it was opened for
    ///   reading and the page is to be written; `.noSuchFileOrDirectory` or `.staleNFSFileHandle` when its path
    ///   names nothing or another file by now (the mapping opens it anew, so as not to keep this one's locks).
    func mapSharedPage(length: Int, writable: Bool) throws(FileSystemError) -> any SharedPage

    /// Device and inode of the open file.
    func identity() throws(FileSystemError) -> FileIdentity

    /// The file's length in bytes, if a name still leads to it; else nil. Much cheaper than to look its path up.
    func linkedLength() throws(FileSystemError) -> UInt64?

    /// Closes the descriptor; later calls throw `.badFileDescriptor`. Closing twice is no error.
    func close()
}

/// An open directory. Closed by `close()` or by deinit, whichever comes first.
package protocol Directory: AnyObject, Sendable {
    /// Makes the entries durable (fsync).
    func sync() throws(FileSystemError)

    /// Closes the descriptor; closing twice is no error.
    func close()
}

/// A shared or an exclusive lock.
package enum LockKind: Sendable { case shared, exclusive }

/// A page of memory that processes share. Offsets are in bytes and aligned to the word read or written.
package protocol SharedPage: AnyObject, Sendable {
    /// Sees to it that a store finds its block. Where what is changed is written elsewhere (btrfs, or a file that shares
    /// blocks with a copy), the first store after each write-back needs a new one, and ends the process (SIGBUS) if
    /// the disk is full.
    ///
    /// - Throws: `.badAddress` when a store would end the process. Writing to the file then says why.
    func reserve() throws(FileSystemError)
    /// Loads a 64-bit word with acquiring order.
    func load64(at offset: Int) -> UInt64
    /// Stores a 64-bit word with releasing order.
    func store64(_ value: UInt64, at offset: Int)
    /// Loads a 32-bit word with acquiring order.
    func load32(at offset: Int) -> UInt32
    /// Adds to a 32-bit word, wrapping, with acquiring and releasing order, and returns the new value.
    @discardableResult func add32(_ value: UInt32, at offset: Int) -> UInt32
    /// Sleeps while the 32-bit word equals `value`, at most `timeoutMilliseconds`. May wake early.
    func wait32(at offset: Int, while value: UInt32, timeoutMilliseconds: Int)
    /// Wakes all who wait on the word, in every process.
    func wakeAll(at offset: Int)
}

/// What kind of thing a path names.
package enum FileKind: Sendable { case file, directory, other }

/// What `status(of:)` tells.
package struct FileStatus: Sendable {
    package var kind: FileKind
    package var length: UInt64
    /// Bytes of disk blocks in use.
    package var allocatedBytes: UInt64
    package var identity: FileIdentity
    /// When the inode was last modified, microseconds since 1970 (for `doctor`; nothing rests on it).
    package var modifiedMicroseconds: Int64

    package init(
        kind: FileKind, length: UInt64, allocatedBytes: UInt64, identity: FileIdentity,
        modifiedMicroseconds: Int64
    ) {
        self.kind = kind
        self.length = length
        self.allocatedBytes = allocatedBytes
        self.identity = identity
        self.modifiedMicroseconds = modifiedMicroseconds
    }
}

/// Which file it is, whatever its name.
package struct FileIdentity: Hashable, Sendable {
    package var device: UInt64
    package var inode: UInt64

    package init(device: UInt64, inode: UInt64) {
        self.device = device
        self.inode = inode
    }
}

/// The file system that holds a path.
package struct Volume: Sendable {
    package enum Kind: Sendable {
        /// A file system on local storage (ext4, XFS, btrfs, APFS and so on).
        case local
        /// Memory: gone after a reboot (tmpfs, ramfs).
        case memory
        /// A container's own layer: gone with the container (overlay).
        case containerLayer
        /// Over the network, or through a user process: locks and shared mappings cannot be trusted.
        case untrusted
    }
    /// The name as a person knows it: "ext4", "overlay", "nfs"; "unknown (0x…)" when it is not known.
    package var name: String
    package var kind: Kind
    package var freeBytes: UInt64
    package var isReadOnly: Bool

    package init(name: String, kind: Kind, freeBytes: UInt64, isReadOnly: Bool) {
        self.name = name
        self.kind = kind
        self.freeBytes = freeBytes
        self.isReadOnly = isReadOnly
    }
}

/// A process, told apart from a later one with the same pid by its start time, on one boot of one host.
package struct ProcessIdentity: Hashable, Sendable {
    package var pid: Int32
    /// In the kernel's own unit (clock ticks since boot on Linux); 0 when it cannot be told.
    package var startTime: UInt64
    package var host: String
    package var command: String
    /// A number that differs after each boot (from the boot id); never 0.
    package var bootIdentity: UInt64

    package init(pid: Int32, startTime: UInt64, host: String, command: String, bootIdentity: UInt64) {
        self.pid = pid
        self.startTime = startTime
        self.host = host
        self.command = command
        self.bootIdentity = bootIdentity
    }
}
