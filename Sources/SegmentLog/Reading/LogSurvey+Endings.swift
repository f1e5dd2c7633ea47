import JournalFileSystem

/// Where segments end, and what else belongs to no frame.
extension LogSurvey {
    /// Of a packed segment, its footer; reports one that is damaged.
    func readFooter(
        _ file: any File, _ entry: CatalogEntry, _ name: String
    ) throws(LogError) -> PackedFooter? {
        guard entry.header.isPacked else { return nil }
        if let footer = try PackedFooter.read(file, entry.header) { return footer }
        let length = try asLogError { () throws(FileSystemError) in try file.length() }
        problems.append(
            LogProblem(
                file: name, offset: length - min(length, UInt64(PackedFooter.trailerLength)), kind: .index,
                message: "the index at the end is damaged; the events are found without it"))
        return nil
    }

    /// Whether the invalid frame at the cursor is where the log rightly ends; reports the shortfall if it is not.
    func isEnd(
        _ cursor: FrameCursor, _ entry: CatalogEntry, _ name: String, _ file: any File
    ) throws(LogError) -> Bool {
        let tail = try Tail.judge(cursor, entry: entry, record: record, paths: paths)
        switch tail.verdict {
        case .damaged:
            if tail.evidence.hasPromiseBeyond { return false }
            problems.append(tail.problem!)
            return true
        case .clean: try checkLength(file, atLeast: tail.end.offset, name)
        case .unclean:
            if tail.evidence.record == .matches {
                problems.append(
                    LogProblem(
                        file: name, offset: tail.end.offset, kind: .frame,
                        message:
                            "there are bytes behind the end that the last clean close left; no event is touched"
                    ))
            } else if tail.evidence.hasBytesBeyond {
                notes.append("\(name): a torn write, never acknowledged, from offset \(tail.end.offset) on")
            } else {
                notes.append("\(name): not closed cleanly; the log ends at offset \(tail.end.offset)")
            }
        }
        return true
    }

    /// The padding behind the last frame is written with it; without it the file was cut.
    func checkLength(_ file: any File, atLeast end: UInt64, _ name: String) throws(LogError) {
        let length = try asLogError { () throws(FileSystemError) in try file.length() }
        // What else is missing was reported as a frame's.
        guard length < end, problems.last?.file != name || problems.last?.kind != .frame else { return }
        // Such a segment may have been the last one, taken for torn, and left as it was.
        guard end > SegmentHeader.framesOffset else {
            notes.append("\(name): it ends before its frames begin, and holds none")
            return
        }
        problems.append(
            LogProblem(
                file: name, offset: length, kind: .padding, message: "the last zeros of the file are cut off")
        )
    }

    /// The next place behind the cursor where a frame may be. In the last segment only up to the last promise: what
    /// lies behind that was perhaps never acknowledged.
    func nextHeader(
        _ cursor: FrameCursor, _ end: SegmentEnd?, isLast: Bool
    ) throws(LogError) -> UInt64? {
        var limit = end?.offset ?? .max
        if isLast {
            var last: UInt64?
            _ = try cursor.scan(from: cursor.offset + 8) { offset, header in
                if header.flags.contains(.followsSync) { last = offset }
                return false
            }
            guard let last else { return nil }
            limit = last + 1
        }
        guard let found = try cursor.scan(from: cursor.offset + 8, accepting: { _, _ in true }),
            found.offset < limit
        else {
            return nil
        }
        return found.offset
    }

    func checkEnding(
        _ cursor: FrameCursor, _ entry: CatalogEntry, _ end: SegmentEnd?, agrees: Bool, _ name: String
    ) {
        guard let end, !end.isRight(cursor) || !agrees else { return }
        // A gap up to the end was reported already.
        guard cursor.offset <= end.offset ?? .max,
            cursor.nextSequence <= end.lastSequence || cursor.chain != end.chain ?? cursor.chain || !agrees,
            problems.last?.file != name || problems.last?.kind != .frame
        else { return }
        problems.append(
            LogProblem(
                file: name, offset: cursor.offset, kind: .frame,
                lost: .checked(cursor.nextSequence, end.lastSequence),
                message: "the segment does not end as its successor says"))
    }

    /// Of `lock`, what nothing relies on. What an opening that a power cut ended leaves is no damage, so it is a note.
    func notePage(_ page: [UInt8]) {
        if page.count < LockFile.length {
            notes.append(
                "lock: \(page.count) bytes long, not \(LockFile.length): it holds no clean-close record")
        }
        page.withUnsafeBytes { page in
            if !LockFile.isAsClosed(page) {
                notes.append(
                    "lock: its first 512 bytes are not as the last clean close left them, by damage or by a power cut; "
                        + "nothing relies on them")
            }
            guard let dirt = LockFile.offsetOfDirt(page) else { return }
            problems.append(
                LogProblem(
                    file: LockFile.fileName, offset: UInt64(dirt), kind: .padding,
                    message: "the zeros of the page are not zeros; no event is touched"))
        }
    }

    func checkHeaderGaps(_ file: any File, _ name: String) throws(LogError) {
        let start = try asLogError { () throws(FileSystemError) in
            try file.read(Int(SegmentHeader.framesOffset), at: 0)
        }
        for offset in SegmentHeader.copyOffsets {
            let from = min(offset + SegmentHeader.length, start.count)
            guard let wrong = start[from..<min(offset + 512, start.count)].firstIndex(where: { $0 != 0 })
            else { continue }
            problems.append(
                LogProblem(
                    file: name, offset: UInt64(wrong), kind: .padding,
                    message: "the zeros behind the header are not zeros; no event is touched"))
        }
    }
}
