import JournalFileSystem
import JournalTesting
import SystemPackage
import Testing

@testable import SegmentLog

@Suite("When a call to the file system fails")
struct FaultTests {
    /// What became of the work until the first failure, and after it.
    private struct Course {
        var acknowledged: UInt64 = 0
        /// Appended, whether acknowledged or not.
        var appended: UInt64 = 0
        var error: LogError?
        /// Whether the error came from the close.
        var isClosing = false
    }

    private static let counts = [1, 1, 6, 2, 1, 9, 1, 3, 1]

    /// Appends over the ends of segments and closes, up to the first error.
    private func work(_ log: SegmentLog) -> Course {
        var course = Course()
        do throws(LogError) {
            for count in Self.counts {
                course.appended += UInt64(count)
                try log.writeNext(count)
                try log.sync()
                course.acknowledged = course.appended
            }
            course.isClosing = true
            try log.close()
        } catch {
            course.error = error
        }
        return course
    }

    private func calls() throws -> [SimulatedDisk.Call] {
        let disk = SimulatedDisk()
        let log = try disk.open(segmentBytes: 1600)
        disk.resetCalls()
        #expect(work(log).error == nil)
        return disk.calls
    }

    /// Each call that can fail, and its index among all. A page that once finds no block is given it by a write
    /// (PageFaultTests).
    private func failingCalls() throws -> [(offset: Int, element: SimulatedDisk.Call)] {
        try calls().enumerated().filter { ![.reservePage, .unlock].contains($0.element.operation) }
    }

    /// Checks the log in memory after the failure, and then what the disk holds, however the machine goes on.
    private func check(_ disk: SimulatedDisk, _ log: SegmentLog, _ course: Course) throws {
        guard let error = course.error else { throw Wrong("the failure went unnoticed") }
        guard try log.checkPrefix() == course.acknowledged || course.isClosing else {
            throw Wrong("reads do not go on")
        }
        var certain = course.appended
        if !course.isClosing {
            switch error.kind {
            case .notWritten, .noSpace: certain = course.acknowledged
            case .outcomeUnknown: break
            default: throw Wrong("an append fails with \(error.kind)")
            }
            if error.kind == .outcomeUnknown, log.poison == nil { throw Wrong("not poisoned") }
            if error.kind == .noSpace, log.poison != nil { throw Wrong("poisoned by a full disk") }
        }
        if let poison = log.poison {
            for _ in 0..<2 {
                guard let later = logError({ try log.writeNext() }), later.kind == .poisoned else {
                    throw Wrong("an append after the failure is not refused")
                }
                guard later.message.contains(poison.message), later.cause?.operation == error.cause?.operation
                else {
                    throw Wrong("\(later) does not name the first error, \(error)")
                }
                guard logError({ try log.sync() })?.kind == .poisoned else {
                    throw Wrong("a sync is not refused")
                }
            }
        } else if !course.isClosing {
            // Nothing was decided, so the same may be tried again.
            try log.writeNext()
            try log.sync()
            guard try disk.crash(keeping: .nothingUnsynced).open().checkPrefix() == course.acknowledged + 1
            else {
                throw Wrong("what was acknowledged after the failure is not there")
            }
            return
        }
        let range = course.acknowledged...certain
        func opened(_ found: SimulatedDisk, _ how: String) throws {
            let again = try found.open(seed: 2)
            let count = try again.checkPrefix()
            guard range.contains(count) else {
                throw Wrong("\(how): \(count) events, where \(range) are right")
            }
            guard try found.crash(keeping: .nothingUnsynced).open(seed: 3).checkPrefix() == count else {
                throw Wrong("\(how): what was shown is gone after a power cut")
            }
            try again.add()
            guard try found.crash(keeping: .nothingUnsynced).open(seed: 3).checkPrefix() == count + 1 else {
                throw Wrong("\(how): what was acknowledged is gone after a power cut")
            }
        }
        for kept in SimulatedDisk.Kept.allCases {
            try opened(disk.crash(keeping: kept), "power cut, keeping \(kept)")
        }
        try opened(disk.copy(), "process killed")
        // Another process may open it, because the poisoned log has let go of the lock; and so may this one.
        try opened(disk.asProcess(pid: 9), "beside the poisoned log")
        guard try log.checkPrefix() >= course.acknowledged else {
            throw Wrong("reads end when another opens")
        }
        try? log.close()
    }

    @Test("each call in turn, with EIO")
    func inputOutputErrors() throws {
        for (index, call) in try failingCalls() {
            let disk = SimulatedDisk()
            let log = try disk.open(segmentBytes: 1600)
            disk.fail(nil, afterCalls: index, with: .inputOutputError)
            let course = work(log)
            do {
                try check(disk, log, course)
            } catch {
                Issue.record("call \(index), \(call): \(error) (\(course))")
            }
        }
    }

