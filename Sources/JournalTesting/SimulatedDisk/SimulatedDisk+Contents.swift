import JournalFileSystem
public import SystemPackage

/// Looking at the disk, and damaging it, from outside: these are no calls, meet no faults, and what they change is
/// changed durably.
extension SimulatedDisk {
    /// The paths of all files, in order.
    public var paths: [FilePath] {
        machine.withLock { $0.disk.paths() }
    }

    /// A file's bytes as a read would see them now.
    public func contents(of path: FilePath) throws(Errno) -> [UInt8] {
        try machine.withLock { machine throws(Errno) in
            let inode = try machine.disk.file(at: path)
            return machine.disk.files[inode]?.present.bytes ?? []
        }
    }

    /// A file's bytes as a power cut now would leave them.
    public func durableContents(of path: FilePath) throws(Errno) -> [UInt8] {
        try machine.withLock { machine throws(Errno) in
            let inode = try machine.disk.file(at: path)
            return machine.disk.files[inode]?.durable.bytes ?? []
        }
    }

    /// Flips the bits of `mask` in one byte.
    ///
    /// - Throws: `.invalidArgument` when the file ends before that offset.
    public func corrupt(_ path: FilePath, at offset: Int, xor mask: UInt8) throws(Errno) {
        try edit(path) { bytes throws(Errno) in
            guard bytes.indices.contains(offset) else { throw .invalidArgument }
            bytes[offset] ^= mask
        }
    }

    /// Cuts a file, or lengthens it by zeros.
    public func truncate(_ path: FilePath, to length: Int) throws(Errno) {
        try edit(path) { bytes throws(Errno) in
            bytes = Array(bytes.prefix(length)) + repeatElement(0, count: max(0, length - bytes.count))
        }
    }

    /// Gives a file other contents; it, and the directories that lead to it, are made when they are not there.
    public func replaceContents(of path: FilePath, with bytes: [UInt8]) throws(Errno) {
        try machine.withLock { machine throws(Errno) in
            var directory = FilePath("/")
            for component in path.lexicallyNormalized().removingLastComponent().components {
                directory.append(component)
                if try machine.disk.entry(at: directory) == nil {
                    try machine.disk.createDirectory(at: directory)
                    try machine.disk.syncEntry(at: directory)
                }
            }
            if try machine.disk.entry(at: path) == nil, let (parent, name) = try machine.disk.locate(path) {
                _ = machine.disk.createFile(in: parent, name)
                try machine.disk.syncEntry(at: path)
            }
            machine.disk.replaceContents(of: try machine.disk.file(at: path), with: bytes)
        }
    }

    /// Removes a file.
    public func remove(_ path: FilePath) throws(Errno) {
        try machine.withLock { machine throws(Errno) in
            try machine.disk.removeFile(at: path)
            try machine.disk.syncEntry(at: path)
            machine.collect()
        }
    }

    private func edit(_ path: FilePath, _ body: (inout [UInt8]) throws(Errno) -> Void) throws(Errno) {
        try machine.withLock { machine throws(Errno) in
            let inode = try machine.disk.file(at: path)
            var bytes = machine.disk.files[inode]?.present.bytes ?? []
            try body(&bytes)
            machine.disk.replaceContents(of: inode, with: bytes)
        }
    }
}
