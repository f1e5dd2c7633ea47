import JournalTesting
import SystemPackage

@testable import AgentJournal
@testable import SegmentLog

/// A journal one file of which is not what it was: replaced, cut, missing, or changed here and there.
struct JournalTarget: Target {
    static let name = "journal"
    private static let names = [
        "one-memory", "shapes", "unclean", "recovered", "packed", "snapshot", "compacted",
    ]
    private let journals: [[(path: String, bytes: [UInt8])]]

    init() throws { journals = try JournalTarget.names.map { try Golden.files($0) } }

    /// The first four bytes: which journal, which file, what is done to it, what is repaired after that.
    func run(_ input: [UInt8]) throws {
        guard input.count >= 4 else { return }
        var files = journals[Int(input[0]) % journals.count]
        let index = Int(input[1]) % files.count
        let rest = Array(input.dropFirst(4))
        switch input[2] % 4 {
        case 0: files[index].bytes = rest
        case 1: files[index].bytes = Array(files[index].bytes.prefix(Int(rest.little16)))
        case 2: files[index].bytes.edit(by: rest)
        default:
            // Another file of the same journal in its place.
            files[index].bytes = files[Int(rest.little16) % files.count].bytes
            files[index].bytes.edit(by: Array(rest.dropFirst(2)))
        }
        JournalTarget.repair(Repair(rawValue: input[3]), &files[index])
        if input[2] & 0x80 != 0 { files.remove(at: index) }
        let isCrafted =
            input[3] != 0 && files.indices.contains(index) && files[index].path.hasSuffix(".snapshot")
        try JournalChecks(disk: try Golden.disk(files), hasCraftedSnapshot: isCrafted).check()
    }

    private static func repair(_ repair: Repair, _ file: inout (path: String, bytes: [UInt8])) {
        if file.path.hasSuffix(".segment") {
            repair.segment(&file.bytes)
        } else if file.path.hasSuffix(".snapshot") {
            repair.table(&file.bytes)
        } else if file.path == LockFile.fileName {
            repair.lock(&file.bytes)
        } else if repair.contains(.headers) {
            file.bytes = IdentityTarget.repaired(file.bytes)
        }
    }

    func seeds() throws -> [String: [UInt8]] {
        var seeds: [String: [UInt8]] = [:]
        let all = Repair.all.rawValue
        for (number, name) in JournalTarget.names.enumerated() {
            let journal = UInt8(number)
            for file in journals[number].indices.prefix(5) {
                seeds["\(name)-\(file)-edit"] = [journal, UInt8(file), 2, all, 0x10, 4, 1, 7]
            }
            seeds["\(name)-cut"] = [journal, 2, 1, 0, 0x00, 0x05]
            seeds["\(name)-missing"] = [journal, 2, 0x80, 0]
            seeds["\(name)-swapped"] = [journal, 2, 3, 0, 3, 0]
        }
        seeds["replaced"] = [0, 2, 0, 0] + journals[0][2].bytes
        return seeds
    }
}

extension [UInt8] {
    /// The first two bytes; 0 when there are none.
    fileprivate var little16: UInt16 { count < 2 ? 0 : little(0) }

    /// Four bytes an edit: where (16 bits), what, with which value. From the end of what is there, offsets wrap around.
    mutating func edit(by script: [UInt8]) {
        for at in stride(from: 0, to: script.count - 3, by: 4) where !isEmpty {
            let place = Int(script.little(at, as: UInt16.self)) % count
            let value = script[at + 3]
            switch script[at + 2] % 6 {
            case 0: self[place] = value
            case 1: self[place] ^= value
            case 2: self[place] &+= value
            case 3: insert(contentsOf: [UInt8](repeating: 0, count: Int(value)), at: place)
            case 4: removeSubrange(place..<Swift.min(place + Int(value), count))
            default:
                let piece = self[place..<Swift.min(place + Int(value), count)]
                insert(contentsOf: piece, at: place)
            }
        }
    }
}
