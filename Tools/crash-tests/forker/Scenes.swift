import AgentJournal
import JournalFileSystem

/// What one or two forks show.
enum Scenes {
    /// A child that does nothing, and outlives its parent, does not keep the parent's locks.
    static func orphan(_ directory: FilePath) throws -> String {
        let (isThere, mayEnd, isStillThere) = (try Line(), try Line(), try Line())
        let parent = try Child("parent") {
            let journal = try Journal.openNow(at: directory, options: Journal.quiet())
            try journal.addText("parent", to: "a")
            _ = try Child("orphan") {
                try isThere.signal()
                try mayEnd.wait()
                try isStillThere.signal()
            }
            killSelf()
        }
        try parent.wait("the parent", signal: 9)
        try isThere.wait()
        let journal = try Journal.openNow(at: directory, create: .never, options: Journal.quiet())
        try expect(try journal.texts(in: "a") == ["parent"], "what was acknowledged is not there")
        try journal.closeNow()
        try mayEnd.signal()
        try isStillThere.wait()
        return "opened beside the orphan"
    }

    /// Handles that were opened before the fork work in the child, and in its child.
    static func handover(_ directory: FilePath) throws -> String {
        let handles = try (0..<3).map { _ in try Journal.openNow(at: directory, options: Journal.quiet()) }
        let reader = try Journal.openNow(at: directory, options: Journal.quiet(.readOnly))
        try handles[0].addText("parent", to: "a")
        let (view, conversation) = (try handles[0].view(), handles[1].conversation("a"))
        let mayBegin = try Line()
        let child = try Child("child") {
            try mayBegin.wait()
            try expect(.closed, "a view of before the fork") { _ = try view.count }
            try expect(.closed, "an export of such a view") { _ = try view.digest() }
            try expect(try reader.texts(in: "a") == ["parent"], "the reader does not see what is there")
            // Both open anew, and share one engine.
            try handles[0].addText("child", to: "a")
            try conversation.journal.addText("child again", to: conversation.name)
            try expect(
                try reader.texts(in: "a") == ["parent", "child", "child again"], "the reader's child's view")
            let snapshot = try handles[0].snapshotNow()
            try expect(snapshot == 3, "the snapshot covers \(snapshot) events")
            for handle in handles.prefix(2) { try handle.closeNow() }
            try expect(.closed, "a closed handle") { try handles[0].addText("no", to: "a") }
            try Child("grandchild") {
                try expect(.closed, "a handle that the child closed") {
                    try handles[0].addText("no", to: "a")
                }
                try handles[2].addText("grandchild", to: "a")
                try handles[2].closeNow()
            }.wait("the grandchild")
            try handles[2].addText("child at last", to: "a")
            try handles[2].closeNow()
        }
        // That of the child stays open.
        for handle in handles { try handle.closeNow() }
        try mayBegin.signal()
        try child.wait("the child")
        let journal = try Journal.openNow(at: directory, create: .never, options: Journal.quiet())
        let expected = ["parent", "child", "child again", "grandchild", "child at last"]
        try expect(try journal.texts(in: "a") == expected, "\(try journal.texts(in: "a"))")
        try journal.closeNow()
        return "all \(expected.count) there"
    }

    /// A child that only lets go of what it inherited does nothing to the parent's journal.
    static func untouched(_ directory: FilePath) throws -> String {
        var journal: Journal? = try Journal.openNow(at: directory, options: Journal.quiet())
        try journal?.addText("first", to: "a")
        var view = try journal?.view()
        try Child("closing child") {
            try journal?.closeNow()
            try journal?.closeNow()
        }.wait("the child that closes")
        try Child("dropping child") {
            view = nil
            journal = nil
        }.wait("the child that drops what it has")
        try expect(try view?.count == 1, "the parent's view")
        try journal?.addText("second", to: "a")
        try Child("opening child") {
            func open() throws {
                let own = try Journal.openNow(at: directory, create: .never, options: Journal.quiet())
                try expect(try own.texts(in: "a") == ["first", "second"], "what the parent added")
                try own.closeNow()
            }
            if SeveralWriters.areThere { try open() } else { try expect(.busy, "the parent's lock", open) }
        }.wait("the child that opens")
        try expect(try journal?.texts(in: "a") == ["first", "second"], "the parent's adds")
        try journal?.closeNow()
        return "the parent's journal is as it was"
    }

