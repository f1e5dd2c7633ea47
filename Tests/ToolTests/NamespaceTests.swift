import Foundation
import Testing

/// Two containers that share a volume: each sees the directory under another path, in a mount namespace of its own.
@Suite("Two mount namespaces over one directory")
struct NamespaceTests {
    /// Needs Linux and a root that may mount.
    static let mayMount: Bool = {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = ["-c", "unshare --mount sh -c 'mount -t tmpfs none /mnt' 2> /dev/null"]
        guard (try? process.run()) != nil else { return false }
        process.waitUntilExit()
        return process.terminationStatus == 0
    }()

    @Test(
        "both write at once, and see one memory",
        .enabled(if: mayMount, "mounting in a namespace of one's own needs Linux and root"))
    func share() throws {
        let shop = try Workshop()
        try shop.run("add", "j", "c", "first")
        // Each adds twenty, one process after the other, while the other does.
        let adding = { (name: String) in
            "unshare --mount sh -c 'mount --bind j \(name) && for i in $(seq 20); do "
                + "\"$T\" add \(name) c \(name)-$i > /dev/null || exit 1; done'"
        }
        let both = try shop.shell(
            "export T; mkdir m n && { \(adding("m")) & first=$!; \(adding("n")) & second=$!; wait $first && wait $second; }"
        )
        #expect(both.status == 0, "\(both.error)")
        // Behind the bind mounts, in this process's namespace, nothing was written.
        #expect(try shop.shell("ls m n").out == "m:\n\nn:\n")
        let lines = try shop.run("export", "j").lines
        #expect(lines.count == 41)
        for name in ["m", "n"] {
            let own = lines.filter { $0.contains("\"\(name)-") }
            #expect(own.count == 20)
            for (index, line) in own.enumerated() { #expect(line.contains("\"\(name)-\(index + 1)\"")) }
        }
        #expect(try shop.run("verify", "j").status == 0)
    }
}
