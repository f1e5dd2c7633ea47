import AgentJournal
import CanonicalJSON
import JournalFileSystem
import SystemPackage

/// Where an erasure's receipt goes. What has the name already stays until the new one is whole.
struct ReceiptFile: Sendable {
    private let path: FilePath
    private let aside: FilePath
    private let fileSystem = PosixFileSystem()

    /// - Throws: when it could not be written, before anything is erased.
    init(_ path: String) throws {
        self.path = FilePath(path)
        aside = FilePath(path + ".new")
        do {
            let kind = try fileSystem.status(of: self.path)?.kind
            guard kind == nil || kind == .file else {
                throw Failure.usage("--receipt takes a file, and \(path) is none. Nothing was done")
            }
            try fileSystem.openFile(aside, .createIfMissing).close()
        } catch let error as FileSystemError {
            throw Failure(error.errno, "The receipt cannot be written; nothing was done", path: self.path)
        }
    }

    /// Whether there is a receipt of before.
    var isThere: Bool { (try? fileSystem.status(of: path)) != nil }

    /// Writes it aside, synced, gives it its name, and makes that durable.
    func write(_ report: ErasureReport) throws {
        do {
            let file = try fileSystem.openFile(aside, .createIfMissing)
            defer { file.close() }
            try file.truncate(to: 0)
            try file.write(JSONLine.line(report.json), at: 0)
            try file.sync()
            try fileSystem.rename(aside, to: path)
            // Some file systems record the new name with the file, and not with the directory.
            try file.sync()
            let parent = path.removingLastComponent()
            try fileSystem.syncDirectory(parent.string.isEmpty ? "." : parent)
        } catch {
            throw Failure(error.errno, "The receipt cannot be written", path: path)
        }
    }

    /// Nothing came of it: what was there before is as it was.
    func discard() {
        // Best effort: an empty file beside the receipt says nothing.
        try? fileSystem.removeFile(aside)
    }
}
