import Testing

@testable import SegmentLog

@Suite("The shared deflate stream")
struct CompressionTests {
    private func compress(_ deflater: Deflater, _ raw: [UInt8]) -> [UInt8] {
        var output = RawBuffer()
        raw.withUnsafeBytes { deflater.compress($0, into: &output) }
        return Array(output.bytes)
    }

    /// Nil when the data is refused.
    private func inflate(_ inflater: Inflater, _ data: [UInt8], _ rawLength: Int) -> [UInt8]? {
        var output = RawBuffer()
        guard data.withUnsafeBytes({ inflater.inflate($0, rawLength: rawLength, into: &output) }) else {
            return nil
        }
        return Array(output.bytes)
    }

    private static let texts: [[UInt8]] = {
        var generator = SplitMix(2)
        return (1...60 as ClosedRange<UInt64>).map(event) + [[0], [UInt8](repeating: 9, count: 100_000)]
            + [generator.bytes(1), generator.bytes(300), generator.bytes(70_000), Array("and on".utf8)]
    }()

    @Test(
        "frames inflate in order, each with the context of those before it", arguments: [1, 6, 9] as [Int32])
    func roundTrip(level: Int32) {
        let deflater = Deflater(level: level)
        let inflater = Inflater()
        inflater.restart()
        var shared = 0
        var alone = 0
        for text in Self.texts {
            let data = compress(deflater, text)
            #expect(inflate(inflater, data, text.count) == text)
            shared += data.count
            alone += compress(Deflater(level: level), text).count
        }
        #expect(shared < alone)
    }

    @Test("the search may change from frame to frame", arguments: [1, 4, 8] as [Int32])
    func changingSearch(level: Int32) {
        var generator = SplitMix(7)
        let inflater = Inflater()
        inflater.restart()
        let deflater = Deflater(level: level)
        for round in 0..<20 {
            for text in Self.texts {
                if round % 5 == 4, generator.bytes(1)[0] < 8 {
                    deflater.restart()
                    inflater.restart()
                }
                let search: [Deflater.Search] = [.full, .short, .shortest]
                deflater.search(search[Int(generator.bytes(1)[0]) % 3])
                #expect(inflate(inflater, compress(deflater, text), text.count) == text)
            }
        }
    }

    @Test("a shorter search finds less")
    func searches() {
        let sizes = [Deflater.Search.full, .short, .shortest].map { search in
            let deflater = Deflater(level: 8)
            deflater.search(search)
            return Self.texts.reduce(0) { $0 + compress(deflater, $1).count }
        }
        #expect(sizes[0] < sizes[1] && sizes[1] < sizes[2])
    }

    @Test(
        "a short search finds as much behind a full one as behind none",
        arguments: [.short, .shortest] as [Deflater.Search])
    func changingBack(search: Deflater.Search) {
        // Each as long as a frame of some memories, and the last match goes to the end, as in most.
        let texts = (0..<60).map { number in
            Array((0..<4).flatMap { Self.texts[(number * 7 + $0) % Self.texts.count] } + Self.texts[0])
        }
        let sizes = [false, true].map { isMixed in
            let deflater = Deflater(level: 8)
            var total = 0
            for (index, text) in texts.enumerated() {
                deflater.search(isMixed && index % 2 == 0 ? .full : search)
                let size = compress(deflater, text).count
                if index % 2 == 1 { total += size }
            }
            return total
        }
        #expect(sizes[1] <= sizes[0] + sizes[0] / 100)
    }

    @Test("behind a restart nothing before it is needed")
    func restart() {
        let deflater = Deflater()
        for text in Self.texts { _ = compress(deflater, text) }
        deflater.restart()
        #expect(deflater.inputBytes == 0)
        let inflater = Inflater()
        inflater.restart()
        for text in Self.texts.prefix(10) {
            #expect(inflate(inflater, compress(deflater, text), text.count) == text)
        }
    }

    @Test("without a start, or after a frame passed over, nothing is inflated")
    func unprimed() {
        let deflater = Deflater()
        let data = Self.texts.prefix(4).map { compress(deflater, $0) }
        let inflater = Inflater()
        #expect(inflate(inflater, data[0], Self.texts[0].count) == nil)
        inflater.restart()
        #expect(inflate(inflater, data[0], Self.texts[0].count) == Self.texts[0])
        inflater.lose()
        #expect(inflate(inflater, data[1], Self.texts[1].count) == nil)
    }

    @Test(
        "a stale context inflates to wrong text without an error: that is why the checksum is over the raw text"
    )
    func staleContext() {
        let first = Array("the customer prefers to be called by telephone".utf8)
        let second = Array("in the evening she can be reached by e-mail only".utf8.prefix(first.count))
        let texts = [first, second, second + [33]]
        let deflater = Deflater()
        let data = texts.map { compress(deflater, $0) }
        let inflater = Inflater()
        inflater.restart()
        #expect(inflate(inflater, data[0], texts[0].count) == texts[0])
        // The second is passed over, so that what the third refers to is the first.
        let stale = inflate(inflater, data[2], texts[2].count)
        #expect(stale == first + [33])
        #expect(Checksum.crc32(0, stale ?? []) != Checksum.crc32(0, texts[2]))
    }

    @Test(
        "data that inflates to more or less than was promised is refused, and costs no more memory than was promised"
    )
    func wrongLength() {
        let text = [UInt8](repeating: 65, count: 5_000_000)
        let data = compress(Deflater(), text)
        #expect(data.count < 10_000)
        for promised in [1, 100, text.count - 1, text.count + 1, text.count + 100] {
            let inflater = Inflater()
            inflater.restart()
            #expect(inflate(inflater, data, promised) == nil, "\(promised)")
            #expect(!inflater.isPrimed)
        }
    }

    @Test("data that is cut, damaged, ended or nothing at all is refused or gives other text")
    func damaged() {
        let text = event(17)
        let data = compress(Deflater(), text)
        for length in data.indices {
            let inflater = Inflater()
            inflater.restart()
            let found = inflate(inflater, Array(data[..<length]), text.count)
            #expect(found == nil || length >= data.count - 2, "\(length)")
        }
        var noticed = 0
        for bit in 0..<8 * data.count {
            var flipped = data
            flipped[bit / 8] ^= 1 << UInt8(bit % 8)
            let inflater = Inflater()
            inflater.restart()
            if inflate(inflater, flipped, text.count) != text { noticed += 1 }
        }
        // The last bits of a flush inflate to nothing: the checksum covers the stored bytes too.
        #expect(noticed >= 8 * data.count - 16)
        let inflater = Inflater()
        inflater.restart()
        #expect(inflate(inflater, [0x03, 0x00], 0) == nil)  // a final block
        inflater.restart()
        #expect(inflate(inflater, [0xFF, 0xFF, 0xFF], 4) == nil)
    }

    @Test("the trailer of a flush is never kept, whatever the text")
    func trailer() {
        var generator = SplitMix(6)
        let deflater = Deflater()
        let inflater = Inflater()
        inflater.restart()
        for round in 0..<400 {
            let count = 1 + Int(generator.next() % 700)
            let text =
                round % 2 == 0 ? generator.bytes(count) : [UInt8](repeating: UInt8(round & 255), count: count)
            let data = compress(deflater, text)
            #expect(inflate(inflater, data, count) == text)
        }
    }
}
