/// What a number that stands for a time counts from the beginning of 1970 (UTC).
package enum TimeUnit: String, Sendable, CaseIterable {
    case seconds = "s"
    case milliseconds = "ms"
    case microseconds = "us"

    /// How many decimals of it a microsecond has.
    private var decimals: Int {
        switch self {
        case .seconds: 6
        case .milliseconds: 3
        case .microseconds: 0
        }
    }

    /// The time that a number of JSON stands for, its fraction cut at the microsecond; nil outside of the years 0001 to 9999.
    ///
    /// The digits are read as they are: in binary floating point microseconds would be off by one.
    package func timestamp(_ number: [UInt8]) -> Timestamp? {
        guard let microseconds = microseconds(number) else { return nil }
        return Timestamp(microsecondsSince1970: microseconds)
    }

    private func microseconds(_ number: [UInt8]) -> Int64? {
        var rest = number[...]
        let isNegative = rest.first == UInt8(ascii: "-")
        if isNegative { rest.removeFirst() }
        let mantissa = rest.prefix { $0 != UInt8(ascii: "e") && $0 != UInt8(ascii: "E") }
        let exponent =
            rest.count == mantissa.count
            ? 0 : Int(String(decoding: rest[(mantissa.endIndex + 1)...], as: UTF8.self))
        let integer = mantissa.prefix { $0 != UInt8(ascii: ".") }
        let digits = (integer + mantissa.dropFirst(integer.count + 1)).drop { $0 == UInt8(ascii: "0") }
        guard !digits.isEmpty else { return 0 }
        // Of an exponent that is no number for Swift there is no time either.
        guard let exponent, abs(exponent) < 1000 else { return nil }
        let leadingZeros = mantissa.count { $0 != UInt8(ascii: ".") } - digits.count
        let count = integer.count - leadingZeros + exponent + decimals
        guard count <= 18 else { return nil }
        var value: Int64 = 0
        for index in 0..<max(0, count) {
            let digit = index < digits.count ? digits[digits.startIndex + index] - UInt8(ascii: "0") : 0
            value = value * 10 + Int64(digit)
        }
        guard isNegative else { return value }
        let isCut = digits.dropFirst(max(0, count)).contains { $0 != UInt8(ascii: "0") }
        return isCut ? -value - 1 : -value
    }
}
