import JournalFileSystem
package import SegmentLog

extension Conversation {
    /// Whether this can be a conversation's name.
    ///
    /// - Throws: `invalidArgument`, saying what is wrong with it.
    package static func checkName(_ name: String) throws(JournalError) {
        try NameRules.check(name, "conversation's name", maximumBytes: NameRules.conversationBytes)
    }
}

extension Journal {
    /// The sequence of the last event that a read which begins now may see; 0 in an empty journal.
    ///
    /// It opens nothing: in the child of a fork, before a call that does, it is what was so at the fork, or later.
    package var lastSequence: UInt64 { attachments.inherited().segmentLog.visibleSequence }

    /// The first event that the log holds: 1, unless history was let go; that of the next event when it holds none.
    package var firstSequence: UInt64 {
        get throws(JournalError) { try max(1, engine.presentFirstSequence()) }
    }

    /// The conversation that the add with a sequence belonged to, also when the memory is forgotten since.
    package func conversation(ofAdd sequence: UInt64) throws(JournalError) -> String? {
        let box = try engine.now().box
        let name = try box.withLock { (state) throws(JournalError) in try state.conversation(ofAdd: sequence)
        }
        return name.map { String(decoding: $0, as: UTF8.self) }
    }

    /// Whether this journal takes a memory, whatever is in it by now: its name, its sizes, its depth.
    ///
    /// For saying which item of a refused batch is at fault.
    /// - Throws: `invalidArgument`, `tooLarge`.
    package func check(_ memory: NewMemory, in conversation: String) throws(JournalError) {
        try Conversation.checkName(conversation)
        try engine.limits.check(memory)
    }
}

extension Journal {
    /// What opening found and did.
    package var openingReport: OpeningReport { attachments.inherited().segmentLog.report }

    /// When the journal was made, RFC 3339.
    package var created: String { attachments.inherited().segmentLog.identity.created }

    /// Whether another process has it open for writing now, so that a call that appends may have to wait for that one; true where
    /// that cannot be known.
    ///
    /// - Throws: what such a call throws before it does anything, on a journal that is closed or only read.
    package var isShared: Bool {
        get throws(JournalError) {
            try checkWritable()
            let log = try segmentLog
            return (try? log.isShared) ?? true
        }
    }

    /// Who else has it open for writing.
    package var otherOpeners: [LockFile.Opener] { attachments.current()?.segmentLog.otherOpeners ?? [] }
}
