import JournalTesting
import SystemPackage

@testable import SegmentLog

/// A whole segment file, the only one of its journal: headers, frames, recovery's walk.
struct SegmentTarget: Target {
    static let name = "segment"
    private let golden: [(path: String, bytes: [UInt8])]
    private static let path = "log/00000000000000000001-00000001.segment"

    init() throws { golden = try Golden.files("unclean").filter { $0.path == "journal.json" } }

    /// The first byte says what is repaired.
    func run(_ input: [UInt8]) throws {
        var (repair, segment) = Repair.split(input)
        repair.segment(&segment)
        let disk = try Golden.disk(golden + [(SegmentTarget.path, segment)])
        try LogChecks.check(disk)
    }

    func seeds() throws -> [String: [UInt8]] {
        var seeds: [String: [UInt8]] = [:]
        for (name, frames) in [("one-memory", Int.max), ("shapes", 3), ("unclean", 9), ("unclean", 3)] {
            guard let file = try Golden.files(name).first(where: { $0.path == SegmentTarget.path }),
                var header = file.bytes.withUnsafeBytes({ SegmentHeader($0) }),
                let identity = try? JournalIdentity(decoding: golden[0].bytes)
            else { stop("golden journals begin with segment 1") }
            header.journal = identity.journal
            var segment = header.twice + file.bytes.dropFirst(Int(SegmentHeader.framesOffset))
            Repair([.links, .headers]).segment(&segment)
            let found = try Frames(segment).all.prefix(frames)
            let end = Int(found.last?.end ?? SegmentHeader.framesOffset)
            let whole = Array(segment[..<min(end, segment.count)])
            for (kind, bytes) in [("deflated", whole), ("stored", try Frames.stored(whole, header))]
            where bytes.count < 6000 {
                seeds["\(name)-\(found.count)-\(kind)"] = [0] + bytes
                seeds["\(name)-\(found.count)-\(kind)-repaired"] = [Repair.all.rawValue] + bytes
                seeds["\(name)-\(found.count)-\(kind)-torn"] = [0] + bytes.dropLast(9)
            }
        }
        return seeds
    }
}
