import AgentJournal
import CAgentJournalHeader
import JournalFileSystem

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// What an `aj_error *` points at: texts that C can read, for as long as it lives.
final class CError: Sendable {
    private let texts: (code: Text, message: Text, path: Text?)
    let number: Int32

    init(_ error: JournalError) {
        texts = (Text(error.code.rawValue), Text(error.message), error.path.map { Text($0.string) })
        number = error.errno?.rawValue ?? 0
    }

    /// An error as the caller gets it, who frees it.
    static func retained(_ error: any Error) -> OpaquePointer {
        OpaquePointer(Unmanaged.passRetained(CError(asJournalError(error))).toOpaque())
    }

    var code: UnsafePointer<CChar> { texts.code.start }
    var message: UnsafePointer<CChar> { texts.message.start }
    var path: UnsafePointer<CChar>? { texts.path?.start }
}

/// A copy of a text that ends with a zero byte.
private final class Text: @unchecked Sendable {
    // @unchecked: nothing is written behind the pointer after `init`.
    let start: UnsafePointer<CChar>

    init(_ text: String) {
        let bytes = UnsafeMutablePointer<CChar>.allocate(capacity: text.utf8.count + 1)
        for (index, byte) in text.utf8.enumerated() { bytes[index] = CChar(bitPattern: byte) }
        bytes[text.utf8.count] = 0
        start = UnsafePointer(bytes)
    }

    deinit { start.deallocate() }
}

/// Where a function of the interface puts its error.
public typealias ErrorPlace = UnsafeMutablePointer<OpaquePointer?>

/// Any error as one of the journal's.
func asJournalError(_ error: any Error) -> JournalError {
    error as? JournalError ?? JournalError(.system, "\(error)")
}

/// Runs the body of a function that returns AJ_OK or AJ_ERROR.
func status(_ place: ErrorPlace?, _ body: () throws -> Void) -> Int32 {
    uncutByForks {
        place?.pointee = nil
        do {
            try body()
            return Int32(AJ_OK)
        } catch {
            place?.pointee = CError.retained(error)
            return Int32(AJ_ERROR)
        }
    }
}

/// Runs the body of a function that returns a handle.
func handle<Object: AnyObject>(_ place: ErrorPlace?, _ body: () throws -> Object) -> OpaquePointer? {
    var made: OpaquePointer?
    _ = status(place) { made = OpaquePointer(Unmanaged.passRetained(try body()).toOpaque()) }
    return made
}

/// What a handle points at.
func object<Object: AnyObject>(_ handle: OpaquePointer?, _ type: Object.Type) throws(JournalError) -> Object {
    guard let handle else { throw JournalError(.invalidArgument, "The handle is NULL") }
    return Unmanaged<Object>.fromOpaque(UnsafeRawPointer(handle)).takeUnretainedValue()
}

/// Lets go of what a handle points at.
func release<Object: AnyObject>(_ handle: OpaquePointer?, _ type: Object.Type) {
    guard let handle else { return }
    uncutByForks { Unmanaged<Object>.fromOpaque(UnsafeRawPointer(handle)).release() }
}

private func error(_ handle: OpaquePointer?) -> CError? {
    handle.map { Unmanaged<CError>.fromOpaque(UnsafeRawPointer($0)).takeUnretainedValue() }
}

/// See agent_journal.h.
@_cdecl("aj_error_code") public func errorCode(_ handle: OpaquePointer?) -> UnsafePointer<CChar>? {
    error(handle)?.code
}

/// See agent_journal.h.
@_cdecl("aj_error_message") public func errorMessage(_ handle: OpaquePointer?) -> UnsafePointer<CChar>? {
    error(handle)?.message
}

/// See agent_journal.h.
@_cdecl("aj_error_path") public func errorPath(_ handle: OpaquePointer?) -> UnsafePointer<CChar>? {
    error(handle)?.path
}

/// See agent_journal.h.
@_cdecl("aj_error_errno") public func errorNumber(_ handle: OpaquePointer?) -> Int32 {
    error(handle)?.number ?? 0
}

/// See agent_journal.h.
@_cdecl("aj_error_free") public func freeError(_ handle: OpaquePointer?) { release(handle, CError.self) }
