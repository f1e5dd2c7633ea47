import AgentJournal
public import CAgentJournalHeader
import CanonicalJSON

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Where a function of the interface puts its lines.
public typealias BufferPlace = UnsafeMutablePointer<aj_buffer>

extension aj_buffer {
    /// A copy of bytes for the caller, who frees it with `aj_buffer_free`.
    init(_ content: [UInt8]) throws(JournalError) {
        guard let bytes = malloc(content.count + 1) else {
            throw JournalError(
                .system, "There is no memory for a result of \(content.count) bytes", errno: .noMemory)
        }
        content.withUnsafeBytes { source in
            if let start = source.baseAddress { memcpy(bytes, start, source.count) }
        }
        bytes.storeBytes(of: 0, toByteOffset: content.count, as: UInt8.self)
        self.init(bytes: bytes.assumingMemoryBound(to: CChar.self), length: content.count)
    }
}

extension aj_receipt {
    init(_ receipt: Receipt) {
        self.init(
            sequence: receipt.sequence, recorded_microseconds: receipt.recorded.microsecondsSince1970,
            replayed: receipt.isReplayed ? 1 : 0, erased: receipt.isErased ? 1 : 0)
    }
}

/// Runs the body of a function that gives lines.
func lines(_ place: BufferPlace?, _ error: ErrorPlace?, _ body: () throws -> [UInt8]) -> Int32 {
    place?.pointee = aj_buffer(bytes: nil, length: 0)
    return status(error) {
        let lines = try body()
        if let place { place.pointee = try aj_buffer(lines) }
    }
}

/// See agent_journal.h.
@_cdecl("aj_buffer_free") public func freeBuffer(_ buffer: BufferPlace?) {
    guard let buffer else { return }
    free(buffer.pointee.bytes)
    buffer.pointee = aj_buffer(bytes: nil, length: 0)
}

/// A text of the caller's; nil for NULL.
func text(_ pointer: UnsafePointer<CChar>?, _ what: String) throws(JournalError) -> String? {
    guard let pointer else { return nil }
    guard let text = String(validatingCString: pointer) else {
        throw JournalError(.invalidArgument, "The \(what) is not UTF-8")
    }
    return text
}

/// A text of the caller's that must be there.
func requiredText(_ pointer: UnsafePointer<CChar>?, _ what: String) throws(JournalError) -> String {
    guard let text = try text(pointer, what) else {
        throw JournalError(.invalidArgument, "The \(what) is NULL")
    }
    return text
}

extension aj_text {
    /// The text; nil where there is none.
    func string(_ what: StaticString) throws(JournalError) -> String? {
        guard let bytes else {
            guard length == 0 else {
                throw JournalError(
                    .invalidArgument, "Not written: the \(what) is NULL, and its length is \(length)")
            }
            return nil
        }
        guard length >= 0,
            let string = String(
                validating: UnsafeRawBufferPointer(start: bytes, count: length), as: UTF8.self)
        else { throw JournalError(.invalidArgument, "Not written: the \(what) is not UTF-8, or too long") }
        return string
    }

    /// The text, which must be there.
    func required(_ what: StaticString) throws(JournalError) -> String {
        guard let string = try string(what) else {
            throw JournalError(.invalidArgument, "Not written: the \(what) is NULL")
        }
        return string
    }
}

/// The caller's memory, whose content is a text.
func textMemory(
    _ given: UnsafePointer<aj_text_memory>?
) throws(JournalError) -> (conversation: String, memory: NewMemory) {
    guard let given else { throw JournalError(.invalidArgument, "Not written: the memory is NULL") }
    guard given.pointee.size >= MemoryLayout<aj_text_memory>.size else {
        throw JournalError(
            .invalidArgument,
            "Not written: the size of aj_text_memory is \(given.pointee.size); set it to sizeof(aj_text_memory)"
        )
    }
    let conversation = try given.pointee.conversation.required("conversation's name")
    let memory = NewMemory(
        .text(try given.pointee.content.required("content")),
        role: try given.pointee.role.string("role").map { Role($0) },
        mimeType: try given.pointee.mime_type.string("mime type"),
        metadata: try metadata(given.pointee.metadata),
        idempotencyKey: try given.pointee.idempotency_key.string("idempotency key"))
    return (conversation, memory)
}

private func metadata(_ given: aj_text) throws(JournalError) -> Metadata {
    guard let text = try given.string("metadata") else { return [:] }
    let json: JSON
    do throws(JSON.ParseError) {
        json = try JSON(parsing: text)
    } catch {
        throw JournalError(.invalidArgument, "Not written: the metadata is no JSON: \(error.description)")
    }
    guard let metadata = Metadata(json) else {
        throw JournalError(.invalidArgument, "Not written: the metadata is JSON, but no object")
    }
    return metadata
}

