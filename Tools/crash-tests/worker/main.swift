// Does random operations on a journal from several threads and records each call and each return, to be killed, stopped and
// continued at any moment beside other such processes on the same directory.
//
//     crash-worker DIR --history FILE [--run N] [--seed N] [--threads N] [--reader] [--until PATH]
//
// The lines of FILE are described in Recorder.swift. It ends, and closes, when there is a file at PATH; it opens the journal again
// from time to time without that. Nothing is checked here: Tools/crash-tests/linearizability.py judges.
import AgentJournal
import Logging

let settings = Settings(CommandLine.arguments)
let recorder = try Recorder(settings)
var lives = SplitMix(state: settings.seed)
var life: UInt64 = 0
while !settings.isToEnd {
    guard let journal = try openJournal() else { break }
    try Life(number: life, seed: lives.next(), journal: journal, settings: settings, recorder: recorder).run()
    life += 1
}
try recorder.write("X \(now())")

/// Opens the journal; nil when it is time to end before that was possible.
///
/// Waiting for a process that is stopped while it holds a lock has a limit, so an opening may be refused: then once more.
func openJournal() throws -> Journal? {
    var options = Journal.Options()
    // Small, so that segments end, are packed and follow one another, and snapshots are taken, in a short life.
    options.segmentBytes = 256 << 10
    options.snapshotEvents = 3000
    options.access = settings.isReader ? .readOnly : .readWrite
    options.logger.logLevel = .error
    while !settings.isToEnd {
        try recorder.write("o \(now())")
        let opened: Journal
        do throws(JournalError) {
            opened = try Journal.openNow(at: settings.directory, options: options)
        } catch {
            try recorder.write("O \(now()) \(error.code)")
            // A reader may come before there is a journal.
            guard error.code == .busy || (settings.isReader && error.code == .noJournal) else { throw error }
            pause(microseconds: 20_000)
            continue
        }
        try recorder.write("O \(now()) ok")
        return opened
    }
    return nil
}
