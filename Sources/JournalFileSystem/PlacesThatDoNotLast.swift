package import SystemPackage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

extension FilePath {
    /// Whether this lies in a directory for temporary files: /tmp, /var/tmp, /dev/shm, or that of the environment. A relative path
    /// and links are followed to where they lead.
    package var isTemporary: Bool {
        let own = getenv("TMPDIR").map { FilePath(platformString: $0) }
        let named: [FilePath] =
            ["/tmp", "/var/tmp", "/dev/shm"] + [own].compactMap { $0 }.filter(\.isAbsolute)
        let directories = named + named.compactMap(\.real)
        let places = [lexicallyNormalized(), real].compactMap { $0 }
        return places.contains { place in directories.contains { place.starts(with: $0) } }
    }

    /// Where it leads, absolute and without links; nil when nothing is there.
    private var real: FilePath? {
        withPlatformString { path in
            guard let resolved = realpath(path, nil) else { return nil }
            defer { free(resolved) }
            return FilePath(platformString: resolved)
        }
    }
}

extension FileSystem {
    /// Why what is kept in a directory may not last: `in a temporary directory, which is emptied now and then`. Nil when nothing
    /// says so.
    package func whyNotLasting(_ directory: FilePath) throws(FileSystemError) -> String? {
        let volume = try volume(holding: directory)
        switch volume.kind {
        case .containerLayer: return "on \(volume.name), the container's own layer: gone with the container"
        case .memory: return "on \(volume.name), which is memory: gone after a restart"
        case .local, .untrusted:
            return directory.isTemporary
                ? "in a temporary directory, which is emptied now and then" : nil
        }
    }
}
