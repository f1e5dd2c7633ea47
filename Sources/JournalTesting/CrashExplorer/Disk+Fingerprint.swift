/// Telling disks apart by what is on them.
extension Disk {
    /// The same for two disks that hold the same names and bytes durably; else different, but for one chance in many
    /// milliards.
    var fingerprint: UInt64 {
        fingerprint(of: Self.root, path: 0x243F_6A88_85A3_08D3)
    }

    private func fingerprint(of directory: UInt64, path: UInt64) -> UInt64 {
        var sum: UInt64 = 1
        for (name, entry) in directories[directory]?.present ?? [:] {
            let here = Self.mix(path, name)
            switch entry {
            case .directory(let inode): sum &+= Self.mix(fingerprint(of: inode, path: here), here)
            case .file(let inode):
                guard let contents = files[inode]?.present else { continue }
                sum &+= Self.mix(contents.fingerprint, here)
            }
        }
        return sum
    }

    static func mix(_ a: UInt64, _ b: UInt64) -> UInt64 {
        let (high, low) = (a ^ 0x9E37_79B9_7F4A_7C15).multipliedFullWidth(by: b ^ 0xBF58_476D_1CE4_E5B9)
        return high ^ low
    }

    static func mix(_ a: UInt64, _ text: String) -> UInt64 {
        text.utf8.reduce(a) { mix($0, UInt64($1)) }
    }
}

extension PagedBytes {
    /// The same for the same bytes, whether holes or zeros.
    var fingerprint: UInt64 {
        var sum = UInt64(length)
        forEachPage { number, bytes in
            var hash: UInt64 = 0
            bytes.withUnsafeBytes { bytes in
                let words = bytes.bindMemory(to: UInt64.self)
                var place = 0
                // Without an iterator, because tests are not optimized; and most of a page is zeros.
                while place < words.count {
                    let word = words[place]
                    if word != 0 { hash = Disk.mix(hash &+ word, UInt64(place)) }
                    place += 1
                }
            }
            if hash != 0 { sum &+= Disk.mix(hash, UInt64(number)) }
        }
        return sum
    }
}
