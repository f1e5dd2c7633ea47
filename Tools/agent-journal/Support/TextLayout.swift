extension String {
    /// Replaces what a terminal would obey instead of show: control characters and those that turn the direction of
    /// writing around, which could make a line look like another.
    func escapingControls(keepingNewlines: Bool) -> String {
        guard unicodeScalars.contains(where: { $0.isObeyed }) else { return self }
        var text = ""
        for scalar in unicodeScalars {
            switch scalar {
            case "\n" where keepingNewlines: text.unicodeScalars.append(scalar)
            case "\n": text += "\\n"
            case "\r": text += "\\r"
            case "\t": text += "\\t"
            case _ where scalar.isObeyed:
                let digits = String(scalar.value, radix: 16)
                text += "\\u" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits
            default: text.unicodeScalars.append(scalar)
            }
        }
        return text
    }

    /// How many columns it takes on a terminal.
    var columns: Int { reduce(0) { $0 + $1.columns } }

    /// The text with spaces behind it, to at least so many columns.
    func padded(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - columns)) }

    /// The text with spaces before it, to at least so many columns.
    func paddedLeft(to width: Int) -> String { String(repeating: " ", count: max(0, width - columns)) + self }

    /// The text's first `count` characters, with an ellipsis in place of the last if there are more.
    func shortened(to count: Int) -> String {
        guard let end = index(startIndex, offsetBy: count, limitedBy: endIndex), end < endIndex else {
            return self
        }
        return String(prefix(count - 1)) + "…"
    }

    /// One line broken into several of at most `width` columns, at spaces where there are any.
    func wrapped(to width: Int) -> [String] {
        guard columns > width else { return [self] }
        var lines: [String] = []
        var line = ""
        var used = 0
        // Where the line may be broken: behind its last space.
        var breakAfter: String.Index?
        for character in self {
            if used + character.columns > width, !line.isEmpty {
                let rest = breakAfter.map { String(line[$0...]) } ?? ""
                if let breakAfter { line.removeSubrange(breakAfter...) }
                lines.append(line.trimmingTrailingSpaces)
                line = rest
                used = rest.columns
                breakAfter = nil
                if character == " ", line.isEmpty { continue }
            }
            line.append(character)
            used += character.columns
            if character == " " { breakAfter = line.endIndex }
        }
        lines.append(line)
        return lines
    }

    private var trimmingTrailingSpaces: String {
        var text = self
        while text.last == " " { text.removeLast() }
        return text
    }
}

extension UInt64 {
    /// A number of bytes, for reading: `17 bytes`, `1.2 MiB`.
    var sizeText: String {
        guard self >= 1024 else { return "\(self) \(self == 1 ? "byte" : "bytes")" }
        let units = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]
        var unit = 0
        var bytes = self
        // Tenths are rounded, and 1023.97 KiB is 1.0 MiB.
        while unit < units.count - 1, bytes >= 1024 * 1024 - 51 {
            bytes /= 1024
            unit += 1
        }
        let tenths = (bytes * 10 + 512) / 1024
        return "\(tenths / 10).\(tenths % 10) \(units[unit])"
    }
}

extension Unicode.Scalar {
    /// Whether a terminal obeys it, or shows nothing for it: Unicode's controls (C0, DEL, C1), what turns the direction of writing
    /// around, line separators, and other format characters. Not what joins the characters of a script or an emoji.
    fileprivate var isObeyed: Bool {
        switch value {
        case 0x20...0x7E: false
        case 0x00...0x1F, 0x7F...0x9F, 0x2028, 0x2029: true
        case 0x200C, 0x200D, 0xE0020...0xE007F: false
        default: value >= 0xAD && properties.generalCategory == .format
        }
    }
}

extension Character {
    /// Columns on a terminal: 2 for East Asian wide characters and emoji, 0 for what only marks another.
    fileprivate var columns: Int {
        guard let scalar = unicodeScalars.first else { return 0 }
        if scalar.value < 0x300 { return 1 }
        switch scalar.value {
        case 0x200B...0x200D, 0xFE00...0xFE0F: return 0
        // The blocks whose characters UAX #11 gives the width W or F.
        case 0x1100...0x115F, 0x2E80...0x303E, 0x3041...0x33FF, 0x3400...0x4DBF, 0x4E00...0x9FFF,
            0xA000...0xA4CF,
            0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F, 0xFF00...0xFF60, 0xFFE0...0xFFE6,
            0x1F300...0x1F64F,
            0x1F680...0x1F6FF, 0x1F900...0x1FAFF, 0x20000...0x3FFFD:
            return 2
        default: return scalar.properties.generalCategory == .nonspacingMark ? 0 : 1
        }
    }
}
