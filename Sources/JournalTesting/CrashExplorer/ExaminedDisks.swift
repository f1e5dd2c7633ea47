/// The disks that were examined, with what was expected of them, and how far.
struct ExaminedDisks {
    /// How far a disk is examined.
    struct Depth: OptionSet, Hashable {
        var rawValue: UInt8
        /// Opened and read.
        static let glance = Depth(rawValue: 1)
        /// Verified, opened again after another power cut, appended to.
        static let full = Depth(rawValue: 2)
        /// Its recovery was cut.
        static let recovery = Depth(rawValue: 4)
    }

    /// What is to be done with a disk.
    struct Claim {
        /// What of the depth was not done yet.
        var missing: Depth
        /// Whether no disk with the same names and bytes was examined before.
        var isNewDisk: Bool
        /// Whether it was not yet examined with the same expectation.
        var isNewCase: Bool
    }

    private var disks: Set<UInt64> = []
    /// By disk and what was expected of it.
    private var depths: [UInt64: Depth] = [:]

    /// Notes that a disk is examined now.
    mutating func claim(_ disk: UInt64, expecting expectation: UInt64, _ depth: Depth) -> Claim {
        let key = Disk.mix(disk, expectation)
        let done = depths[key]
        // A full examination includes the glance.
        let covered = (done ?? []).union(done?.contains(.full) == true ? .glance : [])
        let claim = Claim(
            missing: depth.subtracting(covered), isNewDisk: disks.insert(disk).inserted,
            isNewCase: done == nil)
        depths[key] = (done ?? []).union(depth)
        return claim
    }
}
