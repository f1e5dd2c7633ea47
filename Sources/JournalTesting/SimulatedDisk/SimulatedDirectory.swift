import JournalFileSystem
import SystemPackage

/// An open directory of a simulated machine.
final class SimulatedDirectory: Directory {
    private let inode: UInt64
    private let path: FilePath
    private let fileSystem: SimulatedDisk

    init(_ inode: UInt64, path: FilePath, on fileSystem: SimulatedDisk) {
        self.inode = inode
        self.path = path
        self.fileSystem = fileSystem
    }

    func sync() throws(FileSystemError) {
        try fileSystem.call(.syncDirectory, path) { [inode] machine throws(Errno) in
            machine.disk.syncDirectory(inode)
            machine.collect()
        }
    }

    /// Holds nothing.
    func close() {}
}
