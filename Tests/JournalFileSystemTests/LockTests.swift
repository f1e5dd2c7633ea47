import JournalFileSystem
import SystemPackage
import Testing

@Suite("Locks")
struct LockTests {
    /// Two opens of one file, as two processes have them.
    private func withTwoOpens(_ place: Place, _ body: (any File, any File) throws -> Void) throws {
        try place.run { fileSystem, directory in
            let path = directory.appending("lock")
            let first = try fileSystem.make(path)
            let second = try fileSystem.openFile(path, .readWrite)
            try body(first, second)
        }
    }

    @Test("exclusive keeps all others out of its range, and only of that", arguments: Place.allCases)
    func exclusive(_ place: Place) throws {
        try withTwoOpens(place) { first, second in
            #expect(try first.lock(10..<20, .exclusive, wait: false))
            #expect(try !second.lock(19..<21, .exclusive, wait: false))
            #expect(try !second.lock(0..<11, .shared, wait: false))
            #expect(try second.lock(20..<30, .exclusive, wait: false))
            #expect(try second.lock(0..<10, .exclusive, wait: false))
            #expect(try second.isLockedByOther(10..<11, .shared))
            #expect(try !first.isLockedByOther(10..<20, .exclusive), "its own does not count")
            try first.unlock(10..<20)
            #expect(try !second.isLockedByOther(10..<11, .shared))
            #expect(try second.lock(10..<20, .exclusive, wait: false))
        }
    }

    @Test("shared lets the shared in", arguments: Place.allCases)
    func shared(_ place: Place) throws {
        try withTwoOpens(place) { first, second in
            #expect(try first.lock(0..<1, .shared, wait: false))
            #expect(try second.lock(0..<1, .shared, wait: false))
            #expect(try !second.isLockedByOther(0..<1, .shared))
            #expect(try second.isLockedByOther(0..<1, .exclusive))
            #expect(try !second.lock(0..<1, .exclusive, wait: false))
            try first.unlock(0..<1)
            #expect(try second.lock(0..<1, .exclusive, wait: false), "a lock can be made stronger")
            #expect(try !first.lock(0..<1, .shared, wait: false))
            #expect(try second.lock(0..<1, .shared, wait: false), "and weaker")
            #expect(try first.lock(0..<1, .shared, wait: false))
        }
    }

    @Test("part of a range can be dropped", arguments: Place.allCases)
    func partial(_ place: Place) throws {
        try withTwoOpens(place) { first, second in
            #expect(try first.lock(0..<30, .exclusive, wait: false))
            try first.unlock(10..<20)
            #expect(try second.lock(10..<20, .exclusive, wait: false))
            #expect(try !second.lock(9..<10, .exclusive, wait: false))
            #expect(try !second.lock(20..<21, .exclusive, wait: false))
        }
    }

    @Test("a range is not empty", arguments: Place.allCases)
    func emptyRange(_ place: Place) throws {
        try withTwoOpens(place) { first, _ in
            #expect(errno { _ = try first.lock(5..<5, .shared, wait: false) } == .invalidArgument)
            #expect(errno { try first.unlock(5..<5) } == .invalidArgument)
        }
    }

    @Test("a range may reach beyond every offset", arguments: Place.allCases)
    func unendingRange(_ place: Place) throws {
        try withTwoOpens(place) { first, second in
            let taken = try first.lock(100..<UInt64.max, .exclusive, wait: false)
            #expect(taken)
            #expect(try !second.lock(1_000_000..<1_000_001, .shared, wait: false))
            #expect(try second.lock(0..<100, .exclusive, wait: false))
        }
    }

    @Test("closing drops them, even while the page is mapped", arguments: Place.allCases)
    func closing(_ place: Place) throws {
        try withTwoOpens(place) { first, second in
            try first.allocate(0..<4096)
            let page = try first.mapSharedPage(length: 4096, writable: true)
            #expect(try first.lock(0..<1, .exclusive, wait: false))
            #expect(try !second.lock(0..<1, .exclusive, wait: false))
            first.close()
            #expect(try second.lock(0..<1, .exclusive, wait: false))
            page.store64(1, at: 0)
        }
    }

    @Test("closing another open of the same file drops nothing", arguments: Place.allCases)
    func closingAnother(_ place: Place) throws {
        try place.run { fileSystem, directory in
            let path = directory.appending("lock")
            let first = try fileSystem.make(path)
            let second = try fileSystem.openFile(path, .readWrite)
            #expect(try first.lock(0..<1, .exclusive, wait: false))
            try fileSystem.openFile(path, .readWrite).close()
            #expect(try second.isLockedByOther(0..<1, .exclusive))
        }
    }

    @Test("an exclusive one needs a file opened for writing", arguments: Place.allCases)
    func readOnly(_ place: Place) throws {
        try place.run { fileSystem, directory in
            let path = directory.appending("lock")
            try fileSystem.make(path)
            let file = try fileSystem.openFile(path, .readOnly)
            #expect(try file.lock(0..<1, .shared, wait: false))
            #expect(errno { _ = try file.lock(0..<1, .exclusive, wait: false) } == .badFileDescriptor)
        }
    }

    @Test("who waits gets it when it is dropped", arguments: Place.allCases)
    func waiting(_ place: Place) throws {
        try withTwoOpens(place) { first, second in
            #expect(try first.lock(0..<1, .exclusive, wait: false))
            let order = Monitor<[String]>([])
            let thread = try spawnThread(name: "waiter") {
                let taken = (try? second.lock(0..<1, .exclusive, wait: true)) == true
                order.withLock { $0.append(taken ? "taken" : "failed") }
            }
            order.withLock { $0.append("dropped") }
            try first.unlock(0..<1)
            thread.join()
            #expect(order.withLock { $0 } == ["dropped", "taken"])
            #expect(try first.isLockedByOther(0..<1, .shared))
        }
    }
}
