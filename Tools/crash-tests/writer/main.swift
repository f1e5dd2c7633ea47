// Adds with several adders at once and prints each receipt once it has it, to be killed at any moment.
//
//     crash-writer DIR [--adders N] [--until PATH] [--stay]
//
// Whoever reads the pipe holds only what was acknowledged. A line is `add ADDER STEP SEQUENCE`, `batch` or `flush` in
// the same way, or one of the words `open`, `full`, `poisoned`, `closed`. It ends, and closes, when there is a file at
// PATH. With --stay it stays through a full disk and tries the same step again.
import AgentJournal

/// How this process was started.
struct Settings {
    let directory: FilePath
    let adders: Int
    let endsWhenThere: FilePath?
    let staysThroughFullDisk: Bool

    init(_ arguments: [String]) {
        func option(_ name: String) -> String? {
            arguments.firstIndex(of: name).flatMap { $0 + 1 < arguments.count ? arguments[$0 + 1] : nil }
        }
        guard arguments.count > 1 else {
            fatalError("usage: crash-writer DIR [--adders N] [--until PATH] [--stay]")
        }
        directory = FilePath(arguments[1])
        adders = option("--adders").flatMap { Int($0) } ?? 4
        endsWhenThere = option("--until").map { FilePath($0) }
        staysThroughFullDisk = arguments.contains("--stay")
    }

    var isToEnd: Bool {
        guard let endsWhenThere, let file = try? FileDescriptor.open(endsWhenThere, .readOnly) else {
            return false
        }
        // It was opened for reading alone, so closing has nothing to lose.
        try? file.close()
        return true
    }
}

/// Opens the journal and adds until it is told to end.
func work(_ settings: Settings) async throws {
    var options = Journal.Options()
    // Small, so that segments end, are packed and follow one another in a short life.
    options.segmentBytes = 256 << 10
    try await Journal.withOpen(at: settings.directory, options: options) { journal in
        try say("open")
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<settings.adders {
                group.addTask {
                    try await Adder(number: number, journal: journal, settings: settings).run()
                }
            }
            try await group.waitForAll()
        }
    }
    try say("closed")
}

let settings = Settings(CommandLine.arguments)
while true {
    do {
        try await work(settings)
        break
    } catch let error as JournalError
        where settings.staysThroughFullDisk && [.diskFull, .outcomeUnknown, .notWritten].contains(error.code)
    {
        // Opening, closing, or a write that no reservation protects. Open again: that recovers, and keys do the rest.
        try say("poisoned \(error.code) \(error)")
        if settings.isToEnd { break }
        try await Task.sleep(for: .milliseconds(10))
    }
}
