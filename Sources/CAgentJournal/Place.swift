import JournalFileSystem
import Logging
import SystemPackage

/// Where a journal is kept, for those who never asked themselves: a warning at opening of a place that does not last.
enum Place {
    static func warn(of directory: FilePath, _ logger: Logger) {
        do throws(FileSystemError) {
            let volume = try PosixFileSystem().volume(holding: directory)
            switch volume.kind {
            case .containerLayer:
                return warn(
                    "on \(volume.name), the container's own layer: gone with the container", directory,
                    logger)
            case .memory:
                return warn("on \(volume.name), which is memory: gone after a restart", directory, logger)
            case .local, .untrusted: break
            }
        } catch {
            logger.warning(
                "journal: the kind of its file system is not known", metadata: ["error": "\(error)"])
        }
        if directory.isTemporary {
            warn("in a temporary directory, which is emptied now and then", directory, logger)
        }
    }

    private static func warn(_ where: String, _ directory: FilePath, _ logger: Logger) {
        logger.warning(
            "journal: it is \(`where`). Use a directory on a disk or volume that lasts",
            metadata: ["directory": "\(directory)"])
    }
}
