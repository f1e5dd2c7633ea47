import CJournalPOSIX
package import SystemPackage

#if canImport(Darwin)
    import Darwin
#elseif canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// The file system of the operating system.
package struct PosixFileSystem: FileSystem {
    /// The directories that no path below them may leave, without a slash at the end.
    private var roots: [[CChar]] = []

    package init() {}

    package func confined(to directory: FilePath) -> any FileSystem {
        var confined = self
        let root = directory.withPlatformString { Array(UnsafeBufferPointer(start: $0, count: strlen($0))) }
        if !root.isEmpty, !roots.contains(root) { confined.roots.append(root) }
        return confined
    }

    /// Calls with a path, and with how much of it is a directory that may not be left; 0 for none.
    private func withPlace<R>(_ path: FilePath, _ body: (UnsafePointer<CChar>, Int) -> R) -> R {
        path.withPlatformString { text in
            let root = roots.first { root in
                guard strncmp(text, root, root.count) == 0 else { return false }
                let next = root.last == Self.slash ? Self.slash : text[root.count]
                return next == Self.slash && text[root.count] != 0
            }
            return body(text, root?.count ?? 0)
        }
    }

    private static let slash = CChar(bitPattern: UInt8(ascii: "/"))

    // MARK: Files

    package func openFile(_ path: FilePath, _ mode: FileOpenMode) throws(FileSystemError) -> any File {
        try openPosixFile(path, mode)
    }

    func openPosixFile(_ path: FilePath, _ mode: FileOpenMode) throws(FileSystemError) -> PosixFile {
        // A FIFO is not waited for, a terminal does not become this process's own.
        var options: FileDescriptor.OpenOptions = [
            .noFollow, .nonBlocking, FileDescriptor.OpenOptions(rawValue: O_NOCTTY),
        ]
        var owner: jp_owner?
        switch mode {
        case .readOnly, .readWrite: break
        case .createIfMissing: options.insert(.create)
        case .createNew: options.formUnion([.create, .exclusiveCreate])
        }
        if options.contains(.create) { owner = try newOwner(of: path, isDirectory: false) }
        let access: FileDescriptor.AccessMode = mode == .readOnly ? .readOnly : .readWrite
        let descriptor = try open(path, options, access, owner, "open")
        let file = PosixFile(descriptor, path: path, isWritable: mode != .readOnly, of: self)
        let status = try checkIsFile(file)
        if mode == .createIfMissing, var owner, status.owner == 0, owner.user != 0 {
            // Root made it for itself once.
            try checkGiven(jp_give(descriptor.rawValue, &owner), owner, "open", path)
        }
        try check(jp_block(descriptor.rawValue), "open", path)
        return file
    }

    /// Refuses what is no file, and a file that somebody else may know by another name.
    private func checkIsFile(_ file: PosixFile) throws(FileSystemError) -> jp_status {
        let status = try file.systemStatus("open")
        switch FileKind(status) {
        // The system opens a directory for reading without complaint.
        case .directory: throw FileSystemError(operation: "open", path: file.path, errno: .isDirectory)
        case .other:
            throw FileSystemError(
                operation: "open", path: file.path, errno: .invalidArgument, refusal: Self.noFile)
        case .file: break
        }
        // None: it was removed just now.
        guard status.links > 1 else { return status }
        throw FileSystemError(
            operation: "open", path: file.path, errno: .tooManyLinks,
            refusal:
                "has \(status.links) names (hard links), so that what is written to it changes another file, or another "
                + "changes it; a copy made with `cp -al` does that. Make it a file of its own: "
                + "`cp -p FILE FILE.own && mv FILE.own FILE`")
    }

    /// Opens what the child of a fork closes, in a process whose standard streams are closed too: what anybody prints must
    /// not go into the journal.
    private func open(
        _ path: FilePath, _ options: FileDescriptor.OpenOptions, _ access: FileDescriptor.AccessMode,
        _ owner: jp_owner?, _ operation: String
    ) throws(FileSystemError) -> FileDescriptor {
        var number: CInt = -1
        let permissions = UInt32(FilePermissions.ownerReadWrite.rawValue)
        let flags = access.rawValue | options.rawValue
        let result = withOptional(owner) { owner in
            withPlace(path) { jp_open($0, $1, flags, permissions, owner, &number) }
        }
        try checkGiven(result, owner, operation, path)
        return FileDescriptor(rawValue: number)
    }

    package func makeTemporaryFile(
        in directory: FilePath
    ) throws(FileSystemError) -> (file: any File, path: FilePath) {
        var number: CInt = -1
        // It never has a name, so that a process that is killed leaves nothing behind.
        if withPlace(directory, { jp_open_nameless($0, $1, &number) }) == 0 {
            let descriptor = FileDescriptor(rawValue: number)
            return (PosixFile(descriptor, path: directory, isWritable: true, of: self), directory)
        }
        // Not /tmp, which is often in memory: what is put here is what memory has no room for.
        let directory = FilePath(getenv("TMPDIR").map { String(cString: $0) } ?? "/var/tmp")
        let path = directory.appending("agent-journal-\(UInt64.random(in: .min ... .max))")
        let file = try openFile(path, .createNew)
        try removeFile(path)
        return (file, path)
    }

    package func status(of path: FilePath) throws(FileSystemError) -> FileStatus? {
        var status = jp_status()
        let result = withPlace(path) { jp_status_of_path($0, $1, &status) }
        if Errno(rawValue: result) == .noSuchFileOrDirectory { return nil }
        try checkPlace(result, "stat", path)
        return FileStatus(status)
    }

    // MARK: Names

    package func names(inDirectory path: FilePath) throws(FileSystemError) -> [String] {
        var names: [String] = []
        let result = withPlace(path) { path, root in
            withUnsafeMutablePointer(to: &names) { names in
                jp_list_directory(path, root, names) { context, name in
                    guard let name else { return }
                    context?.assumingMemoryBound(to: [String].self).pointee.append(String(cString: name))
                }
            }
        }
        try checkPlace(result, "list of directory", path)
        return names
    }

    package func createDirectory(_ path: FilePath) throws(FileSystemError) {
        let owner = try newOwner(of: path, isDirectory: true)
        let result = withOptional(owner) { owner in
            withPlace(path) { jp_make_directory($0, $1, 0o700, owner) }
        }
        try checkGiven(result, owner, "mkdir", path)
    }

    package func createDirectory(_ path: FilePath, like other: FilePath) throws(FileSystemError) {
        var status = jp_status()
        try checkPlace(withPlace(other) { jp_status_of_path($0, $1, &status) }, "stat", other)
        let isRoot = geteuid() == 0
        var owner = jp_owner()
        owner.user = isRoot ? status.owner : geteuid()
        owner.group = isRoot || mayGive(to: status.group) ? status.group : getegid()
        owner.mode = status.mode
        let result = withOptional(owner) { owner in
            withPlace(path) { jp_make_directory($0, $1, 0o700, owner) }
        }
        try checkGiven(result, owner, "mkdir", path)
    }

    package func rename(_ path: FilePath, to newPath: FilePath) throws(FileSystemError) {
        let result = withPlace(path) { from, fromRoot in
            withPlace(newPath) { to, toRoot in jp_rename(from, fromRoot, to, toRoot) }
        }
        try checkPlace(result, "rename", path)
    }

    package func exchange(_ path: FilePath, with other: FilePath) throws(FileSystemError) {
        let result = withPlace(path) { path, root in
            withPlace(other) { other, otherRoot in jp_exchange(path, root, other, otherRoot) }
        }
        guard [.notSupported, .invalidArgument, .noFunction].contains(Errno(rawValue: result)) else {
            return try check(result, "exchange", other)
        }
        // A file system that cannot exchange.
        let aside = FilePath("\(path)-aside")
        try rename(other, to: aside)
        do {
            try rename(path, to: other)
        } catch {
            // Back to its place; the error says what kept the other from it.
            try? rename(aside, to: other)
            throw error
        }
        try rename(aside, to: path)
    }

    package func removeFile(_ path: FilePath) throws(FileSystemError) {
        try checkPlace(withPlace(path) { jp_unlink($0, $1) }, "unlink", path)
    }

    package func syncDirectory(_ path: FilePath) throws(FileSystemError) {
        let descriptor = try open(path, directoryOptions(path), .readOnly, nil, "sync of directory")
        defer { jp_close(descriptor.rawValue) }
        try check(jp_fsync(descriptor.rawValue), "sync of directory", path)
    }

    package func openDirectory(_ path: FilePath) throws(FileSystemError) -> any Directory {
        PosixDirectory(try open(path, directoryOptions(path), .readOnly, nil, "open"), path: path)
    }

    /// The journal's own directory may be a link.
    private func directoryOptions(_ path: FilePath) -> FileDescriptor.OpenOptions {
        withPlace(path, { $1 }) > 0 ? [.directory, .noFollow] : .directory
    }

    package func volume(holding path: FilePath) throws(FileSystemError) -> Volume {
        var volume = jp_volume()
        try check(path.withPlatformString { jp_volume_of_path($0, &volume) }, "statfs", path)
        return Volume(volume)
    }

    // MARK: What is refused

    private static let noFile =
        "is no regular file (a FIFO, a socket or a device). Nothing of a journal is; move it away, and restore what was there "
        + "from a copy"

    /// As `check`, and says it where something on the way below the root is what it must not be.
    private func checkPlace(
        _ result: CInt, _ operation: String, _ path: FilePath
    ) throws(FileSystemError) {
        guard result != 0 else { return }
        let errno = Errno(rawValue: result)
        switch errno {
        case .tooManySymbolicLinkLevels, .notDirectory, .noSuchAddressOrDevice:
            if let (culprit, refusal) = refusal(path) {
                throw FileSystemError(operation: operation, path: culprit, errno: errno, refusal: refusal)
            }
        default: break
        }
        throw FileSystemError(operation: operation, path: path, errno: errno)
    }

    /// The first on the way to `path`, from the root on, that leads elsewhere or nowhere.
    private func refusal(_ path: FilePath) -> (FilePath, String)? {
        var places = [path]
        let root = withPlace(path) { $1 }
        while let last = places.last, root > 0, withPlace(last.removingLastComponent(), { $1 }) > 0 {
            places.append(last.removingLastComponent())
        }
        for place in places.reversed() {
            var status = jp_status()
            // Without a root the last name alone was not followed.
            let above = place.removingLastComponent().string.utf8.count
            let result = place.withPlatformString { jp_status_of_path($0, max(1, above), &status) }
            guard result == 0 else { return nil }
            switch jp_kind(rawValue: UInt32(status.kind)) {
            case JP_KIND_LINK:
                return (
                    place,
                    "is a symbolic link. Links in a journal's directory are not followed, because they may lead to anybody's "
                        + "files; the directory itself may be reached through one. Put in its place what it leads to"
                )
            case JP_KIND_OTHER: return (place, Self.noFile)
            case JP_KIND_FILE where place != path:
                return (place, "is a file, and must be a directory. Move it away")
            default: continue
            }
        }
        return nil
    }

    // MARK: Whose it is

    /// To whom what is made at `path` is given; nil where it is right as the system makes it.
    ///
    /// Who runs a tool as root beside a service that is not root must not lock the service out. So what root makes belongs to
    /// the owner of the journal's directory. Where others share the directory (its group may write there), they share the files.
    private func newOwner(of path: FilePath, isDirectory: Bool) throws(FileSystemError) -> jp_owner? {
        let rootLength = withPlace(path) { $1 }
        var status = jp_status()
        // The journal's own directory is made for the owner of that above it.
        let root = rootLength > 0 ? prefix(path, rootLength) : path.removingLastComponent()
        let known = (root.isEmpty ? "." : root).withPlatformString { jp_status_of_path($0, 0, &status) } == 0
        guard known, rootLength > 0 || isDirectory else { return nil }
        let shared = rootLength > 0 ? status.mode & 0o022 : 0
        let (user, group) = (geteuid(), getegid())
        let isOthers = user == 0 && status.owner != 0
        guard isOthers || shared != 0 else { return nil }
        var owner = jp_owner()
        owner.user = isOthers ? status.owner : user
        owner.group = isOthers || mayGive(to: status.group) ? status.group : group
        var mode: UInt32 = isDirectory ? 0o700 : 0o600
        if owner.group == status.group, shared & 0o020 != 0 { mode |= isDirectory ? 0o070 : 0o060 }
        // In a directory with the sticky bit everybody keeps his own.
        if shared & 0o002 != 0, status.mode & 0o1000 == 0 { mode |= isDirectory ? 0o007 : 0o006 }
        owner.mode = mode
        return owner
    }

    /// As `checkPlace`, and says it where what was made could not be given to its owner.
    private func checkGiven(
        _ result: CInt, _ owner: jp_owner?, _ operation: String, _ path: FilePath
    ) throws(FileSystemError) {
        guard let owner, owner.user != geteuid(), Errno(rawValue: result) == .notPermitted else {
            return try checkPlace(result, operation, path)
        }
        throw FileSystemError(
            operation: operation, path: path, errno: .notPermitted,
            refusal:
                "cannot be given to user \(owner.user), to whom the directory belongs, and who could not use it otherwise. Run "
                + "this as that user: `setpriv --reuid=\(owner.user) --regid=\(owner.group) --clear-groups`, or `docker exec --user "
                + "\(owner.user)`")
    }

    private func prefix(_ path: FilePath, _ length: Int) -> FilePath {
        path.withPlatformString {
            FilePath(String(decoding: UnsafeRawBufferPointer(start: $0, count: length), as: UTF8.self))
        }
    }

    /// Whether this user may give files to the group: root, or a member.
    private func mayGive(to group: UInt32) -> Bool {
        if geteuid() == 0 || getegid() == group { return true }
        let count = getgroups(0, nil)
        guard count > 0 else { return false }
        var groups = [gid_t](repeating: 0, count: Int(count))
        let got = getgroups(count, &groups)
        return got > 0 && groups.prefix(Int(got)).contains(group)
    }
}

/// Calls with a pointer to a value, or with nil.
private func withOptional<R>(_ owner: jp_owner?, _ body: (UnsafePointer<jp_owner>?) -> R) -> R {
    guard let owner else { return body(nil) }
    return withUnsafePointer(to: owner) { body($0) }
}
