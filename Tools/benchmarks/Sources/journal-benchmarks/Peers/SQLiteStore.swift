import AgentJournal
import CSQLite
import Glibc
import SystemPackage

/// The memory store that one would make of SQLite: a table, an index on the conversation, WAL, every commit synced.
///
/// `@unchecked Sendable`: several threads reach it only through `withLock`, or one alone has it.
final class SQLiteStore: @unchecked Sendable {
    static let settings = "journal_mode=WAL, synchronous=FULL, one INSERT a transaction, prepared statement"

    private var database: OpaquePointer?
    private var insertion: OpaquePointer?
    private var selection: OpaquePointer?
    private var lastSelection: OpaquePointer?
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>

    struct Failure: Error, CustomStringConvertible {
        var description: String
    }

    /// Makes the table where there is none.
    init(_ path: FilePath) throws {
        // A plain pthread mutex, as most programs would take; Swift's own costs more when contended.
        mutex = .allocate(capacity: 1)
        pthread_mutex_init(mutex, nil)
        // One connection, under our own mutex: SQLite need not lock it once more.
        let flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX
        try check(sqlite3_open_v2(path.string, &database, flags, nil))
        // For others that write at the same time.
        try execute("PRAGMA busy_timeout=30000")
        try execute("PRAGMA journal_mode=WAL")
        try execute("PRAGMA synchronous=FULL")
        try execute(
            """
            CREATE TABLE IF NOT EXISTS memories(
                id INTEGER PRIMARY KEY, conversation TEXT, role TEXT, content TEXT, metadata TEXT, timestamp INTEGER)
            """)
        try execute("CREATE INDEX IF NOT EXISTS by_conversation ON memories(conversation)")
        try check(
            sqlite3_prepare_v3(
                database,
                "INSERT INTO memories(conversation, role, content, metadata, timestamp) VALUES(?, ?, ?, ?, ?)",
                -1, UInt32(SQLITE_PREPARE_PERSISTENT), &insertion, nil))
    }

    deinit {
        sqlite3_finalize(selection)
        sqlite3_finalize(lastSelection)
        sqlite3_finalize(insertion)
        sqlite3_close(database)
        pthread_mutex_destroy(mutex)
        mutex.deallocate()
    }

    /// Inserts one message, durably when this is not inside a transaction.
    func insert(_ message: Message) throws {
        bind(1, message.conversation, to: insertion)
        bind(2, message.role, to: insertion)
        bind(3, message.content, to: insertion)
        bind(4, message.metadata, to: insertion)
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        sqlite3_bind_int64(insertion, 5, Int64(now.tv_sec) * 1_000_000 + Int64(now.tv_nsec) / 1000)
        let status = sqlite3_step(insertion)
        guard status == SQLITE_DONE else { throw failure() }
        sqlite3_reset(insertion)
    }

    /// A row, as a program would hold it.
    struct Row {
        var id: Int64
        var role: String
        var content: String
        var metadata: String
        var timestamp: Int64
    }

    /// All rows of a conversation, in the order in which they were inserted.
    func select(_ conversation: String) throws -> [Row] {
        try rows(&selection, "WHERE conversation = ? ORDER BY id", conversation)
    }

    /// The last rows of a conversation, in the order in which they were inserted.
    func select(_ conversation: String, last count: Int) throws -> [Row] {
        try rows(&lastSelection, "WHERE conversation = ? ORDER BY id DESC LIMIT \(count)", conversation)
            .reversed()
    }

    private func rows(
        _ statement: inout OpaquePointer?, _ condition: String, _ conversation: String
    ) throws -> [Row] {
        if statement == nil {
            try check(
                sqlite3_prepare_v3(
                    database, "SELECT id, role, content, metadata, timestamp FROM memories " + condition, -1,
                    UInt32(SQLITE_PREPARE_PERSISTENT), &statement, nil))
        }
        bind(1, conversation, to: statement)
        defer { sqlite3_reset(statement) }
        var rows: [Row] = []
        while true {
            switch sqlite3_step(statement) {
            case SQLITE_ROW:
                rows.append(
                    Row(
                        id: sqlite3_column_int64(statement, 0), role: text(statement, 1),
                        content: text(statement, 2), metadata: text(statement, 3),
                        timestamp: sqlite3_column_int64(statement, 4)))
            case SQLITE_DONE: return rows
            default: throw failure()
            }
        }
    }

    private func text(_ statement: OpaquePointer?, _ column: Int32) -> String {
        guard let bytes = sqlite3_column_text(statement, column) else { return "" }
        return String(
            decoding: UnsafeBufferPointer(start: bytes, count: Int(sqlite3_column_bytes(statement, column))),
            as: UTF8.self)
    }

    func withLock<R>(_ body: () throws -> R) rethrows -> R {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return try body()
    }

    func execute(_ statement: String) throws {
        try check(sqlite3_exec(database, statement, nil, nil, nil))
    }

    private func bind(_ index: Int32, _ text: String, to statement: OpaquePointer?) {
        // SQLite copies it: what is bound must outlive the step.
        let transient = unsafeBitCast(-1, to: sqlite3_destructor_type.self)
        var text = text
        text.withUTF8 { utf8 in
            utf8.withMemoryRebound(to: CChar.self) { bytes in
                _ = sqlite3_bind_text(statement, index, bytes.baseAddress, Int32(bytes.count), transient)
            }
        }
    }

    private func check(_ status: Int32) throws {
        guard status == SQLITE_OK else { throw failure() }
    }

    private func failure() -> Failure {
        Failure(description: "SQLite: " + String(cString: sqlite3_errmsg(database)))
    }
}
