import Crypto

/// The salts of a segment's events, each to be had from the segment's secret, until some are punctured.
///
/// A tree of keys, 32 levels deep: the secret at its root, below each node HMAC(node, 0) and HMAC(node, 1), and at its
/// leaves the salts, in order of the events. Whoever is to know the salts of all events but some is given the nodes beside the
/// ways to those: from them nothing can be had of what was left out. So an erasure keeps some nodes for each event that it
/// erases, not a salt for each that survives. (Goldreich, Goldwasser, Micali 1986; as a puncturable function Boneh and Waters
/// 2013.)
struct EventSalts: Hashable {
    static let depth = 32
    static let keyLength = 32

    /// A node: all the events whose numbers begin with its bits.
    struct Seed: Hashable {
        /// The number of its first event, counted from the segment's first.
        var start: UInt32
        /// How many of the number's bits, from the highest on, it stands for.
        var level: UInt8
        var key: [UInt8]

        /// The number of its last event.
        var end: UInt32 { start | (level == 0 ? .max : ~UInt32.max.leftShifted(by: 32 - Int(level))) }
    }

    /// In order, none within another.
    private(set) var seeds: [Seed]

    init(secret: [UInt64]) {
        var key: [UInt8] = []
        for word in secret { withUnsafeBytes(of: word.littleEndian) { key.append(contentsOf: $0) } }
        seeds = [Seed(start: 0, level: 0, key: key)]
    }

    /// Nil when they are not in order, or not as nodes of such a tree are.
    init?(seeds: [Seed]) {
        var next: UInt64 = 0
        for seed in seeds {
            guard seed.level <= EventSalts.depth, UInt64(seed.start) >= next,
                seed.key.count == EventSalts.keyLength,
                seed.level == 0
                    ? seed.start == 0 : seed.start & ~UInt32.max.leftShifted(by: 32 - Int(seed.level)) == 0
            else { return nil }
            next = UInt64(seed.end) + 1
        }
        self.seeds = seeds
    }

    /// Keeps what leads to the salts of the first `count` events but these.
    ///
    /// - Parameter numbers: In order, each once.
    /// - Complexity: 32 keys for each event left out, at most.
    mutating func puncture(_ numbers: [UInt32], count: UInt64) {
        var kept: [Seed] = []
        for seed in seeds {
            let first = numbers.partitionIndex { $0 >= seed.start }
            let last = numbers.partitionIndex { $0 > seed.end }
            EventSalts.keep(seed, without: numbers[first..<last], count: count, in: &kept)
        }
        seeds = kept
    }

    private static func keep(
        _ seed: Seed, without numbers: ArraySlice<UInt32>, count: UInt64, in kept: inout [Seed]
    ) {
        guard UInt64(seed.start) < count else { return }
        let events = min(UInt64(seed.end) + 1, count) - UInt64(seed.start)
        if UInt64(numbers.count) == events { return }
        if numbers.isEmpty { return kept.append(seed) }
        let low = child(of: seed, 0)
        let high = child(of: seed, 1)
        let middle = numbers.partitionIndex { $0 >= high.start }
        keep(low, without: numbers[numbers.startIndex..<middle], count: count, in: &kept)
        keep(high, without: numbers[middle...], count: count, in: &kept)
    }

    fileprivate static func child(of seed: Seed, _ bit: UInt8) -> Seed {
        let level = seed.level + 1
        return Seed(
            start: seed.start | (UInt32(bit) << (32 - UInt32(level))), level: level,
            key: Array(HMAC<SHA256>.authenticationCode(for: [bit], using: SymmetricKey(data: seed.key))))
    }
}

/// Walks to the salts of events, quickest in their order: the way to one is most of the way to the next.
struct SaltWalk {
    private let salts: EventSalts
    private var path: [EventSalts.Seed] = []

    init(_ salts: EventSalts) { self.salts = salts }

    /// The salt of an event, counted from the segment's first; nil when it was punctured.
    mutating func salt(of number: UInt32) -> [UInt8]? {
        while let last = path.last, last.start > number || last.end < number { path.removeLast() }
        if path.isEmpty {
            let index = salts.seeds.partitionIndex { $0.end >= number }
            guard index < salts.seeds.count, salts.seeds[index].start <= number else { return nil }
            path = [salts.seeds[index]]
        }
        while path.last!.level < EventSalts.depth {
            let level = path.last!.level + 1
            let bit = UInt8((number >> (32 - UInt32(level))) & 1)
            path.append(EventSalts.child(of: path.last!, bit))
        }
        return path.last!.key
    }

    /// The leaf of an event: HMAC(salt, recorded time and bytes). It proves what an event was, to whoever has its salt, and tells
    /// nothing to anybody else.
    mutating func leaf(
        of number: UInt32, _ event: UnsafeRawBufferPointer, recordedMicroseconds: Int64
    ) -> [UInt8]? {
        salt(of: number).map { SaltWalk.leaf(event, recordedMicroseconds: recordedMicroseconds, $0) }
    }

    static func randomSalt() -> [UInt8] {
        SymmetricKey(size: .bits256).withUnsafeBytes { Array($0) }
    }

    static func leaf(
        _ event: UnsafeRawBufferPointer, recordedMicroseconds: Int64, _ salt: [UInt8]
    ) -> [UInt8] {
        var code = HMAC<SHA256>(key: SymmetricKey(data: salt))
        withUnsafeBytes(of: recordedMicroseconds.littleEndian) { code.update(data: $0) }
        code.update(data: event)
        return Array(code.finalize())
    }
}

extension UInt32 {
    /// Zero when all bits are shifted out.
    fileprivate func leftShifted(by bits: Int) -> UInt32 { bits >= 32 ? 0 : self << UInt32(bits) }
}
