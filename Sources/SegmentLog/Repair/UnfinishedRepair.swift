package import JournalFileSystem
package import SystemPackage

/// The note `damaged/unfinished`, which is there while a repair is: what it found lost, until that is recorded as events, and what
/// they forgot is forgotten once more. A crash in between leaves a log in which nothing is wrong any more.
///
/// Lines of two sequences, the first and the last of each loss, and a last line `end`.
package struct UnfinishedRepair {
    private let fileSystem: any FileSystem
    private let damaged: FilePath
    private var path: FilePath { damaged.appending(UnfinishedRepair.name) }

    /// In the directory of what is set aside.
    static let name = "unfinished"
    /// Relative to the journal's directory.
    package static let file = "\(LogRepair.damagedDirectory)/\(name)"
    /// No repair has so many losses to tell.
    private static let longest = 64 << 20

    package init(_ directory: FilePath, _ fileSystem: any FileSystem) {
        damaged = directory.appending(LogRepair.damagedDirectory)
        self.fileSystem = fileSystem.confined(to: directory)
    }

    package var isThere: Bool {
        get throws(LogError) {
            try asLogError { () throws(FileSystemError) in try fileSystem.status(of: path) != nil }
        }
    }

    /// What was found lost; nil where the note is not there, or is damaged itself.
    package var losses: [ClosedRange<UInt64>]? {
        get throws(LogError) {
            guard try isThere else { return nil }
            let bytes = try asLogError { () throws(FileSystemError) in
                try fileSystem.contents(of: path, atMost: UnfinishedRepair.longest)
            }
            var lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
            guard lines.popLast() == "end" else { return nil }
            var losses: [ClosedRange<UInt64>] = []
            for line in lines {
                let numbers = line.split(separator: " ").map { UInt64($0) }
                guard numbers.count == 2, let first = numbers[0], let last = numbers[1], first <= last,
                    last < 1 << 62
                else {
                    return nil
                }
                losses.append(first...last)
            }
            return losses
        }
    }

    /// Leaves the note, durable, in place of an earlier one.
    package func write(_ losses: [ClosedRange<UInt64>]) throws(LogError) {
        let text = losses.map { "\($0.lowerBound) \($0.upperBound)\n" }.joined() + "end\n"
        let (fileSystem, damaged, path) = (fileSystem, damaged, path)
        try asLogError { () throws(FileSystemError) in
            try fileSystem.createDamagedDirectory(damaged)
            let unfinished = damaged.appending(UnfinishedRepair.name + SegmentName.unfinishedSuffix)
            if try fileSystem.status(of: unfinished) != nil { try fileSystem.removeFile(unfinished) }
            let file = try fileSystem.openFile(unfinished, .createNew)
            defer { file.close() }
            try file.write(Array(text.utf8), at: 0)
            try file.sync()
            try fileSystem.rename(unfinished, to: path)
            try fileSystem.syncDirectory(damaged)
        }
    }

    /// All is recorded.
    package func remove() throws(LogError) {
        let (fileSystem, damaged, path) = (fileSystem, damaged, path)
        try asLogError { () throws(FileSystemError) in
            try fileSystem.removeFile(path)
            try fileSystem.syncDirectory(damaged)
        }
    }
}

extension FileSystem {
    /// Makes the directory for what repairs set aside, durably, where it is not there.
    func createDamagedDirectory(_ damaged: FilePath) throws(FileSystemError) {
        guard try status(of: damaged) == nil else { return }
        try createDirectory(damaged)
        try syncDirectory(damaged.removingLastComponent())
    }

    /// A name that nothing has among what is set aside; with a number behind it where an earlier one has that name.
    func freeName(of path: FilePath, in damaged: FilePath) throws(FileSystemError) -> FilePath {
        try createDamagedDirectory(damaged)
        var target = damaged.appending(path.lastComponent!)
        var number = 1
        while try status(of: target) != nil {
            number += 1
            target = damaged.appending("\(path.lastComponent!.string)~\(number)")
        }
        return target
    }
}
