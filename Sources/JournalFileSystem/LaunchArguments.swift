import CJournalPOSIX

/// The arguments that the process was started with, its name first; also where /proc is not mounted, which Swift's
/// `CommandLine` reads them from.
package enum LaunchArguments {
    /// As the system has them: they need not be UTF-8.
    package static var pointers: [UnsafePointer<CChar>] {
        var count: CInt = 0
        guard let values = jp_arguments(&count) else {
            return (0..<Int(CommandLine.argc)).compactMap { index in
                CommandLine.unsafeArgv[index].map { UnsafePointer($0) }
            }
        }
        return (0..<Int(count)).compactMap { index in values[index].map { UnsafePointer($0) } }
    }
}
