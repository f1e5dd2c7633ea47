/// Something that was done to a disk and is not durable yet: each may outlast a power cut, or not, whatever becomes of the
/// others.
struct UnsyncedChange: Sendable {
    enum Kind: Sendable {
        /// Bytes that were written, without the length that they give the file.
        case data(inode: UInt64, offset: Int, bytes: [UInt8])
        /// A file's length, grown by a write or an allocation, or set.
        case length(inode: UInt64, Int)
        /// What a name leads to from then on; nil: to nothing. A renaming is two of these.
        case entry(directory: UInt64, name: String, Disk.Entry?)
    }

    var kind: Kind
    /// A sync that was to make it durable failed. The kernel counts its pages as clean from then on, so no later sync
    /// writes them.
    var isAbandoned = false
    /// A sector of a mapped page: with the next store to it, it is another.
    var isMapped = false

    var description: String {
        switch kind {
        case .data(_, let offset, let bytes): "\(bytes.count) bytes at offset \(offset)"
        case .length(_, let length): "length \(length)"
        case .entry(_, let name, nil): "no \(name)"
        case .entry(_, let name, .some): "name \(name)"
        }
    }

    var inode: UInt64? {
        switch kind {
        case .data(let inode, _, _), .length(let inode, _): inode
        case .entry: nil
        }
    }
}

extension SimulatedDisk {
    /// What becomes of a change that was not synced, when the power goes.
    public enum Fate: Sendable, Hashable {
        /// It is there.
        case kept
        /// It is not: old bytes, the old length, the old name.
        case lost
        /// Only so many of the bytes written, from the front. Of what is no write: nothing.
        case front(Int)
        /// All but so many of the bytes written, which are missing at the front. Of what is no write: nothing.
        case back(Int)
        /// Zeros where the bytes were written: the blocks were given to the file, and nothing put into them.
        case zeros
        /// Noise where the bytes were written.
        case garbage(UInt64)
    }
}

extension Disk {
    /// The disk as it is found after a power cut that leaves of each unsynced change what its fate says.
    func afterPowerCut(_ fates: [SimulatedDisk.Fate]) -> Disk {
        precondition(fates.count == unsynced.count, "a fate for each unsynced change")
        var entries = directories.mapValues(\.durable)
        var contents: [UInt64: (bytes: PagedBytes, length: Int)] = [:]
        for (change, fate) in zip(unsynced, fates) where fate != .lost {
            switch change.kind {
            case .entry(let directory, let name, let entry):
                if fate == .kept { entries[directory]?[name] = entry }
            case .length(let inode, let length):
                guard fate == .kept, let file = files[inode] else { continue }
                var (bytes, before) = contents[inode] ?? (file.durable, file.durable.length)
                if length < before { bytes.setLength(length) }
                contents[inode] = (bytes, length)
            case .data(let inode, let offset, let bytes):
                guard let file = files[inode], let left = fate.left(of: bytes) else { continue }
                // The blocks are written, wherever the file ends: its length is a change of its own.
                let (before, length) = contents[inode] ?? (file.durable, file.durable.length)
                var written = before
                left.bytes.withUnsafeBytes { written.write($0, at: offset + left.start) }
                contents[inode] = (written, length)
            }
        }
        return reached(from: entries) { inode, file in
            guard let (written, length) = contents[inode] else { return file.durable }
            var bytes = written
            bytes.setLength(length)
            return bytes
        }
    }
}

extension SimulatedDisk.Fate {
    /// What is left of bytes that were written, and where it begins; nil for nothing.
    fileprivate func left(of bytes: [UInt8]) -> (start: Int, bytes: [UInt8])? {
        switch self {
        case .kept: return (0, bytes)
        case .lost: return nil
        case .front(let count): return (0, Array(bytes.prefix(count)))
        case .back(let missing): return (min(missing, bytes.count), Array(bytes.dropFirst(missing)))
        case .zeros: return (0, [UInt8](repeating: 0, count: bytes.count))
        case .garbage(let seed):
            var random = SplitMix64(seed)
            return (0, bytes.map { _ in UInt8(truncatingIfNeeded: random.next()) })
        }
    }
}
