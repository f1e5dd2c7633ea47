import AgentJournal
import CHiredis
import Glibc
import SystemPackage

/// A Redis server for one contender: each write synced before it is answered, reached through a Unix socket.
final class RedisServer {
    static let settings =
        "appendonly yes, appendfsync always, no RDB, Unix socket, RPUSH of a line of JSON made beforehand"

    private let process: pid_t
    /// Not in the scratch directory: a socket's path may be 107 bytes long.
    private let socketDirectory: FilePath
    private var socket: String { socketDirectory.appending("redis.sock").string }

    struct Failure: Error, CustomStringConvertible {
        var description: String
    }

    static let program: String? = ["/usr/bin/redis-server", "/usr/local/bin/redis-server"]
        .first { access($0, X_OK) == 0 }

    /// Of the program, as it says.
    static let version: String = {
        guard let program, let output = popen("\(program) --version", "r") else { return "none" }
        defer { pclose(output) }
        var bytes = [CChar](repeating: 0, count: 256)
        guard fgets(&bytes, 256, output) != nil else { return "unknown" }
        let words = String(decoding: bytes.map { UInt8(bitPattern: $0) }.prefix { $0 != 0 }, as: UTF8.self)
            .split(separator: " ")
        return words.first { $0.hasPrefix("v=") }.map { String($0.dropFirst(2)) } ?? "unknown"
    }()

    /// Starts one whose files are in a directory, and waits until it answers.
    init(_ directory: FilePath) async throws {
        guard let program = RedisServer.program else {
            throw Failure(description: "redis-server is not installed")
        }
        socketDirectory = try Files.createUniqueDirectory(in: "/tmp")
        let null = open("/dev/null", O_WRONLY)
        defer { close(null) }
        process = try ChildProcess.spawn(
            [
                program, "--port", "0", "--unixsocket", socketDirectory.appending("redis.sock").string,
                "--dir",
                directory.string, "--logfile", directory.appending("redis.log").string, "--appendonly", "yes",
                "--appendfsync", "always", "--save", "",
            ], standardOutput: null, standardError: null)
        for _ in 0..<500 {
            if (try? RedisConnection(socket)) != nil { return }
            try await Task.sleep(for: .milliseconds(10))
        }
        throw Failure(description: "redis-server does not answer; see \(directory)/redis.log")
    }

    deinit {
        // The threads of a Swift program block other signals, and so does what they start.
        kill(process, SIGKILL)
        var status: Int32 = 0
        waitpid(process, &status, 0)
        try? Files.removeTree(socketDirectory)
    }

    func connect() throws -> RedisConnection { try RedisConnection(socket) }

    /// User and system time that the server has taken.
    var cpuSeconds: Double {
        let fields =
            Environment.firstLine("/proc/\(process)/stat").split(separator: ")").last?
            .split(separator: " ").map(String.init) ?? []
        guard fields.count > 12, let user = Double(fields[11]), let system = Double(fields[12]) else {
            return 0
        }
        return (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
    }

    /// What it has resident.
    var residentBytes: Int {
        let fields = Environment.firstLine("/proc/\(process)/statm").split(separator: " ")
        guard fields.count > 1, let pages = Int(fields[1]) else { return 0 }
        return pages * Int(getpagesize())
    }
}

/// A client's connection, which one thread uses.
///
/// `@unchecked Sendable`: it is handed to that thread.
final class RedisConnection: @unchecked Sendable {
    private let context: UnsafeMutablePointer<redisContext>

    fileprivate init(_ socket: String) throws {
        guard let context = redisConnectUnix(socket) else {
            throw RedisServer.Failure(description: "hiredis has no memory")
        }
        // From here on `deinit` frees it.
        self.context = context
        guard context.pointee.err == 0 else {
            throw RedisServer.Failure(description: "\(socket) does not answer")
        }
    }

    deinit { redisFree(context) }

    /// Adds one line to its conversation's list; it is durable on return.
    func push(_ line: Line) throws {
        try enqueue(["RPUSH", line.conversation, line.text])
        try receive()
    }

    /// Adds lines all or none, in one transaction; they are durable on return.
    func pushTogether(_ lines: some Collection<Line>) throws {
        try enqueue(["MULTI"])
        for line in lines { try enqueue(["RPUSH", line.conversation, line.text]) }
        try enqueue(["EXEC"])
        for _ in 0..<(lines.count + 2) { try receive() }
    }

    /// The last values of a list.
    func last(_ count: Int, of conversation: String) throws -> [String] {
        try enqueue(["LRANGE", conversation, "-\(count)", "-1"])
        return try withReply { reply in
            (0..<reply.pointee.elements).map { index in
                let element = reply.pointee.element[index]!.pointee
                return String(
                    decoding: UnsafeRawBufferPointer(start: element.str, count: element.len), as: UTF8.self)
            }
        }
    }

    private func enqueue(_ arguments: [String]) throws {
        var bytes = arguments.map { Array($0.utf8CString) }
        let lengths = bytes.map { $0.count - 1 }
        let status = withPointers(&bytes) { pointers in
            redisAppendCommandArgv(context, Int32(lengths.count), pointers, lengths)
        }
        guard status == REDIS_OK else { throw failure() }
    }

    private func withPointers<R>(
        _ arguments: inout [[CChar]], _ body: (UnsafeMutablePointer<UnsafePointer<CChar>?>) -> R
    ) -> R {
        var offsets: [Int] = []
        var all: [CChar] = []
        for argument in arguments {
            offsets.append(all.count)
            all += argument
        }
        return all.withUnsafeBufferPointer { all in
            var pointers: [UnsafePointer<CChar>?] = offsets.map { all.baseAddress! + $0 }
            return pointers.withUnsafeMutableBufferPointer { body($0.baseAddress!) }
        }
    }

    private func receive() throws { try withReply { _ in } }

    private func withReply<R>(_ body: (UnsafeMutablePointer<redisReply>) throws -> R) throws -> R {
        var reply: UnsafeMutableRawPointer?
        guard redisGetReply(context, &reply) == REDIS_OK, let reply else { throw failure() }
        defer { freeReplyObject(reply) }
        let value = reply.assumingMemoryBound(to: redisReply.self)
        guard value.pointee.type != REDIS_REPLY_ERROR else {
            throw RedisServer.Failure(description: "Redis: " + String(cString: value.pointee.str))
        }
        return try body(value)
    }

    private func failure() -> RedisServer.Failure {
        let text = withUnsafeBytes(of: context.pointee.errstr) {
            String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
        }
        return RedisServer.Failure(description: "Redis: \(text)")
    }
}
