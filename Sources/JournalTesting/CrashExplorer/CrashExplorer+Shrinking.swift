extension CrashExplorer {
    /// The same failure by fewer steps: leaves out one step after the other, as long as something still breaks.
    package static func shrink(_ workload: CrashWorkload, _ settings: Settings) -> CrashReport.Failure? {
        var settings = settings
        settings.onlyLastStep = false
        for index in workload.steps.indices {
            var shorter = workload
            shorter.steps.remove(at: index)
            guard shorter.isWorthwhile else { continue }
            // What was examined before says nothing of a shorter workload that breaks.
            if let failure = CrashExplorer().explore(shorter, settings).failures.first {
                return shrink(shorter, settings) ?? failure
            }
        }
        return nil
    }
}
