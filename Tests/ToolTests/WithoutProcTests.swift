import Foundation
import Testing

/// In a chroot, and in some containers, /proc is not mounted.
@Suite struct WithoutProcTests {
    private static let canHide = (try? Workshop().shell("unshare -m mount -t tmpfs none /proc").status) == 0

    @Test(.enabled(if: canHide, "needs root, to hide /proc"))
    func theToolDoesWhatItIsToldToDo() throws {
        let shop = try Workshop()
        try shop.run("add", "j", "c", "first")
        let hidden = #"unshare -m sh -c 'mount -t tmpfs none /proc && exec "$0" "$@"' "$T""#
        let added = try shop.shell("\(hidden) add j c second")
        #expect(added.status == 0, "\(added.error)")
        #expect(try shop.run("export", "j").lines.count == 2)
        #expect(try shop.shell("\(hidden) verify j").status == 0)
        #expect(try shop.shell("\(hidden) no-such-command j").status == 64)
    }
}
