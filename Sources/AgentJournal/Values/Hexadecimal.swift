/// Bytes as lower-case hexadecimal digits.
package enum Hexadecimal {
    package static func digits(of bytes: some Sequence<UInt8>) -> [UInt8] {
        let digits = Array("0123456789abcdef".utf8)
        return bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
    }
}
