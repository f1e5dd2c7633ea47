import AgentJournal
public import CAgentJournalHeader
import JournalFileSystem

/// See agent_journal.h.
@_cdecl("aj_adder_new") public func newAdder(
    _ journal: OpaquePointer?, _ error: ErrorPlace?
) -> OpaquePointer? {
    handle(error) { try EventLoopAdder(try object(journal, Journal.self)) }
}

/// See agent_journal.h.
@_cdecl("aj_adder_descriptor") public func adderDescriptor(_ adder: OpaquePointer?) -> Int32 {
    (try? object(adder, EventLoopAdder.self).descriptor) ?? -1
}

/// See agent_journal.h.
@_cdecl("aj_adder_add") public func handOver(
    _ adder: OpaquePointer?, _ start: UnsafePointer<CChar>?, _ length: Int, _ ticket: UInt64,
    _ error: ErrorPlace?
) -> Int32 {
    status(error) {
        let adder = try object(adder, EventLoopAdder.self)
        let (conversation, memory) = try Lines.memory(start, length)
        try adder.add(memory, to: conversation, ticket: ticket)
    }
}

/// See agent_journal.h.
@_cdecl("aj_adder_withdraw") public func withdraw(_ adder: OpaquePointer?, _ ticket: UInt64) -> Int32 {
    uncutByForks { (try? object(adder, EventLoopAdder.self).withdraw(ticket)) == true ? 1 : 0 }
}

/// See agent_journal.h.
@_cdecl("aj_adder_outcomes") public func takeOutcomes(
    _ adder: OpaquePointer?, _ place: UnsafeMutablePointer<aj_outcome>?, _ limit: Int
) -> Int {
    uncutByForks {
        guard let adder = try? object(adder, EventLoopAdder.self), let place, limit > 0 else { return 0 }
        let outcomes = adder.takeOutcomes(limit: limit)
        for (index, outcome) in outcomes.enumerated() {
            (place + index).initialize(to: aj_outcome(outcome))
        }
        return outcomes.count
    }
}

/// See agent_journal.h.
@_cdecl("aj_adder_free") public func freeAdder(_ adder: OpaquePointer?) {
    release(adder, EventLoopAdder.self)
}

extension aj_outcome {
    init(_ outcome: EventLoopAdder.Outcome) {
        switch outcome.result {
        case .success(let receipt):
            self.init(ticket: outcome.ticket, receipt: aj_receipt(receipt), error: nil)
        case .failure(let error):
            self.init(ticket: outcome.ticket, receipt: aj_receipt(), error: CError.retained(error))
        }
    }
}
