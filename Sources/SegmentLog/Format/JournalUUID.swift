/// A journal's identity: 16 random bytes, written as RFC 9562 writes a version 4 UUID.
package struct JournalUUID: Hashable, Sendable, CustomStringConvertible {
    package var high: UInt64
    package var low: UInt64

    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    package static func random(_ bits: () -> UInt64) -> JournalUUID {
        JournalUUID(high: (bits() & ~0xF000) | 0x4000, low: (bits() & ~(0b11 << 62)) | (0b10 << 62))
    }

    /// Nil when the text is not 8-4-4-4-12 lower-case hexadecimal digits.
    package init?(_ text: String) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.map(\.utf8.count) == [8, 4, 4, 4, 12], text == text.lowercased() else { return nil }
        let digits = parts.joined()
        guard digits.utf8.allSatisfy({ $0 != UInt8(ascii: "+") }),
            let high = UInt64(digits.prefix(16), radix: 16), let low = UInt64(digits.suffix(16), radix: 16)
        else { return nil }
        self.init(high: high, low: low)
    }

    package var description: String {
        let digits = Array((hexadecimal(high, digits: 16) + hexadecimal(low, digits: 16)).utf8)
        var text: [UInt8] = []
        for (index, digit) in digits.enumerated() {
            if index == 8 || index == 12 || index == 16 || index == 20 { text.append(UInt8(ascii: "-")) }
            text.append(digit)
        }
        return String(decoding: text, as: UTF8.self)
    }
}

/// Lower-case hexadecimal digits, padded with zeros.
func hexadecimal(_ value: some BinaryInteger, digits: Int) -> String {
    let text = String(value, radix: 16)
    return String(repeating: "0", count: max(0, digits - text.utf8.count)) + text
}

/// Decimal digits, padded with zeros.
func decimal(_ value: some BinaryInteger, digits: Int) -> String {
    let text = String(value)
    return String(repeating: "0", count: max(0, digits - text.utf8.count)) + text
}