    /// Where opening anew fails, the call that needed it says why, and a later one tries again. Nothing is made anew.
    static func missing(_ directory: FilePath) throws -> String {
        let fileSystem = PosixFileSystem()
        let elsewhere = FilePath(directory.string + ".elsewhere")
        let journal = try Journal.openNow(at: directory, options: Journal.quiet())
        try journal.addText("parent", to: "a")
        let mayBegin = try Line()
        let child = try Child("child") {
            try mayBegin.wait()
            try expect(.noJournal, "an add") { try journal.addText("no", to: "a") }
            try expect(.noJournal, "a view") { _ = try journal.view() }
            try expect(try fileSystem.status(of: directory) == nil, "a journal was made")
            try fileSystem.rename(elsewhere, to: directory)
            try journal.addText("child", to: "a")
            try expect(try journal.texts(in: "a") == ["parent", "child"], "what is there")
            try journal.closeNow()
        }
        try journal.closeNow()
        try fileSystem.rename(directory, to: elsewhere)
        try mayBegin.signal()
        try child.wait("the child")
        return "opened when it was there again"
    }

    /// Threads of a child that make the first call at the same time, while another closes: one engine at most, and
    /// nothing of it is left.
    static func crowd(_ directory: FilePath) throws -> String {
        let rounds = 20
        var added = 0
        for round in 0..<rounds {
            let writer = try Journal.openNow(at: directory, options: Journal.quiet())
            let reader = try Journal.openNow(at: directory, options: Journal.quiet(.readOnly))
            let (mayBegin, isDone, mayEnd) = (try Line(), try Line(), try Line())
            let closes = round % 2 == 1
            let child = try Child("crowd \(round)") {
                try mayBegin.wait()
                try meet(writer, reader, round, closes: closes)
                try isDone.signal()
                try mayEnd.wait()
            }
            try writer.closeNow()
            try reader.closeNow()
            try mayBegin.signal()
            try isDone.wait()
            // The child is still there, and holds nothing.
            let journal = try Journal.openNow(at: directory, create: .never, options: Journal.quiet())
            added = try journal.texts(in: "a").count
            try expect(closes || added >= 4 * (round / 2 + 1), "round \(round): \(added) are there")
            try journal.closeNow()
            try mayEnd.signal()
            try child.wait("the child of round \(round)")
        }
        return "\(rounds) rounds, \(added) added"
    }

    /// A file that was opened before the fork is closed in the child, where its number is somebody else's by now.
    static func files(_ path: FilePath) throws -> String {
        let file = try PosixFileSystem().openFile(path, .createNew)
        try file.write([1, 2, 3], at: 0)
        try Child("child") {
            try expect(inheritedDescriptors(in: path).isEmpty, "the child has it still")
            let others = try (0..<16).map { _ in try FileDescriptor.open(path, .readOnly) }
            do {
                _ = try file.length()
                throw Unexpected("the parent's file can be used")
            } catch let error as FileSystemError {
                try expect(error.errno == .badFileDescriptor, "\(error)")
            }
            file.close()
            // Closing what another opened would make this throw.
            for other in others { try other.close() }
        }.wait("the child")
        try expect(try file.length() == 3, "the parent's file")
        file.close()
        return "the parent's file is as it was"
    }

    private static func meet(
        _ writer: Journal, _ reader: Journal, _ round: Int, closes: Bool
    ) throws {
        let failures = Monitor<[String]>([])
        let threads = try (0..<8).map { number in
            try spawnThread(name: "caller") {
                do {
                    if closes, number == 7 {
                        try writer.closeNow()
                    } else if number % 2 == 1 {
                        _ = try reader.view().count
                    } else {
                        try writer.addText("\(round)-\(number)", to: "a")
                    }
                } catch let error as JournalError where closes && error.code == .closed {
                    return
                } catch {
                    failures.withLock { $0.append("\(error)") }
                }
            }
        }
        for thread in threads { thread.join() }
        try writer.closeNow()
        try reader.closeNow()
        let failed = failures.withLock { $0 }
        try expect(failed.isEmpty, "round \(round): \(failed)")
    }
}