/// How many of something the caller has given.
func checkedCount(_ count: Int, of start: UnsafeRawPointer?, _ what: String) throws(JournalError) -> Int {
    guard count >= 0, start != nil || count == 0 else {
        throw JournalError(
            .invalidArgument,
            "The \(what) are \(start == nil ? "NULL" : "too many"), and their number is \(count)")
    }
    return count
}

extension Point {
    /// The caller's point.
    init(_ point: aj_point) throws(JournalError) {
        switch point.kind {
        case Int32(AJ_POINT_SEQUENCE): self = .sequence(point.sequence)
        case Int32(AJ_POINT_DATE):
            let text = try requiredText(point.text, "point's date")
            do throws(Timestamp.ParseError) {
                self = .date(try Timestamp(parsing: text))
            } catch {
                throw JournalError(.invalidArgument, "The point's date is not RFC 3339: \(error.description)")
            }
        case Int32(AJ_POINT_LABEL): self = .label(try requiredText(point.text, "point's label"))
        default: throw JournalError(.invalidArgument, "There is no kind \(point.kind) of points")
        }
    }
}

/// Lines of canonical JSON.
enum Lines {
    /// The memories on the caller's lines.
    static func memories(
        _ start: UnsafePointer<CChar>?, _ length: Int
    ) throws(JournalError) -> [(conversation: String, memory: NewMemory)] {
        let bytes = UnsafeRawBufferPointer(start: start, count: try checkedCount(length, of: start, "lines"))
        var memories: [(conversation: String, memory: NewMemory)] = []
        var offset = 0
        while offset < bytes.count {
            let end = bytes[offset...].firstIndex(of: UInt8(ascii: "\n")) ?? bytes.count
            let line = UnsafeRawBufferPointer(rebasing: bytes[offset..<end])
            memories.append(try memory(line, "line \(memories.count + 1)"))
            offset = end + 1
        }
        return memories
    }

    /// The memory on the caller's one line.
    static func memory(
        _ start: UnsafePointer<CChar>?, _ length: Int
    ) throws(JournalError) -> (conversation: String, memory: NewMemory) {
        let count = try checkedCount(length, of: start, "bytes")
        return try memory(UnsafeRawBufferPointer(start: start, count: count), "the line")
    }

    private static func memory(
        _ line: UnsafeRawBufferPointer, _ what: @autoclosure () -> String
    ) throws(JournalError) -> (conversation: String, memory: NewMemory) {
        do throws(LineProblem) {
            let found = try ImportLine().parse(line.bytes)
            return (found.conversation, found.memory)
        } catch {
            throw JournalError(.invalidArgument, "Not written: \(what()): \(error.message)")
        }
    }

    static func receipts(_ receipts: [Receipt]) -> [UInt8] {
        var output: [UInt8] = []
        for receipt in receipts { append(receipt, to: &output) }
        return output
    }

    static func append(_ receipt: Receipt, to output: inout [UInt8]) {
        output += (receipt.isErased ? "{\"erased\":true,\"recorded\":\"" : "{\"recorded\":\"").utf8
        output += receipt.recorded.description.utf8
        output +=
            (receipt.isReplayed
            ? "\",\"replayed\":true,\"sequence\":" : "\",\"replayed\":false,\"sequence\":").utf8
        output += String(receipt.sequence).utf8
        output += "}\n".utf8
    }

    static func append(_ error: JournalError, to output: inout [UInt8]) {
        let members: KeyValuePairs<String, JSONValue?> = [
            "code": text(error.code.rawValue), "errno": error.errno.map { number(Int($0.rawValue)) },
            "message": text(error.message), "path": error.path.map { text($0.string) },
        ]
        append(["error": object(members)], to: &output)
    }

    static func append(_ members: KeyValuePairs<String, JSONValue?>, to output: inout [UInt8]) {
        object(members).appendCanonical(to: &output)
        output.append(UInt8(ascii: "\n"))
    }

    static func text(_ text: String) -> JSONValue { .string(Array(text.utf8)) }

    static func number(_ number: some BinaryInteger) -> JSONValue { .number(Array(String(number).utf8)) }

    /// An object; what is nil is left out.
    static func object(_ members: KeyValuePairs<String, JSONValue?>) -> JSONValue {
        .object(
            members.compactMap { key, value in
                value.map { JSONMember(key: Array(key.utf8), value: $0) }
            })
    }
}
