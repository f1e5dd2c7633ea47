import AgentJournal

/// What the adders write. Everything follows from three numbers (adder, step, part), which the idempotency key holds, so
/// whoever finds a memory can tell whether it is what was added.
///
/// Tools/crash-tests/recording.py knows the same script.
enum Script {
    /// What an adder does in one step.
    enum Step: Hashable {
        case add
        /// One batch of so many parts; every other part goes to the conversation that all adders share.
        case batch(Int)
        /// A flush; its label is the step.
        case flush
    }

    static func step(_ number: Int) -> Step {
        if number % 11 == 5 { return .flush }
        if number % 7 == 3 { return .batch(2 + number % 6) }
        return .add
    }

    static func conversation(of adder: Int, part: Int) -> String {
        part % 2 == 1 ? "shared" : "adder-\(adder)"
    }

    static func label(of adder: Int, step number: Int) -> String { "\(adder)-\(number)" }

    static func key(of adder: Int, step number: Int, part: Int) -> String { "\(adder)-\(number)-\(part)" }

    static func memory(of adder: Int, step number: Int, part: Int) -> NewMemory {
        let key = key(of: adder, step: number, part: part)
        return NewMemory(
            .text(
                text(key, seed: UInt64(adder) << 40 | UInt64(number) << 8 | UInt64(part), words(number, part))
            ),
            role: .user, metadata: ["step": JSON(number)], idempotencyKey: key)
    }

    /// Most memories are short, as messages are; some are larger than a page, some larger than what is compressed by
    /// the committer.
    private static func words(_ number: Int, _ part: Int) -> Int {
        if part > 0 { return 4 }
        if number % 50 == 49 { return 12_000 }
        return number % 13 == 12 ? 600 : 1 + number % 29
    }

    /// The key, and words of eight hexadecimal digits from Knuth's linear congruential generator.
    private static func text(_ key: String, seed: UInt64, _ words: Int) -> String {
        let digits = Array("0123456789abcdef".utf8)
        var bytes = Array(key.utf8)
        bytes.reserveCapacity(bytes.count + 9 * words)
        var state = seed
        for _ in 0..<words {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            bytes.append(UInt8(ascii: " "))
            for shift in stride(from: 60, through: 32, by: -4) {
                bytes.append(digits[Int(state >> shift & 15)])
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
