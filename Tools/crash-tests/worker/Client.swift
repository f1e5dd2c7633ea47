import AgentJournal
import JournalFileSystem

/// One thread: chooses operations by chance, makes them, and records them.
struct Client {
    /// After so many events other conversations, keys and labels are used, so that each stays small and many meet in it.
    private static let epochEvents: UInt64 = 400

    let life: Life
    let thread: Int
    var random: SplitMix
    private var number = 0
    /// The highest sequence it has heard of.
    private(set) var lastSeen: UInt64 = 0
    /// Memories it has heard of, by their sequences: to be forgotten, replaced, looked at. Some are not there any more.
    private(set) var known: [UInt64] = []
    /// Memories that it has added to forget them several at a time; nobody else forgets those, so the checker knows whose
    /// a forgetting was. Their tokens have this prefix.
    static let reservedPrefix = "r"
    var reserved: [UInt64] = []
    /// The journal takes nothing more from this process, or is closed.
    private var isOver = false

    var journal: Journal { life.journal }

    init(life: Life, thread: Int, random: SplitMix) {
        self.life = life
        self.thread = thread
        self.random = random
    }

    mutating func run(operations: Int) {
        var left = operations
        while !isOver, left > 0 {
            if left % 16 == 0, life.settings.isToEnd { break }
            left -= 1
            if life.settings.isReader { read() } else { act() }
            if chance(2) { pause(microseconds: UInt32.random(in: 0...1500, using: &random)) }
        }
    }

    // MARK: Recording

    /// Records a call, makes it, and records what it returned.
    ///
    /// - Returns: nil when it failed, or there is nothing to be told.
    @discardableResult
    mutating func record<R>(_ call: String, _ result: (R) -> String, _ body: () throws -> R) -> R? {
        let id = "\(life.number)-\(thread).\(number)"
        number += 1
        write("I \(now()) \(id) \(call)")
        do {
            let value = try body()
            let time = now()
            write("R \(time) \(id) ok \(result(value))")
            return value
        } catch {
            write("R \(now()) \(id) err \(code(of: error))")
            explain(error)
            switch code(of: error) {
            case "outcome_unknown", "not_written", "closed", "damaged": isOver = true
            case "busy": pause(microseconds: 5000)
            default: break
            }
            return nil
        }
    }

    private func write(_ line: String) {
        do { try life.recorder.write(line) } catch { fatalError("the history cannot be written: \(error)") }
    }

    // MARK: Choosing

    /// True once in so many times.
    mutating func chance(_ times: Int) -> Bool { Int.random(in: 0..<times, using: &random) == 0 }

    /// A name that nobody else gives to a content.
    mutating func newToken(item: Int = 0) -> String {
        "\(life.settings.run).\(life.number)-\(thread).\(number).\(item)"
    }

    /// The present epoch as a rule, now and then an earlier one.
    mutating func epoch() -> UInt64 {
        let present = lastSeen / Client.epochEvents
        return chance(8) ? UInt64.random(in: 0...present, using: &random) : present
    }

    mutating func conversation() -> String { "e\(epoch())-\(Int.random(in: 0..<5, using: &random))" }

    mutating func label() -> String { "l\(epoch())-\(Int.random(in: 0..<3, using: &random))" }

    mutating func see(_ sequence: UInt64) { lastSeen = max(lastSeen, sequence) }

    mutating func learn(_ sequence: UInt64) {
        if known.count < 24 {
            known.append(sequence)
        } else {
            known[Int.random(in: 0..<24, using: &random)] = sequence
        }
    }
}

/// Runs an asynchronous call and blocks this thread, which is none of the pool's, until it has returned.
func blocking<R: Sendable>(_ body: @escaping @Sendable () async throws -> R) throws -> R {
    let done = Monitor<Result<R, any Error>?>(nil)
    Task {
        let result: Result<R, any Error>
        do { result = .success(try await body()) } catch { result = .failure(error) }
        done.withLock { $0 = result }
        done.broadcast()
    }
    return try done.withLock(waitingUntil: { $0 != nil }) { $0! }.get()
}
