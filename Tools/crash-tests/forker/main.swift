// Forks with journals open, and checks what parent and child then see of them.
//
//     forker SCENE DIR [FORKS]
//
// The scenes are named below. It prints what it counted and ends with 0; where something is not as it should be, it says
// so on stderr and ends with 1.
import AgentJournal

let scenes: [String: (FilePath) throws -> String] = [
    "storm": { directory in
        try Storm(directory, forks: CommandLine.arguments.dropFirst(3).first.flatMap { Int($0) } ?? 200).run()
    },
    "orphan": Scenes.orphan,
    "handover": Scenes.handover,
    "untouched": Scenes.untouched,
    "missing": Scenes.missing,
    "crowd": Scenes.crowd,
    "files": Scenes.files,
    "types": { _ in try TypesUsedFirst.run(forks: 300) },
]

let arguments = CommandLine.arguments
guard arguments.count > 2, let scene = scenes[arguments[1]] else {
    fatalError("usage: forker \(scenes.keys.sorted().joined(separator: "|")) DIR [FORKS]")
}
setAlarm(seconds: 600)
do {
    try say(try scene(FilePath(arguments[2])))
} catch {
    end(saying: error)
}
