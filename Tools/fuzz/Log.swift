import JournalFileSystem
import JournalTesting
import Synchronization

@testable import SegmentLog

/// What opening a log and reading all of it gives.
enum LogOutcome: Equatable {
    case events([Frames.Frame])
    case refused(LogError.Kind)

    var events: [Frames.Frame]? {
        if case .events(let frames) = self { frames } else { nil }
    }
}

extension SimulatedDisk {
    func logOptions(_ access: LogOptions.Access) -> LogOptions {
        let clock = Mutexed<Int64>(1_800_000_000_000_000)
        var options = LogOptions(
            fileSystem: self, now: { clock.next { $0 += 1000 } }, formatTime: { "time \($0)" })
        let bits = Mutexed<UInt64>(1)
        options.random = { bits.next { $0 = $0 &* 0x9E37_79B9_7F4A_7C15 &+ 1 } }
        options.access = access
        return options
    }

    /// Opens the log and reads all of it; then calls `body`, and lets go of it without closing it cleanly.
    func outcome(
        _ access: LogOptions.Access,
        then body: (SegmentLog, [Frames.Frame]) throws(LogError) -> Void = { _, _ in }
    ) -> LogOutcome {
        let process = asProcess(pid: 2)
        defer { process.kill() }
        do throws(LogError) {
            let log = try SegmentLog.open(Golden.directory, process.logOptions(access))
            let frames = try log.frames(after: 0)
            try body(log, frames)
            return .events(frames)
        } catch {
            expect(
                [.damaged, .unsupported, .missing, .notAJournal].contains(error.kind),
                "damage is called that: \(error)")
            return .refused(error.kind)
        }
    }

    /// What reading past all damage finds.
    func survey() -> LogSurvey? {
        let survey = LogSurvey(Golden.directory, fileSystem: self)
        do throws(LogError) {
            try survey.run()
            return survey
        } catch {
            expect([.unsupported, .missing, .notAJournal].contains(error.kind), "a survey goes on: \(error)")
            return nil
        }
    }
}

extension SegmentLog {
    /// All frames that hold events behind `after`.
    func frames(after: UInt64) throws(LogError) -> [Frames.Frame] {
        let reader = reader(after: after)
        var frames: [Frames.Frame] = []
        while let frame = try reader.next() {
            expect(frames.last.map { $0.first + UInt64($0.count) == frame.firstSequence } ?? true, "no gap")
            expect(frames.last?.recorded ?? .min <= frame.recordedMicroseconds, "time never runs back")
            frames.append(
                Frames.Frame(
                    offset: 0, end: 0, first: frame.firstSequence, count: frame.header.eventCount,
                    recorded: frame.recordedMicroseconds, headerCRC: 0, payload: Array(reader.payload)))
        }
        return frames
    }
}

/// State that a sendable closure changes.
final class Mutexed<Value: Sendable>: Sendable {
    private let value: Mutex<Value>
    init(_ value: Value) { self.value = Mutex(value) }

    func next(_ change: (inout sending Value) -> Void) -> Value {
        value.withLock {
            change(&$0)
            return $0
        }
    }
}
