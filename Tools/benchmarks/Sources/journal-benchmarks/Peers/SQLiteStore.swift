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
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>

    struct Failure: Error, CustomStringConvertible {
        var description: String
    }

    init(_ path: FilePath) throws {
        // A plain pthread mutex, as most programs would take; Swift's own costs more when contended.
        mutex = .allocate(capacity: 1)
        pthread_mutex_init(mutex, nil)
        // One connection, under our own mutex: SQLite need not lock it once more.
        let flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX
        try check(sqlite3_open_v2(path.string, &database, flags, nil))
        try execute("PRAGMA journal_mode=WAL")
        try execute("PRAGMA synchronous=FULL")
        try execute(
            """
            CREATE TABLE memories(
                id INTEGER PRIMARY KEY, conversation TEXT, role TEXT, content TEXT, metadata TEXT, timestamp INTEGER)
            """)
        try execute("CREATE INDEX by_conversation ON memories(conversation)")
        try check(
            sqlite3_prepare_v3(
                database,
                "INSERT INTO memories(conversation, role, content, metadata, timestamp) VALUES(?, ?, ?, ?, ?)",
                -1, UInt32(SQLITE_PREPARE_PERSISTENT), &insertion, nil))
    }

    deinit {
        sqlite3_finalize(insertion)
        sqlite3_close(database)
        pthread_mutex_destroy(mutex)
        mutex.deallocate()
    }

    /// Inserts one message, durably when this is not inside a transaction.
    func insert(_ message: Message) throws {
        bind(1, message.conversation)
        bind(2, message.role)
        bind(3, message.content)
        bind(4, message.metadata)
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        sqlite3_bind_int64(insertion, 5, Int64(now.tv_sec) * 1_000_000 + Int64(now.tv_nsec) / 1000)
        let status = sqlite3_step(insertion)
        guard status == SQLITE_DONE else { throw failure() }
        sqlite3_reset(insertion)
    }

    func withLock<R>(_ body: () throws -> R) rethrows -> R {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return try body()
    }

    func execute(_ statement: String) throws {
        try check(sqlite3_exec(database, statement, nil, nil, nil))
    }

    private func bind(_ index: Int32, _ text: String) {
        // SQLite copies it: what is bound must outlive the step.
        let transient = unsafeBitCast(-1, to: sqlite3_destructor_type.self)
        var text = text
        text.withUTF8 { utf8 in
            utf8.withMemoryRebound(to: CChar.self) { bytes in
                _ = sqlite3_bind_text(insertion, index, bytes.baseAddress, Int32(bytes.count), transient)
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
