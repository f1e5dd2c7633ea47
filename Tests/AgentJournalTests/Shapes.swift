import AgentJournal
import Foundation
import JournalFileSystem
import Logging
import JournalTesting
import Synchronization
import SystemPackage

/// Random numbers that are the same each time (SplitMix64).
struct Random: RandomNumberGenerator {
    var state: UInt64

    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    mutating func pick<C: Collection>(_ choices: C) -> C.Element {
        choices[choices.index(choices.startIndex, offsetBy: Int(next() % UInt64(choices.count)))]
    }
}

/// Writes a journal with something of everything: kinds of content and of event, sizes, names, segments, reopenings.
struct Shapes {
    var random: Random
    private let directory: FilePath
    private let options: Journal.Options
    private let clock = TestClock()
    private var journal: Journal
    var journalForTesting: Journal { journal }
    private var live: [UInt64] = []
    private let hasLargeTexts: Bool
    private var keyed: [(conversation: String, memory: NewMemory)] = []

    private static let names = [
        "support/user-42", "support/user-43", "a", "é", "e\u{301}", "日本/会話",
        String(repeating: "n", count: 512),
    ]
    private static let texts = [
        "", "prefers email", "line\nline\r\n\ttab \u{0}\u{1}\u{7F}\u{85}", "\"quoted\" \\ / 😀 e\u{301}",
        "null",
        String(repeating: "the same again and again, ", count: 300),

    ]
    /// One that its caller compresses.
    private static let largeText = String(repeating: "long, ", count: 30_000)
    private static let json = [
        "{}", "[]", "true", "-0", "1.10", "1E400", "12345678901234567890123",
        #"{"b":1,"a":[null,{"é":"\ud83d\ude00"}]}"#,
        #"[" ","\\",{"z":{"y":{"x":[[[[]]]]}}}]"#,
    ]

    /// On the real file system, in segments as small as they get.
    init(seed: UInt64, directory: URL) async throws {
        var options = Journal.Options()
        options.segmentBytes = seed % 2 == 0 ? 4096 : 1 << 20
        options.logger.logLevel = .critical
        options.compressionLevel = [1, 6, 9][Int(seed % 3)]
        try await self.init(
            seed: seed, directory: FilePath(directory.path), options: options, hasLargeTexts: true)
    }

    init(seed: UInt64, directory: FilePath, options: Journal.Options, hasLargeTexts: Bool = false)
        async throws
    {
        random = Random(seed)
        self.hasLargeTexts = hasLargeTexts
        var options = options
        let clock = clock
        options.clock = { clock.now }
        let bits = Mutex(Random(seed &+ 1000))
        let source = Source(bits)
        options.random = { source.next() }
        self.directory = directory
        self.options = options
        journal = try await Journal.open(at: directory, options: options)
    }

    private final class Source: Sendable {
        private let random: Mutex<Random>
        init(_ random: consuming Mutex<Random>) { self.random = random }
        func next() -> UInt64 { random.withLock { $0.next() } }
    }

    mutating func reopen() async throws {
        try await journal.close()
        journal = try await Journal.open(at: directory, options: options)
    }

    func close() async throws { try await journal.close() }

    /// One event, or a batch of them.
    mutating func step() async throws {
        clock.now = clock.now.advanced(by: .microseconds(Int64(random.next() % 3_000_000_000)))
        switch random.next() % 12 {
        case 0 where !live.isEmpty:
            let sequence = live.remove(at: Int(random.next() % UInt64(live.count)))
            try await journal.forget([sequence])
        case 1:
            let name = random.pick(Self.names)
            let there = Set(try await journal.conversation(name).memories().map(\.sequence))
            try await journal.conversation(name).clear()
            live.removeAll { there.contains($0) }
        case 2: try await journal.flush(label: random.next() % 2 == 0 ? nil : "flush \(random.next() % 4) é")
        case 3 where !live.isEmpty:
            let sequence = live.remove(at: Int(random.next() % UInt64(live.count)))
            guard let memory = try journal.view().memory(sequence) else { return }
            let new = try await journal.conversation(memory.conversation).replace(sequence, with: newMemory())
            live.append(new.sequence)
        case 4 where !keyed.isEmpty:
            _ = try await journal.add(contentsOf: [random.pick(keyed)])
        case 5:
            let batch = (0..<(2 + random.next() % 20)).map { _ in (random.pick(Self.names), newMemory()) }
            live += try await journal.add(contentsOf: batch).filter { !$0.isReplayed }.map(\.sequence)
        default:
            let name = random.pick(Self.names)
            var memory = newMemory()
            if random.next() % 3 == 0 {
                memory.idempotencyKey = "key \(random.next())"
                keyed.append((name, memory))
            }
            live += try await journal.add(contentsOf: [(name, memory)]).map(\.sequence)
        }
    }

    private mutating func newMemory() -> NewMemory {
        var memory: NewMemory
        switch random.next() % 4 {
        case 0: memory = NewMemory(.json(try! JSON(parsing: random.pick(Self.json))))
        case 1:
            memory = NewMemory(
                .bytes((0..<random.next() % 900).map { _ in UInt8(truncatingIfNeeded: random.next()) }))
        default:
            let isLarge = hasLargeTexts && random.next() % 8 == 0
            memory = NewMemory(.text(isLarge ? Self.largeText : random.pick(Self.texts)))
        }
        if random.next() % 3 == 0 {
            memory.mimeType = random.pick(["text/plain", "image/png", "application/json; é"])
        }
        if random.next() % 3 > 0 {
            memory.role = random.pick([.user, .assistant, Role(rawValue: "Rolle ß")])
        }
        if random.next() % 3 == 0 {
            memory.metadata = [
                "topic": "contact", "n": try! JSON(parsing: random.pick(Self.json)), "é": nil, "e\u{301}": 1,
            ]
        }
        if random.next() % 4 == 0 {
            memory.timestamp = random.pick([
                Timestamp("0001-01-01T00:00:00Z")!, Timestamp("1969-12-31T23:59:59.999999Z")!,
                Timestamp("9999-12-31T23:59:59.999999Z")!, Timestamp("2024-02-29T12:00:00+05:30")!,
            ])
        }
        return memory
    }
}
