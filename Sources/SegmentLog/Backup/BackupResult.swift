/// What a backup did.
package struct BackupResult: Sendable, Hashable {
    /// The last event in the copy.
    package var sequence: UInt64 = 0
    /// Files that were copied, or grew, relative to the journal's directory, with how many bytes were written of each.
    package var written: [Written] = []
    /// Files that were there already.
    package var keptCount = 0
    /// Files that were removed from the copy, because what the journal has in their place was copied, or because it dropped them.
    package var removed: [String] = []

    package struct Written: Sendable, Hashable {
        package var file: String
        package var bytes: UInt64
    }
}
