import JournalFileSystem
import SystemPackage

/// A disk in memory, for tests that cut the power.
///
/// It behaves as a POSIX file system does, and keeps apart what such a system only shows from what it would have
/// after a power cut: the contents of a file as of its last sync, the entries of a directory as of its last sync.
/// `crash(keeping:)` gives the disk as it would be found then. Calls can be made to fail, the disk to be full, and
/// files to be damaged. The same calls give the same each time. It may be used from several threads; in which order their
/// calls come is not determined.
///
/// The root directory is there; a journal may be opened at any absolute path, such as `/journal`.
public final class SimulatedDisk: Sendable {
    let machine: Monitor<Machine>
    let identity: ProcessIdentity

    /// An empty disk.
    ///
    /// - Parameters:
    ///   - capacityBytes: How much it holds; nil for no limit.
    ///   - pid: The process that uses it.
    public convenience init(capacityBytes: UInt64? = nil, pid: Int32 = 1) {
        var machine = Machine()
        machine.capacityBytes = capacityBytes
        self.init(machine, pid: pid)
    }

    private init(_ machine: Machine, pid: Int32) {
        var machine = machine
        self.identity = machine.startProcess(pid)
        self.machine = Monitor(machine)
    }

    private init(_ machine: Monitor<Machine>, pid: Int32) {
        self.machine = machine
        self.identity = machine.withLock { $0.startProcess(pid) }
    }

    /// A machine that is booted with this disk, as a power cut left it.
    convenience init(booting disk: Disk) {
        var machine = Machine()
        machine.disk = disk
        machine.boot = 2
        self.init(machine, pid: 1)
    }

    /// A machine that was never turned off, all of whose processes were killed: what they wrote is there, synced or not.
    convenience init(runningOn disk: Disk) {
        var machine = Machine()
        machine.disk = disk
        machine.collect()
        self.init(machine, pid: 99)
    }

    // MARK: Processes

    /// The process that uses the disk through this object.
    public var pid: Int32 { identity.pid }

    /// Another process on the same machine: it sees the same disk and shared memory, and is kept out by the
    /// others' locks. Had one with that pid been running, it is ended first.
    public func asProcess(pid: Int32) -> SimulatedDisk {
        let process = SimulatedDisk(machine, pid: pid)
        machine.broadcast()
        return process
    }

    /// Ends this process as SIGKILL does: its files are closed and its locks dropped, what it wrote stays. Whatever
    /// its threads still try fails, with ESRCH or EBADF, and changes nothing.
    public func kill() {
        machine.withLock { machine in
            if machine.isRunning(identity) { machine.endProcess(identity.pid) }
        }
        machine.broadcast()
    }

    // MARK: Crashes and copies

    /// What a power cut leaves of what was not synced.
    public enum Kept: Sendable, CaseIterable {
        /// Only what was synced. A file whose directory was not synced since it was made is gone; one whose
        /// directory was synced, but itself never, is empty; a removed or renamed one is back under its old name.
        case nothingUnsynced
        /// All that was written.
        case everything
    }

    /// The disk as it is found after a power cut at this moment. This one stays as it is.
    ///
    /// No process runs on the new machine but one with this one's pid; there are no locks, no faults to come, and
    /// no calls in the log; and it was booted anew.
    public func crash(keeping kept: Kept) -> SimulatedDisk {
        let machine = machine.withLock { $0.afterReboot($0.disk, kept) }
        return SimulatedDisk(machine, pid: pid)
    }

    /// The disk as it would be found had the power gone right after a call.
    ///
    /// - Parameter index: The call's place in `calls`, which must have been made with `keepsHistory`.
    public func crash(afterCall index: Int, keeping kept: Kept) -> SimulatedDisk {
        let machine = machine.withLock { $0.afterReboot($0.calls.history[index], kept) }
        return SimulatedDisk(machine, pid: pid)
    }

    /// What was done and is not durable yet, in order, a line for each: bytes, a length, or a name.
    public var unsyncedChanges: [String] {
        machine.withLock { $0.disk.unsynced.map(\.description) }
    }

    /// The disk as it is found after a power cut at this moment that leaves of each of `unsyncedChanges` what its fate
    /// says. This one stays as it is.
    public func crash(fates: [Fate]) -> SimulatedDisk {
        let machine = machine.withLock { $0.withDisk($0.disk.afterPowerCut(fates), boot: $0.boot + 1) }
        return SimulatedDisk(machine, pid: pid)
    }

    /// The calls made with `keepsHistory`, and the disk as each left it.
    var recorded: (calls: [Call], disks: [Disk]) {
        machine.withLock { ($0.calls.calls, $0.calls.history) }
    }

    /// The disk as it is now.
    var present: Disk { machine.withLock { $0.disk } }

    /// A copy of the disk, with all that was not synced, as all processes would leave it if they were killed.
    ///
    /// The copy has no open files, locks, faults or calls.
    public func copy() -> SimulatedDisk {
        let machine = machine.withLock { $0.withDisk($0.disk, boot: $0.boot) }
        return SimulatedDisk(machine, pid: pid)
    }

    // MARK: Room

    /// How many bytes the disk holds, in whole blocks of 4096; nil for no limit. What is beyond fails with ENOSPC.
    public var capacityBytes: UInt64? {
        get { machine.withLock { $0.capacityBytes } }
        set { machine.withLock { $0.capacityBytes = newValue } }
    }

    /// Bytes of the blocks in use, reserved ones among them.
    public var usedBytes: UInt64 {
        machine.withLock { $0.usedBytes }
    }
}

extension Machine {
    func afterReboot(_ disk: Disk, _ kept: SimulatedDisk.Kept) -> Machine {
        withDisk(disk.afterPowerCut(keepingEverything: kept == .everything), boot: boot + 1)
    }

    func withDisk(_ disk: Disk, boot: UInt64) -> Machine {
        var machine = Machine()
        machine.disk = disk
        machine.boot = boot
        machine.capacityBytes = capacityBytes
        machine.volumeName = volumeName
        machine.volumeKind = volumeKind
        machine.isReadOnly = isReadOnly
        machine.collect()
        return machine
    }
}
