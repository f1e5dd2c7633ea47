import Foundation
import Testing

/// What `doctor` says of the place and of what is in it, and what is said when a journal is made.
@Suite(.timeLimit(.minutes(60))) struct DoctorTests {
    /// The tests' own directory is a temporary one, however it is named.
    @Test func aTemporaryDirectoryIsOneHoweverItIsNamed() throws {
        let shop = try Workshop()
        try shop.makeSmallJournal()
        try FileManager.default.createDirectory(
            atPath: shop.path("sub"), withIntermediateDirectories: false)
        try FileManager.default.createSymbolicLink(
            atPath: shop.path("link"), withDestinationPath: shop.path("j"))
        for name in ["j", "./j", "sub/../j", "link", shop.path("j"), shop.path("link/../j")] {
            let doctor = try shop.run("doctor", name, "--json")
            #expect(doctor.status == 0, "\(name): \(doctor.error)")
            #expect(doctor.out.contains(#"{"grade":"warning","message":"#), "\(name): \(doctor.out)")
            let storage = try #require(
                doctor.out.firstMatch(of: #/"grade":"([a-z]+)","message":"([^"]*)","name":"storage"/#))
            #expect(storage.1 == "warning", "\(name): \(storage.2)")
        }
    }

    @Test(arguments: ["add", "import", "backup"])
    func whoMakesAJournalWhereItDoesNotLastIsToldOnce(command: String) throws {
        let shop = try Workshop()
        try shop.makeSmallJournal()
        try shop.write(#"{"conversation":"c","content":"x"}"# + "\n", to: "lines")
        let arguments =
            switch command {
            case "add": ["add", "new", "c", "x"]
            case "import": ["import", "new", "lines"]
            default: ["backup", "j", "new"]
            }
        let warning = "Use a directory on a disk or volume that lasts"
        let first = try shop.start(arguments).wait()
        #expect(first.status == 0 && first.error.contains(warning), "\(first.error)")
        let second = try shop.start(arguments).wait()
        #expect(second.status == 0 && !second.error.contains(warning), "\(second.error)")
    }

    @Test(arguments: [
        "journal.json", "log/00000000000000000001-00000001.segment",
        "snapshots/00000000000000000004.snapshot",
    ])
    func damageIsSaidWhereverItIs(file: String) throws {
        let shop = try Workshop()
        try shop.makeSmallJournal()
        try shop.run("snapshot", "j")
        let bytes = try shop.read("j/\(file)")
        for offset in [bytes.count / 3, bytes.count / 2, bytes.count - 6] {
            var damaged = bytes
            damaged[offset] ^= 0x55
            try shop.write(damaged, to: "j/\(file)")
            let doctor = try shop.run("doctor", "j")
            #expect(doctor.status == 1, "offset \(offset): \(doctor.out)")
            #expect(doctor.out.contains("problem") && !doctor.out.contains("every byte is as"))
            let json = try shop.run("doctor", "j", "--json")
            #expect(json.status == 1 && json.out.contains(#""healthy":false"#))
        }
        try shop.write(bytes, to: "j/\(file)")
        let doctor = try shop.run("doctor", "j")
        #expect(doctor.status == 0 && doctor.out.contains("every byte is as it was written: 4 events"))
    }

    /// Whether this process may mount in a namespace of its own.
    private static let canMount =
        (try? Workshop().shell("unshare -m mount --bind / / 2>/dev/null").status) == 0

    @Test(.enabled(if: canMount, "needs root, to mount"))
    func aMountForReadingIsNotInOrder() throws {
        let shop = try Workshop()
        try shop.makeSmallJournal()
        let doctor = try shop.shell(
            #"unshare -m sh -c 'mount --bind j j && mount -o remount,ro,bind j && "$0" doctor j --json' "$T""#
        )
        #expect(doctor.status == 0, "\(doctor.error)")
        let findings = doctor.out.matches(of: #/"grade":"([a-z]+)","message":"([^"]*)","name":"([a-z]+)"/#)
        for name in ["mount", "permissions"] {
            let found = try #require(findings.first { $0.3 == name }, "\(doctor.out)")
            #expect(found.1 == "warning" && found.2.contains("reading only"), "\(found.0)")
        }
        #expect(!findings.contains { $0.3 == "sync" }, "nothing is written there to measure")
    }
}
