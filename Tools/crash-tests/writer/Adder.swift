import AgentJournal

/// One of several that add at the same time, each to its own conversation and to one they share.
struct Adder {
    let number: Int
    let journal: Journal
    let settings: Settings

    /// Takes steps until it is told to end, beginning with the last one that is remembered: its receipt may not have
    /// been seen, and its keys give it again.
    func run() async throws {
        let own = journal.conversation(Script.conversation(of: number, part: 0))
        let last = try await own.memories(last: 1).first?.metadata["step"]?.intValue
        var step = last ?? 0
        while !settings.isToEnd {
            try await takeStep(step)
            if number == 0 { try await maintain(after: step) }
            step += 1
        }
    }

    /// Takes a step. Only when its receipts are there are they printed, in one write.
    private func takeStep(_ step: Int) async throws {
        while true {
            do {
                let (kind, receipts) = try await append(step)
                return try say(
                    "\(kind) \(number) \(step) " + receipts.map { "\($0.sequence)" }.joined(separator: " "))
            } catch {
                let isFull = (error as? JournalError)?.code == .diskFull
                guard settings.staysThroughFullDisk, isFull, !settings.isToEnd else { throw error }
            }
            // Certainly not written, and the engine goes on: once more, until there is space.
            try say("full \(number) \(step)")
            try await Task.sleep(for: .milliseconds(10))
        }
    }

    private func append(_ step: Int) async throws -> (kind: String, receipts: [Receipt]) {
        func memory(_ part: Int) -> NewMemory { Script.memory(of: number, step: step, part: part) }
        switch Script.step(step) {
        case .add:
            let memory = memory(0)
            let receipt = try await journal.conversation(Script.conversation(of: number, part: 0)).add(
                memory.content, role: memory.role, metadata: memory.metadata,
                idempotencyKey: memory.idempotencyKey)
            return ("add", [receipt])
        case .batch(let parts):
            let items = (0..<parts).map { (Script.conversation(of: number, part: $0), memory($0)) }
            return ("batch", try await journal.add(contentsOf: items))
        case .flush:
            return ("flush", [try await journal.flush(label: Script.label(of: number, step: step))])
        }
    }

    /// Now and then a snapshot and a compaction, beside what the others add.
    private func maintain(after step: Int) async throws {
        do throws(JournalError) {
            if step % 200 == 100 { try await journal.snapshot() }
            if step % 600 == 300 { try await journal.compact() }
        } catch {
            guard settings.staysThroughFullDisk, error.code == .diskFull else { throw error }
            try say("full-maintenance \(number) \(step)")
        }
    }
}

/// Prints a line with one write, so that what several print does not mix and nothing waits in a buffer.
func say(_ line: String) throws {
    try FileDescriptor.standardOutput.writeAll("\(line)\n".utf8)
}
