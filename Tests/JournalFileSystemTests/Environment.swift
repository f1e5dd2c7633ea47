import Foundation
import SystemPackage

/// Removes a directory and what is in it. (The journal itself never removes a directory, so its seam cannot.)
func removeTree(_ path: FilePath) {
    try? FileManager.default.removeItem(atPath: path.string)
}

/// Where tests may leave files for a while.
var temporaryDirectory: FilePath { FilePath(FileManager.default.temporaryDirectory.path) }

/// Root is refused nothing, so what is tested with permissions cannot be.
var isRoot: Bool { geteuid() == 0 }
