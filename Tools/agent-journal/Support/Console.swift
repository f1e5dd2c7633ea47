import CanonicalJSON
import SystemPackage

/// What goes to stderr: notes, progress and errors. With `--json` each is one canonical JSON object.
struct Console: Sendable {
    /// Whether a program reads it.
    let isJSON: Bool

    /// Says something beside the result.
    func note(_ text: String) {
        if isJSON {
            write(JSONLine.object(["note": .object(["message": .text(text)])]))
        } else {
            write(Array((Console.shown(text) + "\n").utf8))
        }
    }

    /// Says why the command failed.
    func report(_ failure: Failure) {
        guard isJSON else {
            var text = "agent-journal: " + failure.message
            if let path = failure.path, !failure.message.contains(path.string) {
                text += " (\(path)\(failure.offset.map { ", offset \($0)" } ?? ""))"
            }
            return write(Array((Console.shown(text) + "\n").utf8))
        }
        write(
            JSONLine.object([
                "error": .object([
                    "code": .text(failure.code), "message": .text(failure.message),
                    "path": failure.path.map { .text($0.string) },
                    "offset": failure.offset.map { .number($0) },
                ])
            ]))
    }

    /// Prints text that was laid out already, such as the usage of a command.
    func print(_ text: String) {
        write(Array((text + "\n").utf8))
    }

    /// Names in messages come from outside: neither a terminal nor a log that is shown on one later gets control codes of theirs.
    private static func shown(_ text: String) -> String { text.escapingControls(keepingNewlines: true) }

    /// There is nowhere to report a failure to write this to.
    private func write(_ bytes: [UInt8]) {
        _ = try? FileDescriptor.standardError.writeAll(bytes)
    }
}