    @Test("and all calls behind it too")
    func everythingFails() throws {
        let calls = try calls()
        for (index, call) in calls.enumerated() {
            let disk = SimulatedDisk()
            let log = try disk.open(segmentBytes: 1600)
            disk.fail(nil, afterCalls: index, times: .max, with: .inputOutputError)
            var course = work(log)
            _ = logError { try log.writeNext() }
            try? log.close()
            disk.cancelFaults()
            do {
                for found in [
                    disk.copy(), disk.crash(keeping: .everything), disk.crash(keeping: .nothingUnsynced),
                ] {
                    course.appended += 1
                    let count = try found.open(seed: 2).checkPrefix()
                    guard (course.acknowledged...course.appended).contains(count) else {
                        throw Wrong("\(count) events")
                    }
                }
            } catch {
                Issue.record("call \(index), \(call): \(error)")
            }
        }
    }

    @Test("short writes: nothing continues behind them")
    func shortWrites() throws {
        let calls = try calls()
        for (index, call) in calls.enumerated() where call.operation == .write {
            for bytes in [0, 1, 8, 31, 32, 40, 64] where bytes < Int(call.length!) {
                let disk = SimulatedDisk()
                let log = try disk.open(segmentBytes: 1600)
                disk.fail(nil, afterCalls: index, with: .shortWrite(bytes: bytes))
                let course = work(log)
                do {
                    try check(disk, log, course)
                } catch {
                    Issue.record("call \(index), \(call), after \(bytes) bytes: \(error) (\(course))")
                }
            }
        }
    }

    @Test("ENOSPC from each call in turn")
    func noSpace() throws {
        let calls = try calls()
        for (index, call) in calls.enumerated() where call.operation.changesDisk {
            let disk = SimulatedDisk()
            let log = try disk.open(segmentBytes: 1600)
            disk.fail(nil, afterCalls: index, with: .noSpace)
            let course = work(log)
            // A reservation is tried again in smaller steps.
            if course.error == nil, call.operation == .allocate { continue }
            do {
                try check(disk, log, course)
            } catch {
                Issue.record("call \(index), \(call): \(error) (\(course))")
            }
        }
    }

    @Test("each call of an opening that recovers: an error that says so, and the next opening recovers")
    func recoveryFails() throws {
        let disk = SimulatedDisk()
        let log = try disk.open(segmentBytes: 1600)
        for _ in 0..<8 { try log.add(2) }
        try log.writeNext(3)
        let found = disk.crash(keeping: .everything)
        let calls = found.copy()
        _ = try calls.open()
        for (index, call) in calls.calls.enumerated() {
            for fault in [SimulatedDisk.Fault.inputOutputError, .noSpace] {
                let failing = found.copy()
                failing.fail(nil, afterCalls: index, with: fault)
                do {
                    let opened = try failing.open(seed: 2)
                    try opened.checkPrefix()
                    continue
                } catch let error as LogError {
                    if ![.system, .noSpace].contains(error.kind) {
                        Issue.record("call \(index), \(call): \(error)")
                    }
                } catch {
                    Issue.record("call \(index), \(call): \(error)")
                }
                do {
                    // Sixteen were acknowledged; three more are there for as long as the cache shows them.
                    guard try failing.open(seed: 3).checkPrefix() >= 16 else { throw Wrong("not all there") }
                    let cut = try failing.crash(keeping: .nothingUnsynced).open(seed: 3).checkPrefix()
                    guard try failing.copy().open(seed: 4).checkPrefix() <= cut else {
                        throw Wrong("shown, and gone")
                    }
                } catch {
                    Issue.record("after call \(index), \(call): \(error)")
                }
            }
        }
    }

    @Test("a failed sync: the cache shows what the disk lacks, and what recovery shows is on the disk")
    func failedSync() throws {
        for count in [1, 3] {
            for cut in [true, false] {
                let disk = SimulatedDisk()
                let log = try disk.open()
                try log.add(4)
                try log.writeNext(count)
                disk.failNext(.syncData, with: .inputOutputError)
                let error = try #require(logError { try log.sync() })
                #expect(error.kind == .outcomeUnknown)
                #expect(log.visibleSequence == 4)
                #expect(try log.checkPrefix() == 4)
                // A second sync would succeed, and say nothing.
                #expect(logError { try log.sync() }?.kind == .poisoned)
                #expect(try log.checkPrefix() == 4)
                try log.close()
                let found = cut ? disk.crash(keeping: .nothingUnsynced) : disk
                let shown = try found.open(seed: 2).checkPrefix()
                #expect(shown == (cut ? 4 : 4 + UInt64(count)))
                #expect(try found.crash(keeping: .nothingUnsynced).open(seed: 3).checkPrefix() == shown)
            }
        }
    }

