import JournalFileSystem
import Logging
import SystemPackage

/// Where a journal is kept, for those who never asked themselves: a warning at opening of a place that does not last.
enum Place {
    static func warn(of directory: FilePath, _ logger: Logger) {
        do throws(FileSystemError) {
            guard let why = try PosixFileSystem().whyNotLasting(directory) else { return }
            logger.warning(
                "journal: it is \(why). Use a directory on a disk or volume that lasts",
                metadata: ["directory": "\(directory)"])
        } catch {
            logger.warning(
                "journal: the kind of its file system is not known", metadata: ["error": "\(error)"])
        }
    }
}
