import Synchronization

/// How quick a sync can be: whether adds wait for the disk, or for the processors.
///
/// It goes by the quickest of the last syncs. Where processors are short, the usual one takes several times as long as the disk does.
final class SyncPace: Sendable {
    private let quickest = Atomic<UInt64>(.max)
    /// Of those that were counted since `quickest` was last replaced.
    private let quickestSince = Atomic<UInt64>(.max)
    private let count = Atomic<UInt64>(0)

    /// After so many it is looked anew, so that a disk that becomes slower is known.
    private static let renewal: UInt64 = 64

    /// Never called twice at once.
    func record(_ sync: Duration) {
        let nanoseconds = UInt64(max(.zero, min(sync, .seconds(1000))) / .nanoseconds(1))
        let since = min(quickestSince.load(ordering: .relaxed), nanoseconds)
        let count = count.load(ordering: .relaxed) + 1
        let isDue = count % SyncPace.renewal == 0
        quickest.store(isDue ? since : min(quickest.load(ordering: .relaxed), since), ordering: .relaxed)
        quickestSince.store(isDue ? .max : since, ordering: .relaxed)
        self.count.store(count, ordering: .relaxed)
    }

    /// Whether the quickest took less than that; false before the first.
    func isQuicker(than limit: Duration) -> Bool {
        quickest.load(ordering: .relaxed) < UInt64(max(.zero, min(limit, .seconds(1000))) / .nanoseconds(1))
    }
}
