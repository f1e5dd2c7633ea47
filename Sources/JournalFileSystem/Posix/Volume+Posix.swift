import CJournalPOSIX

extension Volume {
    /// What statfs told.
    init(_ volume: jp_volume) {
        let (name, kind) = Self.identify(magic: volume.magic, name: Self.string(volume.name))
        self.init(name: name, kind: kind, freeBytes: volume.free_bytes, isReadOnly: volume.is_read_only)
    }

    /// Tells a file system by its magic number (Linux, from linux/magic.h and the file systems' own sources), or by
    /// its name (macOS). One that is not known is taken for local.
    static func identify(magic: UInt64, name: String) -> (name: String, kind: Kind) {
        if name.isEmpty {
            return byMagic[magic] ?? ("unknown (0x\(String(magic, radix: 16)))", .local)
        }
        switch name {
        case "apfs", "hfs", "ufs", "zfs": return (name, .local)
        case "tmpfs": return (name, .memory)
        case "nfs", "smbfs", "afpfs", "webdav", "ftp", "autofs", "acfs", "osxfuse", "macfuse", "virtiofs":
            return (name, .untrusted)
        default: return ("unknown (\(name))", .local)
        }
    }

    private static let byMagic: [UInt64: (name: String, kind: Kind)] = [
        0xEF53: ("ext4", .local),  // ext2 and ext3 have the same number
        0x5846_5342: ("xfs", .local),
        0x9123_683E: ("btrfs", .local),
        0x2FC1_2FC1: ("zfs", .local),
        0xF2F5_2010: ("f2fs", .local),
        0xCA45_1A4E: ("bcachefs", .local),
        0x3153_464A: ("jfs", .local),
        0x5265_4973: ("reiserfs", .local),
        0x3434: ("nilfs2", .local),
        0x2011_BAB0: ("exfat", .local),
        0x4D44: ("vfat", .local),
        0x7366_746E: ("ntfs3", .local),
        0xF15F: ("ecryptfs", .local),
        0x4244: ("hfs", .local),
        0x482B: ("hfs+", .local),

        0x0102_1994: ("tmpfs", .memory),
        0x8584_58F6: ("ramfs", .memory),

        0x794C_7630: ("overlay", .containerLayer),
        0x6175_6673: ("aufs", .containerLayer),

        0x6969: ("nfs", .untrusted),
        0x517B: ("smb", .untrusted),
        0xFF53_4D42: ("cifs", .untrusted),
        0xFE53_4D42: ("smb2", .untrusted),
        0x6573_5546: ("fuse", .untrusted),  // virtiofs too
        0x0102_1997: ("9p", .untrusted),
        0x00C3_6400: ("ceph", .untrusted),
        0x0BD0_0BD0: ("lustre", .untrusted),
        0x4750_4653: ("gpfs", .untrusted),
        0x1983_0326: ("beegfs", .untrusted),
        0x0116_1970: ("gfs2", .untrusted),
        0x7461_636F: ("ocfs2", .untrusted),
        0x5346_414F: ("afs", .untrusted),
        0x6B41_4653: ("afs", .untrusted),
        0x7375_7245: ("coda", .untrusted),
        0x564C: ("ncp", .untrusted),
        0x786F_4256: ("vboxsf", .untrusted),
        0x7C7C_6673: ("prlfs", .untrusted),
        0x5346_4846: ("wslfs", .untrusted),
    ]

    /// A C array of characters, which Swift sees as a tuple.
    private static func string<Characters>(_ characters: Characters) -> String {
        withUnsafeBytes(of: characters) { bytes in
            String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
    }
}
