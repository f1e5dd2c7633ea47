import SystemPackage

/// What was done to a journal's files.
struct Damage: Sendable, CustomStringConvertible {
    var what: String
    /// What was damaged, first, and what else an error may name, because it is where that is missed.
    var files: [FilePath]
    /// Where in the file it begins: an error is not about what comes behind it.
    var offset: Int?
    /// What is behind the offset is gone; where a header was cut the first frame is what is missing.
    var isCut = false

    var description: String {
        "\(what) of \(files.first?.lastComponent?.string ?? "")\(offset.map { " at \($0)" } ?? "")"
    }
}
