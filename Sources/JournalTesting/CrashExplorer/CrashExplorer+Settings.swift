extension CrashExplorer {
    package struct Settings: Sendable {
        package var choices = CrashChoices.all
        /// Whether only the last step of a workload is crashed: the steps before are the last ones of shorter workloads.
        package var onlyLastStep = true
        /// One disk in so many is examined in full: verified, opened again after another power cut, appended to. The others are
        /// opened and read.
        package var fullyOneOf = 1
        /// Recovery itself is cut for one image in so many; 0 for none.
        package var secondCrashOneOf = 16
        /// Whether the process is also killed at each call, another recovers from what the page cache has, and then the power
        /// goes.
        package var kills = true
        /// Whether each call of what is crashed fails in turn.
        package var faults = true
        /// Whether each call fails with every error that it can have, and not only with the usual ones.
        package var everyError = false
        /// After one failing call in so many the power goes too, in every way.
        package var cutAfterFaultOneOf = 1
        /// Where processes are interleaved: one in so many of the places to stop them.
        package var stopOneOf = 1
        /// Only what this script of an earlier failure says.
        package var only: String?
        package init() {}
    }
}

extension CrashExplorer.Settings {
    /// Whether a moment, or one within it, is what `only` asks for.
    func includes(_ script: String) -> Bool {
        guard let only else { return true }
        return only.hasPrefix(script)
    }

    /// How far a disk is examined: by what is on it, so that a sample is the same each time. A script's is, as far as can be.
    func depth(ofDisk fingerprint: UInt64) -> ExaminedDisks.Depth {
        let oneOf = only == nil ? secondCrashOneOf : 1
        let isCut = oneOf > 0 && fingerprint % UInt64(oneOf) == 0
        let isFull = only != nil || fingerprint >> 32 % UInt64(fullyOneOf) == 0
        let depth: ExaminedDisks.Depth = isFull ? .full : .glance
        return isCut ? depth.union(.recovery) : depth
    }
}