    // MARK: A full disk

    @Test("a full disk, met while reserving, poisons nothing, and adding works again when there is space")
    func fullWhileReserving() throws {
        let disk = SimulatedDisk()
        let log = try disk.open()
        try log.add()
        disk.capacityBytes = disk.usedBytes
        var acknowledged: UInt64 = 1
        var error: LogError?
        // What is reserved already still takes some.
        while error == nil {
            error = logError { acknowledged = try log.add(20) }
        }
        #expect(error?.kind == .noSpace)
        #expect(acknowledged > 1)
        #expect(log.poison == nil)
        for _ in 0..<3 { #expect(logError { try log.add(20) }?.kind == .noSpace) }
        #expect(try log.checkPrefix() == acknowledged)
        #expect(try disk.crash(keeping: .nothingUnsynced).outcome(.readOnly).error == nil)
        // A little more space is used to the last block, in smaller steps than usual.
        disk.capacityBytes = disk.usedBytes + 3 * 4096
        #expect(logError { acknowledged = try log.add(20) } == nil)
        disk.capacityBytes = nil
        acknowledged = try log.add(20)
        try log.close()
        #expect(try disk.open().checkPrefix() == acknowledged)
    }

    @Test("a full disk at the end of a segment poisons nothing either")
    func fullAtRotation() throws {
        let disk = SimulatedDisk()
        let log = try disk.open(segmentBytes: 1600)
        try log.add()
        var acknowledged: UInt64 = 1
        // One byte less than a new segment needs, at whatever place the old one ends.
        disk.capacityBytes = disk.usedBytes
        var error: LogError?
        while error == nil { error = logError { acknowledged = try log.add(2) } }
        #expect(error?.kind == .noSpace)
        #expect(log.poison == nil)
        let segments = disk.segments.count
        for _ in 0..<3 { #expect(logError { try log.add(2) }?.kind == .noSpace) }
        #expect(disk.segments.count == segments)
        #expect(!disk.paths.contains { $0.string.hasSuffix(".new") })
        #expect(try log.checkPrefix() == acknowledged)
        disk.capacityBytes = nil
        for _ in 0..<5 { acknowledged = try log.add(2) }
        #expect(disk.segments.count > segments)
        try log.close()
        #expect(try disk.open().checkPrefix() == acknowledged)
    }

    @Test("full at rotation, then closed, then opened: everything is there")
    func fullThenClosed() throws {
        let disk = SimulatedDisk()
        let log = try disk.open(segmentBytes: 1600)
        var acknowledged: UInt64 = try log.add()
        disk.capacityBytes = disk.usedBytes
        while logError({ acknowledged = try log.add(2) }) == nil {}
        try log.close()
        for found in [disk.copy(), disk.crash(keeping: .nothingUnsynced)] {
            found.capacityBytes = nil
            let again = try found.open(segmentBytes: 1600)
            #expect(again.report.ending == .clean)
            #expect(try again.checkPrefix() == acknowledged)
            try again.add(2)
            #expect(try again.checkPrefix() == acknowledged + 2)
        }
    }

    @Test("a full disk at recovery says so, loses nothing, and reading works")
    func fullAtRecovery() throws {
        let disk = SimulatedDisk()
        let log = try disk.open()
        try log.add(5)
        let found = disk.crash(keeping: .everything)
        found.capacityBytes = found.usedBytes
        let error = try #require(logError { _ = try found.open() })
        #expect(error.kind == .noSpace)
        #expect(try found.openForReading().checkPrefix() == 5)
        found.capacityBytes = nil
        #expect(try found.open().checkPrefix() == 5)
    }

    @Test(
        "for want of a descriptor, memory or room no segment can be begun: not written, and appends go on when there is",
        arguments: [
            Errno.tooManyOpenFiles, .tooManyOpenFilesInSystem, .noMemory, .noSpace, .permissionDenied,
        ])
    func passingLack(_ error: Errno) throws {
        let disk = SimulatedDisk()
        let log = try disk.open(segmentBytes: 1600)
        for _ in 0..<6 {
            try log.writeNext(1)
            try log.sync()
        }
        var refused = 0
        for _ in 0..<12 {
            // Nothing can be opened for a while; what goes into the present segment needs no opening.
            disk.fail(.openFile, afterCalls: 0, times: 3, with: .init(error))
            while let failure = logError({ try log.writeNext(1) }) {
                refused += 1
                #expect(failure.kind == (error == .noSpace ? .noSpace : .notWritten))
                #expect(log.poison == nil)
            }
            try log.sync()
            disk.cancelFaults()
        }
        #expect(refused >= 3)
        try log.close()
        #expect(try disk.open(segmentBytes: 1600).checkPrefix() == 18)
    }
}
