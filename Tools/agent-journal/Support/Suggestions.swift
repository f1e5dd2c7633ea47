import ArgumentParser

/// What somebody meant who named a command that is not there.
enum Suggestions {
    /// What others call our commands.
    private static let synonyms = [
        "list": "show", "ls": "show", "conversations": "show", "cat": "show", "get": "show", "read": "show",
        "delete": "forget", "del": "forget", "rm": "forget", "remove": "forget", "drop": "clear",
        "reset": "clear",
        "put": "add", "append": "add", "write": "add", "insert": "add", "remember": "add", "init": "add",
        "create": "add", "edit": "replace", "update": "replace", "set": "replace", "load": "import",
        "dump": "export", "events": "log", "tail": "log", "follow": "log", "info": "stats", "status": "stats",
        "size": "stats", "check": "verify", "fsck": "verify", "fix": "repair", "gc": "compact",
        "vacuum": "compact",
        "erase": "compact", "purge": "compact", "prune": "compact", "copy": "backup", "save": "backup",
        "checkpoint": "flush", "commit": "flush", "mark": "flush", "diagnose": "doctor", "rebuild": "replay",
    ]

    /// - Throws: what to say when the first arguments name a command, or ask for the help of one, that is not there.
    static func check(_ arguments: [String]) throws {
        let names = Tool.configuration.subcommands.compactMap { $0.configuration.commandName }
        guard let first = arguments.first, !first.hasPrefix("-") else { return }
        let name = first == "help" ? arguments.dropFirst().first { !$0.hasPrefix("-") } : first
        guard let name, name != "help", !names.contains(name) else { return }
        let meant = closest(to: name, among: names)
        throw Failure.usage(
            "There is no command '\(name)'" + (meant.map { ": did you mean \($0)?" } ?? ".")
                + " `agent-journal help` lists what there is")
    }

    /// A synonym, or the name with the fewest letters mistyped, two at most.
    private static func closest(to name: String, among names: [String]) -> String? {
        let name = name.lowercased()
        if let synonym = synonyms[name], names.contains(synonym) { return synonym }
        let distances = (names + ["help"]).map { ($0, distance(Array(name), Array($0))) }
        guard let best = distances.min(by: { $0.1 < $1.1 }), best.1 <= min(2, name.count / 2) else {
            return nil
        }
        return best.0
    }

    /// How many letters are left out, put in, changed, or swapped with the next (optimal string alignment).
    private static func distance(_ a: [Character], _ b: [Character]) -> Int {
        var rows = [Array(0...b.count)]
        for i in 0..<a.count {
            var row = [i + 1]
            for j in 0..<b.count {
                var cost = min(rows[i][j + 1] + 1, row[j] + 1, rows[i][j] + (a[i] == b[j] ? 0 : 1))
                if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] {
                    cost = min(cost, rows[i - 1][j - 1] + 1)
                }
                row.append(cost)
            }
            rows.append(row)
        }
        return rows[a.count][b.count]
    }
}
