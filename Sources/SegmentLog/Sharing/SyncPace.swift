import Synchronization

/// Whether a disk is quick, so that many adds wait for the processors and not for it.
///
/// It goes by how many of the last syncs were quick, not by the usual one: where processors are short, that takes several times as long as
/// the disk does. A few tell nothing: there was nothing left for them to write.
final class SyncPace: Sendable {
    private let limit: Duration
    private let isQuickFlag = Atomic<Bool>(false)
    /// Of the present window of syncs, how many there were, and how many quick ones.
    private let count = Atomic<Int>(0)
    private let quickCount = Atomic<Int>(0)

    /// After so many syncs it is judged anew.
    static let window = 64
    /// So many of them must have been quick.
    static let enough = 8

    /// - Parameter limit: What takes less is quick.
    init(limit: Duration) { self.limit = limit }

    /// Whether the disk is quick, as far as is known.
    var isQuick: Bool { isQuickFlag.load(ordering: .relaxed) }

    /// Counts a sync. Never called twice at once.
    func record(_ sync: Duration) {
        let quick = quickCount.load(ordering: .relaxed) + (sync < limit ? 1 : 0)
        let number = count.load(ordering: .relaxed) + 1
        let isOver = number == SyncPace.window
        if quick >= SyncPace.enough {
            isQuickFlag.store(true, ordering: .relaxed)
        } else if isOver {
            isQuickFlag.store(false, ordering: .relaxed)
        }
        count.store(isOver ? 0 : number, ordering: .relaxed)
        quickCount.store(isOver ? 0 : quick, ordering: .relaxed)
    }
}
