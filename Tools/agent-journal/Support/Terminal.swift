#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// What is at the other end of stdout or stderr.
struct Terminal: Sendable {
    /// Whether it is a terminal rather than a file or a pipe.
    let isTerminal: Bool
    /// Columns; nil when what is written is not for a screen.
    let width: Int?
    /// Whether colours are welcome (no-color.org).
    let usesColor: Bool

    static let standardOutput = Terminal(STDOUT_FILENO)
    static let standardError = Terminal(STDERR_FILENO)

    private init(_ descriptor: Int32) {
        isTerminal = isatty(descriptor) == 1
        width = isTerminal ? max(40, Terminal.columns(descriptor)) : nil
        usesColor =
            isTerminal && (environmentValue("NO_COLOR") ?? "").isEmpty && environmentValue("TERM") != "dumb"
    }

    private static func columns(_ descriptor: Int32) -> Int {
        var size = winsize()
        if ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 { return Int(size.ws_col) }
        return environmentValue("COLUMNS").flatMap { Int($0) } ?? 80
    }

    /// Whether a person would have to type what is read from stdin.
    static var isInputTerminal: Bool { isatty(STDIN_FILENO) == 1 }

    /// Text in a style, where styles are shown.
    func styled(_ text: String, _ style: Style) -> String {
        usesColor ? "\u{1B}[\(style.rawValue)m\(text)\u{1B}[0m" : text
    }

    /// Select Graphic Rendition of ECMA-48.
    enum Style: String {
        case bold = "1"
        case dim = "2"
        case yellow = "33"
        case blue = "34"
        case magenta = "35"
        case cyan = "36"
        case green = "32"
        case red = "31"
    }
}

/// A variable of the environment.
func environmentValue(_ name: String) -> String? {
    getenv(name).map { String(cString: $0) }
}
