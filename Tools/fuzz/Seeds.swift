import JournalFileSystem
import SystemPackage

#if canImport(Darwin)
    import Darwin
#elseif canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// Writes the corpora that are kept, from the golden journals and from what is made here.
enum Seeds {
    static func write(to directory: String) throws {
        let disk = PosixFileSystem()
        for type in Targets.all {
            let target = try type.init()
            let corpus = FilePath(directory).appending(type.name)
            if try disk.status(of: corpus) == nil { try disk.createDirectory(corpus) }
            for (name, bytes) in try target.seeds() {
                let file = try disk.openFile(corpus.appending(name), .createIfMissing)
                defer { file.close() }
                try file.truncate(to: 0)
                try file.write(bytes, at: 0)
            }
        }
    }
}

/// Ends the process where it has done what it was asked for.
func endProcess(_ status: CInt = 0) -> Never { exit(status) }
