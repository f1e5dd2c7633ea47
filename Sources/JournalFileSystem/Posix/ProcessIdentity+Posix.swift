import CJournalPOSIX
package import SystemPackage

extension PosixFileSystem {
    // Read anew each time, never kept: the child of a fork is another process than its parent.
    package var process: ProcessIdentity {
        let pid = jp_process_id()
        return ProcessIdentity(
            pid: pid, startTime: processStatus(pid)?.startTime ?? 0, host: hostName(), command: command(),
            bootIdentity: bootIdentity())
    }

    package var workingDirectory: FilePath {
        // The shell's own idea of it is not asked: a variable may lie.
        var buffer = [CChar](repeating: 0, count: 16 << 10)
        return buffer.withUnsafeMutableBufferPointer { room in
            jp_working_directory(room.baseAddress!, room.count)
                ? FilePath(platformString: room.baseAddress!) : "/"
        }
    }

    package var processID: Int32 { jp_process_id() }

    package func isRunning(_ process: ProcessIdentity) -> Bool {
        // Not by the host's name: that may be changed while the process runs.
        guard process.bootIdentity == bootIdentity(), jp_process_exists(process.pid) else { return false }
        guard let status = processStatus(process.pid) else { return true }
        // One that has ended and was not yet waited for holds neither files nor locks.
        if status.hasEnded { return false }
        return process.startTime == 0 || status.startTime == 0 || status.startTime == process.startTime
    }

    /// What the system knows of a process, or nil when it does not tell.
    private func processStatus(_ pid: Int32) -> ProcessStatus? {
        var start: UInt64 = 0
        if jp_process_start_microseconds(pid, &start) == 0 {
            return ProcessStatus(hasEnded: false, startTime: start)
        }
        return smallFile("/proc/\(pid)/stat", limit: 4096).flatMap { ProcessStatus(parsing: $0.span) }
    }

    private func hostName() -> String {
        var name = [CChar](repeating: 0, count: 256)
        guard jp_host_name(&name, name.count) == 0 else { return "" }
        return terminated(name)
    }

    private func command() -> String {
        guard let arguments = smallFile("/proc/self/cmdline", limit: 4096) else {
            return CommandLine.arguments.first.map { printable(Array($0.utf8)) } ?? ""
        }
        return printable(arguments)
    }

    private func bootIdentity() -> UInt64 {
        if let identifier = smallFile("/proc/sys/kernel/random/boot_id", limit: 64) {
            return nonzeroHash(identifier.span)
        }
        var identifier = [CChar](repeating: 0, count: 64)
        guard jp_boot_identifier(&identifier, identifier.count) == 0 else { return 1 }
        return nonzeroHash(Array(terminated(identifier).utf8).span)
    }

    /// The beginning of a file of /proc, whose length is not known before it is read.
    private func smallFile(_ path: String, limit: Int) -> [UInt8]? {
        guard let file = try? openFile(FilePath(path), .readOnly) else { return nil }
        var bytes = [UInt8](repeating: 0, count: limit)
        guard let count = try? bytes.withUnsafeMutableBytes({ try file.read(into: $0, at: 0) }) else {
            return nil
        }
        bytes.removeSubrange(count...)
        return bytes
    }

    private func terminated(_ characters: [CChar]) -> String {
        String(decoding: characters.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}

/// Of a line of /proc/PID/stat what tells processes apart.
struct ProcessStatus: Equatable {
    /// Ended, but its parent has not yet asked how.
    var hasEnded: Bool
    /// Clock ticks since boot on Linux, microseconds since 1970 on macOS.
    var startTime: UInt64

    init(hasEnded: Bool, startTime: UInt64) {
        self.hasEnded = hasEnded
        self.startTime = startTime
    }

    /// The second field, the command, stands in parentheses and may itself hold spaces and parentheses; after the
    /// last closing one come fields without either: state (third), … start time (22nd).
    init?(parsing line: Span<UInt8>) {
        var position = line.count
        while position > 0, line[position - 1] != UInt8(ascii: ")") { position -= 1 }
        guard position > 0 else { return nil }

        var field = 2
        var state: UInt8?
        var startTime: UInt64?
        while position < line.count, field < 22 {
            let byte = line[position]
            position += 1
            if byte == UInt8(ascii: " ") {
                field += 1
                if field == 3, position < line.count { state = line[position] }
            }
        }
        while position < line.count, let digit = decimalDigit(line[position]) {
            let (shifted, overflow) = (startTime ?? 0).multipliedReportingOverflow(by: 10)
            if overflow { return nil }
            startTime = shifted &+ digit
            position += 1
        }
        guard let state, let startTime else { return nil }
        self.init(hasEnded: state == UInt8(ascii: "Z") || state == UInt8(ascii: "X"), startTime: startTime)
    }
}

private func decimalDigit(_ byte: UInt8) -> UInt64? {
    byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") ? UInt64(byte - UInt8(ascii: "0")) : nil
}

/// Arguments that end in NULs as one line: at most 200 bytes of valid UTF-8, without control characters.
func printable(_ arguments: [UInt8]) -> String {
    let limit = 200
    var text = ""
    var length = 0
    for scalar in String(decoding: arguments, as: UTF8.self).unicodeScalars {
        let shown = scalar.properties.generalCategory == .control ? " " : scalar
        length += UTF8.width(shown)
        if length > limit { break }
        text.unicodeScalars.append(shown)
    }
    while text.unicodeScalars.last == " " { text.unicodeScalars.removeLast() }
    return text
}

/// FNV-1a, which is enough to tell one boot's random identifier from another's.
func nonzeroHash(_ bytes: Span<UInt8>) -> UInt64 {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for index in bytes.indices {
        hash = (hash ^ UInt64(bytes[index])) &* 0x0000_0100_0000_01B3
    }
    return hash == 0 ? 1 : hash
}
