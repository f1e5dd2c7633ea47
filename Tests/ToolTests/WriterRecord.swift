import AgentJournal
import Testing

@testable import crash_writer

/// What is known of a journal that `crash-writer` writes: what it acknowledged, and what was found there before.
struct WriterRecord {
    struct Step: Hashable {
        var adder: Int
        var number: Int
    }

    /// The receipts of adds and batches.
    private(set) var acknowledged: [Step: [UInt64]] = [:]
    /// Those of flushes, which have no key: a repeated one is another event.
    private var flushed: [UInt64: Step] = [:]
    private var events: [Event] = []
    private var sequenceOfKey: [String: UInt64] = [:]
    /// The last step of each adder that left a memory.
    private var lastStep: [Int: Int] = [:]

    var acknowledgedCount: Int { acknowledged.values.reduce(0) { $0 + $1.count } + flushed.count }

    // MARK: What the writer said

    mutating func note(_ lines: [Substring], _ what: String) {
        for line in lines where line != "open" {
            let words = line.split(separator: " ")
            let numbers = words.dropFirst().compactMap { UInt64($0) }
            guard ["add", "batch", "flush"].contains(words[0]), words.count > 3,
                numbers.count == words.count - 1
            else {
                Issue.record("the writer said: \(line), \(what)")
                continue
            }
            let step = Step(adder: Int(numbers[0]), number: Int(numbers[1]))
            let receipts = Array(numbers[2...])
            if words[0] == "flush" {
                flushed[receipts[0]] = step
            } else {
                // A writer begins with the last step that is remembered, whose keys give the first receipts.
                #expect(acknowledged[step] ?? receipts == receipts, "\(step) again, \(what)")
                acknowledged[step] = receipts
            }
        }
    }

    // MARK: What is there

    /// Compares all events of the journal with the script, with what was acknowledged, and with what was there before.
    mutating func compare(with found: [Event], _ what: String) {
        #expect(found.map(\.sequence) == Array(1..<UInt64(found.count + 1)), "gapless, \(what)")
        // What was shown once stays as it was.
        #expect(found.count >= events.count && found.prefix(events.count).elementsEqual(events), "\(what)")
        var next: (step: Step, part: Int)?
        for event in found.dropFirst(events.count) {
            next = follow(event, next, what)
        }
        #expect(next == nil, "a batch is there whole or not at all, \(what)")
        events = found

        for (step, receipts) in acknowledged {
            let there = receipts.indices.map {
                sequenceOfKey[Script.key(of: step.adder, step: step.number, part: $0)]
            }
            #expect(there == receipts.map { $0 }, "acknowledged: \(step), \(what)")
        }
        for (sequence, step) in flushed {
            let label = Script.label(of: step.adder, step: step.number)
            let event = sequence <= found.count ? found[Int(sequence) - 1] : nil
            #expect(event?.kind == .flushed(label: label), "acknowledged: flush \(label), \(what)")
        }
    }

    /// One event that was not there before: it must be the script's.
    ///
    /// - Parameter expected: The part of a batch that must come now, because the one before it is there.
    /// - Returns: What must come next.
    private mutating func follow(
        _ event: Event, _ expected: (step: Step, part: Int)?, _ what: String
    ) -> (step: Step, part: Int)? {
        switch event.kind {
        case .flushed(let label):
            #expect(expected == nil, "sequence \(event.sequence) is within a batch, \(what)")
            let numbers = (label ?? "").split(separator: "-").compactMap { Int($0) }
            #expect(numbers.count == 2 && Script.step(numbers[1]) == .flush, "\(what)")
            return nil
        case .added(let memory):
            let numbers = (memory.idempotencyKey ?? "").split(separator: "-").compactMap { Int($0) }
            guard numbers.count == 3 else {
                Issue.record("sequence \(event.sequence) has no key of the script, \(what)")
                return nil
            }
            let (step, part) = (Step(adder: numbers[0], number: numbers[1]), numbers[2])
            compare(memory, step, part, what)
            if let expected {
                #expect(expected == (step, part), "a batch is there whole, \(what)")
            } else {
                #expect(part == 0, "sequence \(event.sequence), \(what)")
                #expect(step.number == numberAfter(lastStep[step.adder]), "an adder's steps, \(what)")
                lastStep[step.adder] = step.number
            }
            guard case .batch(let parts) = Script.step(step.number), part + 1 < parts else { return nil }
            return (step, part + 1)
        default:
            Issue.record("the writer makes no such event: \(event), \(what)")
            return nil
        }
    }

    private mutating func compare(_ memory: Memory, _ step: Step, _ part: Int, _ what: String) {
        let script = Script.memory(of: step.adder, step: step.number, part: part)
        #expect(memory.conversation == Script.conversation(of: step.adder, part: part), "\(what)")
        // Not in the form of a comparison that prints both, as contents may be long.
        let isSame =
            memory.content == script.content && memory.metadata == script.metadata
            && memory.role == script.role
        #expect(isSame, "sequence \(memory.sequence), \(what)")
        let key = Script.key(of: step.adder, step: step.number, part: part)
        #expect(sequenceOfKey[key] == nil, "\(key) is there twice, \(what)")
        sequenceOfKey[key] = memory.sequence
    }

    /// The next step that leaves a memory.
    private func numberAfter(_ last: Int?) -> Int {
        var number = (last ?? -1) + 1
        while Script.step(number) == .flush { number += 1 }
        return number
    }
}
