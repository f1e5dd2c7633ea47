package import SystemPackage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

extension FilePath {
    /// Whether this lies in a directory for temporary files: /tmp, /var/tmp, or that of the environment.
    package var isTemporary: Bool {
        let own = getenv("TMPDIR").map { FilePath(platformString: $0) }
        let directories = ["/tmp", "/var/tmp"] + [own].compactMap { $0 }.filter { !$0.isEmpty }
        return directories.contains { starts(with: $0) }
    }
}
