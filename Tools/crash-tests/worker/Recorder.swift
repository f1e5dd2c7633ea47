import AgentJournal

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// The history of one process: a line with one write for each call before it is made and for each return after it, so that
/// whenever the process is killed, what it knew is in the file, and a call without a return may have taken effect or not.
///
///     P RUN PID writer|reader                     the first line
///     o TIME      O TIME ok|CODE                  opening begins, ends
///     I TIME THREAD.NUMBER KIND ARGUMENT...       a call
///     R TIME THREAD.NUMBER ok RESULT...           its return
///     R TIME THREAD.NUMBER err CODE               its error
///     F TIME FOLLOWER AFTER                       one begins to follow
///     D TIME FOLLOWER EVENT                       an event was delivered to it
///     E TIME FOLLOWER end|CODE                    it was ended, or ended by itself
///     W TIME FOLLOWER SEQUENCE                    it did not come to this event, which was there, in a long time
///     c TIME      C TIME ok|CODE                  closing begins, ends
///     X TIME                                      the process ends
///
/// Times are nanoseconds of CLOCK_MONOTONIC, which all processes of a host share. `-` stands for what is not there. The calls:
///
///     add EXPECTED ITEM...       RECEIPT...       ITEM is CONVERSATION,TOKEN,KEY
///     forget SEQUENCE...         RECEIPT...       RECEIPT is SEQUENCE,RECORDED,new|replayed
///     replace SEQUENCE TOKEN     RECEIPT
///     clear CONVERSATION         RECEIPT
///     flush LABEL                RECEIPT
///     read CONVERSATION LAST BEFORE       SEQUENCE-OF-THE-VIEW MEMORY...       MEMORY is SEQUENCE,TOKEN,KEY
///     past SEQUENCE CONVERSATION          SEQUENCE-OF-THE-VIEW MEMORY...
///     get SEQUENCE               SEQUENCE-OF-THE-VIEW CONVERSATION,TOKEN|-
///     names PREFIX               SEQUENCE-OF-THE-VIEW NAME,COUNT...
///     now                        SEQUENCE-OF-THE-VIEW
///     label LABEL                SEQUENCE-OF-THE-VIEW
///     last CONVERSATION          SEQUENCE
///     events AFTER               EVENT...         EVENT is SEQUENCE,add,CONVERSATION,TOKEN,KEY; SEQUENCE,forget,
///                                                 CONVERSATION,TARGET; SEQUENCE,clear,CONVERSATION; SEQUENCE,flush,LABEL
///     snapshot, compact
struct Recorder: Sendable {
    private let file: FileDescriptor

    init(_ settings: Settings) throws {
        file = try FileDescriptor.open(
            settings.history, .writeOnly, options: [.create, .append, .exclusiveCreate],
            permissions: [.ownerReadWrite])
        try write("P \(settings.run) \(getpid()) \(settings.isReader ? "reader" : "writer")")
    }

    func write(_ line: String) throws {
        try file.writeAll("\(line)\n".utf8)
    }
}

/// Nanoseconds of the clock that all processes of a host share.
func now() -> UInt64 {
    var time = timespec()
    guard clock_gettime(CLOCK_MONOTONIC, &time) == 0 else { fatalError("there is no monotonic clock") }
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}

func pause(microseconds: UInt32) {
    // Woken early by a signal it does no harm.
    _ = usleep(microseconds)
}

/// What an error is called in a history.
func code(of error: any Error) -> String {
    (error as? JournalError)?.code.rawValue ?? "\(type(of: error))"
}

/// Says on the standard error stream what is wrong, where it is a fault: whoever looks for its cause finds it with the evidence.
func explain(_ error: any Error) {
    guard code(of: error) == "damaged" else { return }
    _ = try? FileDescriptor.standardError.writeAll("\(error)\n".utf8)
}
