import CAgentJournalHeader
import CanonicalJSON
import JournalFileSystem
import Logging

/// Hands the library's log to a function of the caller's.
struct CLog: LogHandler, @unchecked Sendable {
    // @unchecked: the header says that the function is called from any thread, with its context.
    private let function:
        @convention(c) (UnsafeMutableRawPointer?, Int32, UnsafePointer<CChar>?, UnsafePointer<CChar>?) -> Void
    private let context: UnsafeMutableRawPointer?
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.info

    init(
        _ function:
            @escaping @convention(c) (
                UnsafeMutableRawPointer?, Int32, UnsafePointer<CChar>?, UnsafePointer<CChar>?
            ) -> Void, _ context: UnsafeMutableRawPointer?
    ) {
        self.function = function
        self.context = context
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let all = metadata.merging(event.metadata ?? [:]) { $1 }
        var fields: [UInt8] = []
        JSONValue.object(
            all.map { JSONMember(key: Array($0.key.utf8), value: .string(Array("\($0.value)".utf8))) }
        ).appendCanonical(to: &fields)
        let level =
            switch event.level {
            case .trace, .debug: AJ_LOG_DEBUG
            case .info, .notice: AJ_LOG_INFO
            case .warning: AJ_LOG_WARNING
            case .error: AJ_LOG_ERROR
            case .critical: AJ_LOG_CRITICAL
            }
        event.message.description.withCString { message in
            String(decoding: fields, as: UTF8.self).withCString { fields in
                asCallersCode { function(context, Int32(level), message, fields) }
            }
        }
    }
}

extension Logger {
    /// Where the log goes when the caller does not want it.
    static var silent: Logger { Logger(label: "agent-journal") { _ in SwiftLogNoOpLogHandler() } }
}
