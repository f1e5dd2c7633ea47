import Logging
import SegmentLog
import SystemPackage

extension Journal {
    /// One line for the operator: what memory this is, where, how much, and what recovery found.
    static func announce(
        _ directory: FilePath, _ log: SegmentLog, lastSequence: UInt64, memories: Int?,
        snapshot: UInt64?, _ logger: Logger
    ) {
        let report = log.report
        var metadata: Logger.Metadata = [
            "directory": "\(directory)", "events": "\(lastSequence)",
            "created": "\(log.identity.created)",
        ]
        if let memories { metadata["memories"] = "\(memories)" }
        if let snapshot { metadata["snapshot"] = "\(snapshot)" }
        if let closed = report.closedMicroseconds {
            metadata["closed"] = "\(Timestamp(clampingMicrosecondsSince1970: closed))"
        }
        if report.reappendedEvents > 0 { metadata["recovered"] = "\(report.reappendedEvents)" }
        if let torn = report.tornTail { metadata["set_aside"] = "\(torn.path) from offset \(torn.offset)" }
        switch report.ending {
        case .created: logger.info("journal created", metadata: metadata)
        case .clean, .shared: logger.info("journal opened", metadata: metadata)
        case .unclean: logger.notice("journal recovered: it was not closed cleanly", metadata: metadata)
        }
        for note in report.notes {
            logger.warning("journal: \(note)", metadata: ["directory": "\(directory)"])
        }
    }
}
