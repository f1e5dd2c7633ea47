import AgentJournal
import Foundation
import Testing

/// Processes that fork with journals open: `forker`, whose scenes check what parent and child see and end with an error
/// where it is not as it should be. This process has too many threads of others' to be forked itself.
struct ForkTests {
    /// `AGENT_JOURNAL_FORKS` says how often.
    private static let forks =
        ProcessInfo.processInfo.environment["AGENT_JOURNAL_FORKS"].flatMap { Int($0) } ?? 200

    @Test func aParentForkedAtRandomMomentsHasAllThatWasAcknowledged() async throws {
        let line = try await play("storm", "\(ForkTests.forks)")
        #expect(line.hasPrefix("\(ForkTests.forks) forks, "))
        print("forks: \(line)")
    }

    @Test func aChildThatOutlivesItsParentKeepsNoLock() async throws {
        #expect(try await play("orphan") == "opened beside the orphan")
    }

    @Test func handlesWorkInTheChildAndInItsChild() async throws {
        #expect(try await play("handover") == "all 5 there")
    }

    @Test func aChildThatLetsGoDoesNothingToItsParentsJournal() async throws {
        #expect(try await play("untouched") == "the parent's journal is as it was")
    }

    @Test func whereOpeningAnewFailsTheCallSaysWhy() async throws {
        #expect(try await play("missing") == "opened when it was there again")
    }

    @Test func threadsOfAChildThatCallAtOnceMeetInOneEngine() async throws {
        #expect(try await play("crowd").hasPrefix("20 rounds, "))
    }

    @Test func aFileOfTheParentIsClosedInTheChildAndItsNumberIsAnothers() async throws {
        #expect(try await play("files") == "the parent's file is as it was")
    }

    @Test func aThreadThatUsesTypesForTheFirstTimeIsNotCutOff() async throws {
        let line = try await play("types")
        #expect(line.hasPrefix("300 forks, "))
        print("forks: \(line)")
    }

    private func play(_ scene: String, _ more: String...) async throws -> String {
        try await withTemporaryDirectory { directory in
            let lines = try await ChildProcess.lines(
                of: "forker", [scene, directory.appending("journal").string] + more)
            return lines.map(String.init).joined(separator: "\n")
        }
    }
}
