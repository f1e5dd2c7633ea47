/// One thing that `doctor` looked at.
struct Finding: Sendable {
    enum Grade: String, Sendable {
        /// As it should be.
        case ok
        /// Memory may be lost, or it may be slow, one day.
        case warning
        /// It is damaged, or cannot be used.
        case problem
    }

    /// What was looked at, one word.
    var name: String
    var grade: Grade
    /// What was found, and for a warning or a problem what to do about it.
    var message: String
}
