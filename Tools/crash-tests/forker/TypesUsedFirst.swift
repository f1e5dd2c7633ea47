import JournalFileSystem
import Synchronization

/// Threads of the library's use types for the first time, over and over, and fork meanwhile, two of them; so does each child.
///
/// The first use of a type takes a lock of Swift's runtime. A child that was forked meanwhile would wait for it for ever.
final class TypesUsedFirst: Sendable {
    private struct Left<Inner> { var inner: Inner }
    private struct Right<Inner> { var inner: Inner }

    private let isToEnd = Atomic<Bool>(false)
    private let uses = Monitor(0)

    static func run(forks: Int) throws -> String {
        let scene = TypesUsedFirst()
        let user = try spawnThread(name: "types") { [scene] in
            while !scene.isToEnd.load(ordering: .acquiring) {
                let number = scene.uses.withLock { uses in
                    uses += 1
                    return uses
                }
                use(number)
            }
        }
        let forkers = try (0..<2).map { half in
            try spawnThread(name: "forks") {
                do {
                    for number in 0..<forks / 2 { try forkOnce(number * 2 + half) }
                } catch {
                    end(saying: error)
                }
            }
        }
        for forker in forkers { forker.join() }
        scene.isToEnd.store(true, ordering: .releasing)
        user.join()
        return "\(forks) forks, \(scene.uses.withLock { $0 }) types used first"
    }

    private static func forkOnce(_ number: Int) throws {
        sleep(milliseconds: Double.random(in: 0...1))
        let child = try Child("child \(number)") {
            // None that the thread comes to.
            for path in 0..<20 { use(1 << 40 | number << 8 | path) }
        }
        try child.wait("child \(number)")
    }

    /// Uses a type of its own for each number: nested as its bits say.
    private static func use(_ number: Int) { nest(Int.self, number) }

    @inline(never) private static func nest<Type>(_ type: Type.Type, _ number: Int) {
        guard number > 0 else {
            // An array of it is one more type; the compiler cannot know which.
            return precondition([Type]().isEmpty)
        }
        if number % 2 == 0 { nest(Left<Type>.self, number / 2) } else { nest(Right<Type>.self, number / 2) }
    }
}
