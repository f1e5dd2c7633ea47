import AgentJournal
import JournalFileSystem

/// From an opening of the journal to its closing: some threads that each do one operation after the other, and one who follows.
struct Life: Sendable {
    /// So long a follower may take for what is there already.
    private static let patienceMilliseconds = 30_000

    let number: UInt64
    let seed: UInt64
    let journal: Journal
    let settings: Settings
    let recorder: Recorder

    func run() throws {
        var random = SplitMix(state: seed)
        let from = try startOfFollowing(using: &random)
        let follower = Follower(
            number: number, after: from, journal: journal, recorder: recorder)
        try follower.start()
        // Half of the lives end with the run only.
        let operations = Bool.random(using: &random) ? Int.random(in: 1...400, using: &random) : Int.max
        let threads = try (0..<settings.threads).map { thread in
            let seed = random.next()
            return try spawnThread(name: "client-\(thread)") {
                var client = Client(life: self, thread: thread, random: SplitMix(state: seed))
                client.run(operations: operations)
            }
        }
        for thread in threads { thread.join() }
        try waitFor(follower, using: &random)
        try recorder.write("c \(now())")
        var failure: JournalError?
        do throws(JournalError) {
            try journal.closeNow()
        } catch {
            failure = error
        }
        try recorder.write("C \(now()) \(failure?.code.rawValue ?? "ok")")
        follower.join()
    }

    /// Now and then the first event, as a rule one of the last.
    private func startOfFollowing(using random: inout SplitMix) throws -> UInt64 {
        guard Int.random(in: 0..<6, using: &random) > 0 else { return 0 }
        let last = try journal.view().sequence
        return last - min(last, UInt64.random(in: 0...300, using: &random))
    }

    /// What is there as the life ends must come to who follows.
    private func waitFor(_ follower: Follower, using random: inout SplitMix) throws {
        let last = try journal.view().sequence
        if !follower.waits(for: last, timeoutMilliseconds: Life.patienceMilliseconds) {
            try recorder.write("W \(now()) \(number) \(last)")
        }
        // It ends with the journal otherwise.
        if Bool.random(using: &random) { follower.cancel() }
    }
}
