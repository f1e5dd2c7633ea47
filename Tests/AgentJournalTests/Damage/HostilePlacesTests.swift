import Foundation
import JournalFileSystem
import Logging
import SystemPackage
import Testing

@testable import AgentJournal

/// A directory that somebody made to hurt: something else stands where a file of the journal should.
@Suite("Something else in the place of a file", .timeLimit(.minutes(2)))
struct HostilePlacesTests {
    /// Where. `damaged/unfinished` is only there while a repair is.
    enum Place: String, CaseIterable {
        case identity = "journal.json"
        case lock
        case log
        case snapshots
        case segment
        case snapshot
        case damaged
        case note = "damaged/unfinished"
        case newIdentity = "journal.json.new"
        case newSnapshot
    }

    enum Thing: String, CaseIterable {
        case linkToFile, linkToDirectory, linkToNothing, hardLink, fifo, socket, directory
    }

    /// What people do with a directory that they were given.
    private static let commands: [(String, @Sendable (FilePath) throws -> Void)] = [
        ("verify", { _ = try Journal.verify(at: $0, fileSystem: PosixFileSystem()) }),
        (
            "read",
            { path in
                try open(path, .readOnly) { journal in
                    _ = try journal.view().digest()
                    _ = try journal.statisticsNow()
                }
            }
        ),
        (
            "back up",
            { path in
                try open(path, .readOnly) { _ = try $0.backUpNow(to: FilePath(path.string + "-copy")) }
            }
        ),
        ("add", { try open($0, .readWrite) { _ = try $0.addNow([("c", NewMemory(.text("more")))]) } }),
        (
            "compact",
            { path in
                try open(path, .readWrite) { journal in
                    _ = try journal.snapshotNow()
                    _ = try journal.forgetNow([1])
                    _ = try journal.compactNow(keepingHistory: .none, erasingForgotten: true)
                }
            }
        ),
        (
            "repair",
            { path in
                var options = Journal.Options()
                options.logger.logLevel = .critical
                _ = try Journal.repair(at: path, options: options, dryRun: false)
            }
        ),
        (
            "back up into it",
            { path in
                let other = FilePath(path.string + "-other")
                try open(other, .readWrite) { _ = try $0.addNow([("c", NewMemory(.text("other")))]) }
                try open(other, .readOnly) { _ = try $0.backUpNow(to: path) }
            }
        ),
    ]

    private static func open(
        _ path: FilePath, _ access: Journal.Access, _ body: (Journal) throws -> Void
    ) throws {
        var options = Journal.Options()
        options.access = access
        options.logger.logLevel = .critical
        options.lockTimeout = .milliseconds(500)
        let journal = try Journal.openNow(
            at: path, create: path.string.hasSuffix("-other") ? .ifMissing : .never, options: options)
        do {
            try body(journal)
        } catch {
            try? journal.closeNow()
            throw error
        }
        try journal.closeNow()
    }

    /// A journal of two segments and a snapshot, and a directory beside it that must stay as it is.
    private func withJournal(_ body: (_ journal: FilePath, _ outside: FilePath) throws -> Void) throws {
        let base = FileManager.default.temporaryDirectory.appending(path: "hostile-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: base) }
        try FileManager.default.createDirectory(at: base, withIntermediateDirectories: true)
        let journal = FilePath(base.appending(path: "journal").path)
        let outside = FilePath(base.appending(path: "outside").path)
        var options = Journal.Options()
        options.logger.logLevel = .critical
        options.segmentBytes = 4096
        let opened = try Journal.openNow(at: journal, create: .ifMissing, options: options)
        for number in 0..<40 {
            _ = try opened.addNow([("c", NewMemory(.text(String(repeating: "\(number) ", count: 200))))])
        }
        _ = try opened.snapshotNow()
        try opened.closeNow()
        try FileManager.default.createDirectory(atPath: outside.string, withIntermediateDirectories: true)
        try body(journal, outside)
    }

    /// Every file below a directory, with what is in it.
    private func contents(_ directory: FilePath) -> [String: Data] {
        let all = FileManager.default.enumerator(atPath: directory.string)?.compactMap { $0 as? String } ?? []
        return Dictionary(
            uniqueKeysWithValues: all.map { name in
                (name, FileManager.default.contents(atPath: directory.appending(name).string) ?? Data())
            })
    }

    private func path(of place: Place, in journal: FilePath) throws -> FilePath {
        func first(_ folder: String) throws -> FilePath {
            let names = try PosixFileSystem().names(inDirectory: journal.appending(folder)).sorted()
            return journal.appending(folder).appending(names.last!)
        }
        return switch place {
        case .segment: try first("log")
        case .snapshot: try first("snapshots")
        case .newSnapshot: FilePath(try first("snapshots").string + ".new")
        default: journal.appending(place.rawValue)
        }
    }

    /// Puts a thing there; what stood there is outside now, so that a link leads to what fits.
    private func put(_ thing: Thing, at path: FilePath, outside: FilePath) throws {
        let manager = FileManager.default
        let moved = outside.appending("moved")
        if (try? PosixFileSystem().status(of: path)) != nil {
            try manager.moveItem(atPath: path.string, toPath: moved.string)
        } else {
            try manager.createDirectory(
                atPath: path.removingLastComponent().string, withIntermediateDirectories: true)
            try Data("precious".utf8).write(to: URL(filePath: moved.string))
        }
        let folder = outside.appending("folder")
        try manager.createDirectory(atPath: folder.string, withIntermediateDirectories: true)
        for name in [
            "lock", "00000000000000000001.snapshot", "00000000000000000099.snapshot.new", "unfinished",
        ] {
            try Data("precious".utf8).write(to: URL(filePath: folder.appending(name).string))
        }
        switch thing {
        case .linkToFile:
            try manager.createSymbolicLink(atPath: path.string, withDestinationPath: moved.string)
        case .linkToDirectory:
            try manager.createSymbolicLink(atPath: path.string, withDestinationPath: folder.string)
        case .linkToNothing:
            try manager.createSymbolicLink(
                atPath: path.string, withDestinationPath: outside.appending("nothing").string)
        case .hardLink:
            // A directory cannot have one.
            let isFile = try PosixFileSystem().status(of: moved)?.kind == .file
            try manager.linkItem(
                atPath: isFile ? moved.string : folder.appending("lock").string, toPath: path.string)
        case .fifo: #expect(mkfifo(path.string, 0o600) == 0)
        case .socket: #expect(mknod(path.string, S_IFSOCK | 0o600, 0) == 0)
        case .directory:
            try manager.createDirectory(atPath: path.string, withIntermediateDirectories: true)
        }
    }

    @Test("every command ends, and nothing outside changes", arguments: Place.allCases, Thing.allCases)
    func everywhere(_ place: Place, _ thing: Thing) throws {
        for (name, command) in HostilePlacesTests.commands {
            try withJournal { journal, outside in
                let path = try path(of: place, in: journal)
                try put(thing, at: path, outside: outside)
                let before = contents(outside)
                do {
                    try command(journal)
                } catch let error as JournalError {
                    #expect(error.code != .outcomeUnknown, "\(name): \(error)")
                    if place != .newIdentity, place != .newSnapshot, name != "back up into it" {
                        #expect(
                            error.path.map { path.starts(with: $0) || $0.starts(with: journal) } == true,
                            "\(name): \(error)")
                    }
                }
                #expect(contents(outside) == before, "\(name)")
            }
        }
    }
}
