import JournalFileSystem
import SystemPackage

/// A mapped page of a simulated machine: its words are the bytes of the file.
final class SimulatedPage: SharedPage {
    private let number: UInt64
    private let path: FilePath
    private let length: Int
    private let isWritable: Bool
    private let fileSystem: SimulatedDisk

    init(_ number: UInt64, _ path: FilePath, length: Int, isWritable: Bool, on fileSystem: SimulatedDisk) {
        self.number = number
        self.path = path
        self.length = length
        self.isWritable = isWritable
        self.fileSystem = fileSystem
    }

    deinit {
        fileSystem.machine.withLock { $0.close(number) }
    }

    func reserve() throws(FileSystemError) {
        precondition(isWritable, "the page was mapped for reading")
        // The simulated disk has no blocks to run out of, so only a fault can keep a store from its own.
        try fileSystem.call(.reservePage, path) { machine throws(Errno) in _ = try machine.openFile(number) }
    }

    func load64(at offset: Int) -> UInt64 {
        check(offset, size: 8)
        return fileSystem.access { $0.load(UInt64.self, at: offset, of: number) }
    }

    func store64(_ value: UInt64, at offset: Int) {
        check(offset, size: 8)
        precondition(isWritable, "the page was mapped for reading")
        fileSystem.access { $0.store(value, at: offset, of: number) }
    }

    func load32(at offset: Int) -> UInt32 {
        check(offset, size: 4)
        return fileSystem.access { $0.load(UInt32.self, at: offset, of: number) }
    }

    func add32(_ value: UInt32, at offset: Int) -> UInt32 {
        check(offset, size: 4)
        precondition(isWritable, "the page was mapped for reading")
        return fileSystem.access { machine in
            let sum = machine.load(UInt32.self, at: offset, of: number) &+ value
            machine.store(sum, at: offset, of: number)
            return sum
        }
    }

    func wait32(at offset: Int, while value: UInt32, timeoutMilliseconds: Int) {
        check(offset, size: 4)
        let wakes = fileSystem.machine.withLock { $0.wakes(of: number) }
        fileSystem.sleeping {
            _ = fileSystem.machine.withLock(
                timeout: .milliseconds(timeoutMilliseconds),
                waitingUntil: { [number] machine in
                    machine.wakes(of: number) != wakes
                        || machine.load(UInt32.self, at: offset, of: number) != value
                }
            ) { _ in }
        }
    }

    func wakeAll(at offset: Int) {
        check(offset, size: 4)
        fileSystem.machine.withLock { $0.wake(number) }
        fileSystem.machine.broadcast()
    }

    private func check(_ offset: Int, size: Int) {
        precondition(offset >= 0 && offset <= length - size && offset % size == 0, "not a word of the page")
    }
}

extension Machine {
    /// A word of an open file, as the processor of this machine keeps it; 0 when the process was killed.
    func load<Word: FixedWidthInteger>(_ type: Word.Type, at offset: Int, of number: UInt64) -> Word {
        guard let file = try? file(number) else { return 0 }
        var word: Word = 0
        _ = withUnsafeMutableBytes(of: &word) { file.present.read(into: $0, at: offset) }
        return word
    }

    /// Stores a word; a process that was killed stores nothing.
    mutating func store<Word: FixedWidthInteger>(_ word: Word, at offset: Int, of number: UInt64) {
        guard let file = try? openFile(number) else { return }
        withUnsafeBytes(of: word) { disk.store($0, at: offset, to: file.inode) }
    }
}
