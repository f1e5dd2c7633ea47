/// The canonical form of JSON: one spelling for every value, so that equal values are equal bytes.
///
/// - The keys of an object are in the order of their UTF-8 bytes, and none appears twice.
/// - There is no white space outside strings.
/// - Numbers are kept as they were written: a journal must not change `1.10` or `12345678901234567890`.
/// - In strings only `"`, `\` and U+0000...U+001F are escaped (`\n \r \t \b \f`, else `\u00xx` in lower case);
///   everything else is raw UTF-8.
///
/// It differs from RFC 8785 (JCS) in the numbers, which that rewrites as IEEE doubles, and in the order of keys,
/// which that takes from UTF-16.
package enum CanonicalJSON {
    /// The canonical form of the JSON value in `bytes`. Linear time, but for the sorting of keys.
    package static func canonicalize(_ bytes: [UInt8]) throws(JSONError) -> [UInt8] {
        try canonicalize(bytes.span.bytes)
    }

    /// The canonical form of the JSON value in `bytes`.
    package static func canonicalize(
        _ bytes: RawSpan, maximumDepth: Int = JSONValue.defaultMaximumDepth
    ) throws(JSONError) -> [UInt8] {
        let value = try JSONValue.parse(bytes, maximumDepth: maximumDepth)
        var output: [UInt8] = []
        output.reserveCapacity(bytes.byteCount)
        value.appendCanonical(to: &output)
        return output
    }

    /// Whether `bytes` are a JSON value in canonical form, to the byte.
    package static func isCanonical(_ bytes: [UInt8]) -> Bool {
        guard let canonical = try? canonicalize(bytes) else { return false }
        return canonical == bytes
    }
}
