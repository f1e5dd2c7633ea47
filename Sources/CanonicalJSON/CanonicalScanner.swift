extension CanonicalJSON {
    /// Where `bytes` depart from the canonical form of one value; nil when they are in it, to the byte.
    ///
    /// - Complexity: linear, without recursion, whatever the depth; without an allocation where nothing lies within another.
    package static func departure(_ bytes: UnsafeRawBufferPointer) -> Int? {
        var scanner = CanonicalScanner(bytes)
        return scanner.isOneValue() ? nil : scanner.offset
    }
}

/// Walks one value and stops at the first byte that is not as the canonical form has it.
private struct CanonicalScanner {
    /// An array or object that is not closed yet.
    private struct Container {
        var isObject: Bool
        /// The key of its last member, without quotation marks; nil before the first.
        var key: Range<Int>?
        var isKeyEscaped = false
    }

    /// What was found where a value is due.
    private enum Found { case whole, opened, nothing }

    private let bytes: UnsafeRawBufferPointer
    private(set) var offset = 0
    /// The innermost open container, and those around it.
    private var innermost: Container?
    private var outer: [Container] = []

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    mutating func isOneValue() -> Bool {
        while true {
            switch value() {
            case .nothing: return false
            case .opened: continue
            case .whole: break
            }
            // A value has ended, and with it perhaps what it lies in.
            while let container = innermost {
                if take(UInt8(ascii: ",")) {
                    if container.isObject, !key() { return false }
                    break
                }
                guard take(container.isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")) else { return false }
                innermost = outer.popLast()
            }
            if innermost == nil { return offset == bytes.count }
        }
    }

    private mutating func value() -> Found {
        guard offset < bytes.count else { return .nothing }
        switch bytes[offset] {
        case UInt8(ascii: "\""): return string() != nil ? .whole : .nothing
        case UInt8(ascii: "{"):
            offset &+= 1
            if take(UInt8(ascii: "}")) { return .whole }
            open(isObject: true)
            return key() ? .opened : .nothing
        case UInt8(ascii: "["):
            offset &+= 1
            if take(UInt8(ascii: "]")) { return .whole }
            open(isObject: false)
            return .opened
        case UInt8(ascii: "t"): return take("true") ? .whole : .nothing
        case UInt8(ascii: "f"): return take("false") ? .whole : .nothing
        case UInt8(ascii: "n"): return take("null") ? .whole : .nothing
        default: return number() ? .whole : .nothing
        }
    }

    private mutating func open(isObject: Bool) {
        if let innermost { outer.append(innermost) }
        innermost = Container(isObject: isObject)
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard offset < bytes.count, bytes[offset] == byte else { return false }
        offset &+= 1
        return true
    }

    private mutating func take(_ word: StaticString) -> Bool {
        let end = offset &+ word.utf8CodeUnitCount
        guard end <= bytes.count, word.withUTF8Buffer({ bytes[offset..<end].elementsEqual($0) }) else {
            return false
        }
        offset = end
        return true
    }

    // MARK: Keys

    /// The key of a member, behind that of the one before it, and the colon.
    private mutating func key() -> Bool {
        let start = offset
        guard offset < bytes.count, bytes[offset] == UInt8(ascii: "\""), let isEscaped = string() else {
            return false
        }
        let key = (start &+ 1)..<(offset &- 1)
        if let before = innermost!.key, !isAscending(before, key, innermost!.isKeyEscaped || isEscaped) {
            offset = start
            return false
        }
        innermost!.key = key
        innermost!.isKeyEscaped = isEscaped
        return take(UInt8(ascii: ":"))
    }

    /// Keys are in the order of their own bytes, not of their escapes'.
    private func isAscending(_ before: Range<Int>, _ key: Range<Int>, _ isEscaped: Bool) -> Bool {
        guard isEscaped else { return bytes[before].lexicographicallyPrecedes(bytes[key]) }
        return unescaped(before).lexicographicallyPrecedes(unescaped(key))
    }

    /// What a key says, whose quotation marks are around the range.
    private func unescaped(_ key: Range<Int>) -> [UInt8] {
        let quoted = UnsafeRawBufferPointer(rebasing: bytes[(key.lowerBound - 1)..<(key.upperBound + 1)])
        guard let text = CanonicalJSON.decodeString(quoted.bytes) else {
            preconditionFailure("a string that was looked through cannot be decoded")
        }
        return text
    }

    // MARK: Strings and numbers

    /// Steps over a string; nil when it is not canonical, else whether it has escapes.
    private mutating func string() -> Bool? {
        offset &+= 1
        var isEscaped = false
        while true {
            skipPlain()
            guard offset < bytes.count else { return nil }
            switch bytes[offset] {
            case UInt8(ascii: "\""):
                offset &+= 1
                return isEscaped
            case UInt8(ascii: "\\"):
                isEscaped = true
                guard escape() else { return nil }
            case 0x80...:
                let length = UTF8Text.sequenceLength(bytes, at: offset)
                guard length > 0 else { return nil }
                offset &+= length
            default: return nil
            }
        }
    }

    /// Steps over printable ASCII but quotation marks and backslashes.
    @inline(__always)
    private mutating func skipPlain() {
        let ones: UInt64 = 0x0101_0101_0101_0101
        while bytes.count &- offset >= 8 {
            let word = bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
            let quote = word ^ (ones &* 0x22)
            let backslash = word ^ (ones &* 0x5C)
            let stops =
                (word &- (ones &* 0x20)) | word | ((quote &- ones) & ~quote)
                | ((backslash &- ones) & ~backslash)
            if stops & (ones &* 0x80) != 0 { break }
            offset &+= 8
        }
        while offset < bytes.count {
            let byte = bytes[offset]
            if byte < 0x20 || byte >= 0x80 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") {
                return
            }
            offset &+= 1
        }
    }

    /// Only what must be escaped is, and each in one way.
    private mutating func escape() -> Bool {
        guard bytes.count &- offset >= 2 else { return false }
        switch bytes[offset &+ 1] {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"),
            UInt8(ascii: "b"), UInt8(ascii: "f"):
            offset &+= 2
            return true
        case UInt8(ascii: "u"):
            guard bytes.count &- offset >= 6, bytes[offset &+ 2] == UInt8(ascii: "0"),
                bytes[offset &+ 3] == UInt8(ascii: "0")
            else { return false }
            let last = bytes[offset &+ 5]
            switch (bytes[offset &+ 4], last) {
            case (UInt8(ascii: "0"), UInt8(ascii: "0")...UInt8(ascii: "7")),
                (UInt8(ascii: "0"), UInt8(ascii: "b")), (UInt8(ascii: "0"), UInt8(ascii: "e")),
                (UInt8(ascii: "0"), UInt8(ascii: "f")),
                (UInt8(ascii: "1"), UInt8(ascii: "0")...UInt8(ascii: "9")),
                (UInt8(ascii: "1"), UInt8(ascii: "a")...UInt8(ascii: "f")):
                offset &+= 6
                return true
            default: return false
            }
        default: return false
        }
    }

    /// `-? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?`
    private mutating func number() -> Bool {
        _ = take(UInt8(ascii: "-"))
        if !take(UInt8(ascii: "0")), !digits() { return false }
        if take(UInt8(ascii: ".")), !digits() { return false }
        if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
            if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
            return digits()
        }
        return true
    }

    private mutating func digits() -> Bool {
        let start = offset
        while offset < bytes.count, bytes[offset] &- UInt8(ascii: "0") < 10 { offset &+= 1 }
        return offset > start
    }
}
