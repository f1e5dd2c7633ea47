import JournalFileSystem
import Logging
import SystemPackage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

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
        if temporary.contains(where: { directory.starts(with: $0) }) {
            warn("in a temporary directory, which is emptied now and then", directory, logger)
        }
    }

    private static var temporary: [FilePath] {
        let own = getenv("TMPDIR").map { FilePath(platformString: $0) }
        return ["/tmp", "/var/tmp"] + [own].compactMap { $0 }.filter { !$0.isEmpty }
    }

    private static func warn(_ where: String, _ directory: FilePath, _ logger: Logger) {
        logger.warning(
            "journal: it is \(`where`). Use a directory on a disk or volume that lasts",
            metadata: ["directory": "\(directory)"])
    }
}
