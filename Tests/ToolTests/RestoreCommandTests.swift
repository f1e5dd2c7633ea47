import AgentJournal
import Foundation
import SystemPackage
import Testing

/// `restore`, as its users run it.
@Suite struct RestoreCommandTests {
    private func backedUp() throws -> Workshop {
        let shop = try Workshop()
        try shop.run("add", "j", "c", "one")
        #expect(try shop.run("backup", "j", "copy").status == 0)
        try shop.run("add", "j", "c", "two")
        return shop
    }

    @Test func itPutsTheBackupInPlaceAndNamesWhatWasThere() throws {
        let shop = try backedUp()
        let restored = try shop.run("restore", "copy", "j")
        #expect(restored.status == 0 && restored.out.contains("j.restore-1"), "\(restored.error)")
        #expect(try shop.run("export", "j").lines.count == 1)
        #expect(try shop.run("export", "j.restore-1").lines.count == 2)
        #expect(try shop.run("restore", "nowhere", "j").status == 2)
        #expect(try shop.run("export", "j").lines.count == 1)
    }

    @Test func whileItIsOpenNothingIsRestored() async throws {
        let shop = try backedUp()
        try await Journal.withOpen(at: FilePath(shop.path("j"))) { _ in
            let refused = try shop.run("restore", "copy", "j", "--json")
            #expect(refused.status == 2 && refused.error.contains("busy"), "\(refused.error)")
        }
        #expect(try shop.run("export", "j").lines.count == 2)
    }

    @Test(.enabled(if: geteuid() == 0, "needs root, to have files of others"))
    func whatRootRestoresBelongsToTheJournalsOwner() throws {
        let shop = try backedUp()
        #expect(try shop.shell("chown -R 12345:12345 j").status == 0)
        #expect(try shop.run("restore", "copy", "j").status == 0)
        let others = try shop.shell("find j ! -uid 12345")
        #expect(others.out == "", "\(others.out)")
    }
}
