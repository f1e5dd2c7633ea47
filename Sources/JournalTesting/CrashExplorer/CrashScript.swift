/// How the script of a failure says what was done to a disk.
extension SimulatedDisk.Fault {
    var name: String { bytesWritten > 0 ? "after \(bytesWritten) bytes \(error)" : "\(error)" }
}

extension [SimulatedDisk.Fate] {
    /// How a script says them.
    var script: String { map(\.letter).joined(separator: ".") }
}

extension SimulatedDisk.Fate {
    /// How a script says it.
    var letter: String {
        switch self {
        case .kept: "k"
        case .lost: "l"
        case .front(let count): "f\(count)"
        case .back(let count): "b\(count)"
        case .zeros: "z"
        case .garbage(let seed): "g\(seed)"
        }
    }
}
