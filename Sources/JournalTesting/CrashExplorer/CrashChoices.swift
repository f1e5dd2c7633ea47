/// Which mixes of what was not synced are tried.
package struct CrashChoices: Sendable {
    /// Everything lost, everything kept, each one kept, each one lost, every later one in an earlier one's place, every
    /// tear.
    package static let all = CrashChoices(tears: true, pairs: true, mixes: 2)
    /// Everything lost, everything kept, each one kept, each one lost.
    package static let few = CrashChoices(tears: false, pairs: false, mixes: 0)

    var tears: Bool
    var pairs: Bool
    /// How many random mixes, by seed.
    var mixes: Int

    /// Of a longer write, tears are tried at each 8 bytes so far from its ends, and at each sector between.
    private static let denseBytes = 512
    private static let sectorBytes = 512
    /// At its start is a header, which is torn at every byte.
    private static let headerBytes = 32

    /// Calls `body` with the fates of each mix.
    func forEach(
        of changes: [UnsyncedChange], seed: UInt64, _ body: ([SimulatedDisk.Fate]) throws -> Void
    ) rethrows {
        let count = changes.count
        let lost = [SimulatedDisk.Fate](repeating: .lost, count: count)
        let kept = [SimulatedDisk.Fate](repeating: .kept, count: count)
        try body(lost)
        guard count > 0 else { return }
        try body(kept)
        // A sector of a mapped page is lost or kept with the rest, and varied in the mixes alone: its words mean nothing to another
        // boot.
        for index in 0..<count where !changes[index].isMapped {
            var fates = lost
            fates[index] = .kept
            try body(fates)
            fates = kept
            fates[index] = .lost
            try body(fates)
        }
        if pairs { try forEachPair(count, body) }
        if tears { try forEachTear(changes, body) }
        var random = SplitMix64(seed)
        for _ in 0..<mixes { try body(CrashChoices.mix(of: changes, &random)) }
    }

    /// What came before one is kept, and of the rest only a later one, in its place; or none.
    private func forEachPair(_ count: Int, _ body: ([SimulatedDisk.Fate]) throws -> Void) rethrows {
        for first in 1..<max(count, 1) {
            var fates = [SimulatedDisk.Fate](repeating: .lost, count: count)
            for index in 0..<first { fates[index] = .kept }
            try body(fates)
            for second in first + 1..<max(count, first + 1) {
                fates[second] = .kept
                try body(fates)
                fates[second] = .lost
            }
        }
    }

    /// Each write torn, beside everything before it and beside everything.
    private func forEachTear(
        _ changes: [UnsyncedChange], _ body: ([SimulatedDisk.Fate]) throws -> Void
    ) rethrows {
        for (index, change) in changes.enumerated() {
            guard let bytes = change.tearable else { continue }
            var before = [SimulatedDisk.Fate](repeating: .lost, count: changes.count)
            for earlier in 0..<index { before[earlier] = .kept }
            for others in [before, [SimulatedDisk.Fate](repeating: .kept, count: changes.count)] {
                var fates = others
                func attempt(_ fate: SimulatedDisk.Fate) throws {
                    fates[index] = fate
                    try body(fates)
                }
                for place in CrashChoices.tears(of: bytes.count) {
                    try attempt(.front(place))
                    try attempt(.back(place))
                }
                try attempt(.zeros)
                try attempt(.garbage(UInt64(index)))
            }
        }
    }

    static func tears(of count: Int) -> [Int] {
        (1..<max(count, 1)).filter { place in
            if place < headerBytes { return true }
            guard place % 8 == 0 else { return false }
            return place <= denseBytes || place >= count - denseBytes || place % sectorBytes == 0
        }
    }

    /// Each change with a fate of its own.
    static func mix(of changes: [UnsyncedChange], _ random: inout SplitMix64) -> [SimulatedDisk.Fate] {
        changes.map { fate(of: $0, &random) }
    }

    private static func fate(of change: UnsyncedChange, _ random: inout SplitMix64) -> SimulatedDisk.Fate {
        guard let bytes = change.tearable else { return Bool.random(using: &random) ? .kept : .lost }
        switch Int.random(in: 0..<8, using: &random) {
        case 0...2: return .kept
        case 3, 4: return .lost
        case 5: return .front(Int.random(in: 0...bytes.count / 8, using: &random) * 8)
        case 6: return .back(Int.random(in: 0...bytes.count / 8, using: &random) * 8)
        default: return Bool.random(using: &random) ? .zeros : .garbage(random.next())
        }
    }
}

extension UnsyncedChange {
    /// The bytes of a write that a power cut can tear. One aligned word is there or not; so is a sector of a mapped page, all of
    /// whose words mean nothing to another boot.
    fileprivate var tearable: [UInt8]? {
        guard !isMapped, case .data(_, let offset, let bytes) = kind, bytes.count > 8 || offset % 8 != 0
        else {
            return nil
        }
        return bytes
    }
}
