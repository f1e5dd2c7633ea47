import CanonicalJSON
import Synchronization

/// One decoder under libFuzzer.
protocol Target: Sendable {
    /// What `Tools/fuzz/run` calls it, and its corpus.
    static var name: String { get }
    init() throws
    /// Decodes the input and checks what must hold of the result. What must not be ends the process.
    func run(_ input: [UInt8]) throws
    /// What its kept corpus is made of, by name.
    func seeds() throws -> [String: [UInt8]]
}

enum Targets {
    static let all: [any Target.Type] = [
        SegmentTarget.self, FrameTarget.self, EventTarget.self, SnapshotTarget.self, ImportTarget.self,
        JSONTarget.self, TableTarget.self, PackedTarget.self, IdentityTarget.self, LockTarget.self,
        JournalTarget.self,
    ]

    /// The one that the command line names: `--target=NAME`, which libFuzzer passes over.
    static let chosen: any Target = {
        let prefix = "--target="
        let name = CommandLine.arguments.last { $0.hasPrefix(prefix) }?.dropFirst(prefix.count)
        guard let type = all.first(where: { $0.name == name ?? "" }) else {
            stop("give --target=, one of: \(all.map { $0.name }.joined(separator: " "))")
        }
        do {
            return try type.init()
        } catch {
            stop("\(type.name) cannot begin: \(error)")
        }
    }()
}

/// Ends the process, saying why: libFuzzer then keeps the input.
func stop(_ what: String) -> Never { fatalError(what) }

/// Ends the process unless the condition holds.
func expect(_ condition: Bool, _ what: @autoclosure () -> String) {
    if !condition { stop("does not hold: \(what())") }
}

/// Ends the process unless both are the same.
func expectSame<T: Equatable>(_ a: T, _ b: T, _ what: @autoclosure () -> String) {
    if a != b { stop("does not hold: \(what())\n  \(a)\n  \(b)") }
}

/// What libFuzzer calls with each input.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ data: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = Array(UnsafeBufferPointer(start: data, count: count))
    do {
        try Targets.chosen.run(input)
    } catch {
        stop("an error that no input should cause: \(error)")
    }
    return 0
}

/// What libFuzzer calls first. With `--seeds=DIRECTORY` it writes the kept corpora there, and ends.
@_cdecl("LLVMFuzzerInitialize")
public func initialize(
    _ count: UnsafeMutablePointer<CInt>?,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?>?
) -> CInt {
    let prefix = "--seeds="
    guard let argument = CommandLine.arguments.last(where: { $0.hasPrefix(prefix) }) else {
        _ = Targets.chosen
        return 0
    }
    do {
        try Seeds.write(to: String(argument.dropFirst(prefix.count)))
    } catch {
        stop("the seeds cannot be written: \(error)")
    }
    endProcess()
}
