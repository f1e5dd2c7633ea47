import AgentJournal
import Testing

@Suite struct MetadataTests {
    @Test func aLiteralIsAnObjectInCanonicalForm() {
        let metadata: Metadata = ["topic": "contact", "n": 3, "a": ["x": nil]]
        #expect(metadata.description == #"{"a":{"x":null},"n":3,"topic":"contact"}"#)
        #expect(metadata.canonicalBytes == Array(metadata.description.utf8))
        #expect(metadata.keys == ["a", "n", "topic"])
        #expect(metadata.count == 3)
        #expect(!metadata.isEmpty)
        #expect(metadata["topic"] == "contact")
        #expect(metadata["absent"] == nil)
        #expect(metadata.pairs.map(\.value) == [["x": nil], 3, "contact"])
    }

    @Test func emptyMetadataHasNoBytesHoweverItIsMade() throws {
        var emptied: Metadata = ["a": 1]
        emptied["a"] = nil
        let all: [Metadata] = [
            Metadata(), [:], emptied, Metadata(canonicalBytes: Array("{}".utf8)),
            try #require(Metadata(JSON([:]))), Metadata([] as [(String, JSON)]),
        ]
        for metadata in all {
            #expect(metadata == Metadata())
            #expect(metadata.isEmpty)
            #expect(metadata.count == 0)
            #expect(metadata.keys.isEmpty)
            #expect(metadata.canonicalBytes.isEmpty)
            #expect(metadata.description == "{}")
            #expect(metadata.json == [:])
            #expect(metadata["a"] == nil)
        }
    }

    @Test func onlyAnObjectIsMetadata() throws {
        #expect(Metadata(try JSON(parsing: #"{ "b": 1, "a": 2 }"#)) == ["a": 2, "b": 1])
        for json: JSON in [nil, true, 1, "{}", []] { #expect(Metadata(json) == nil) }
    }

    @Test func keysAreSetReplacedAndRemoved() {
        var metadata: Metadata = ["b": 1]
        metadata["c"] = "new"
        metadata["a\"\n"] = [1, 2]
        metadata["b"] = 2.5
        #expect(metadata.description == #"{"a\"\n":[1,2],"b":2.5,"c":"new"}"#)
        metadata["c"] = nil
        metadata["absent"] = nil
        metadata["b"] = .null
        #expect(metadata.description == #"{"a\"\n":[1,2],"b":null}"#)
        #expect(metadata["b"] == .some(.null))
        #expect(metadata["a\"\n"] == [1, 2])
    }

    @Test func copiesAreIndependent() {
        let original: Metadata = ["a": 1]
        var copy = original
        copy["a"] = 2
        #expect(original == ["a": 1])
        #expect(copy == ["a": 2])
    }

    /// The keys below are one to Swift's `String`, which compares by Unicode equivalence.
    @Test func keysAreComparedAsBytes() {
        let (composed, decomposed) = ("\u{e9}", "e\u{301}")
        #expect(composed == decomposed)
        let pairs: [(String, JSON)] = [(composed, 1), (decomposed, 2), (composed, 3)]
        var metadata = Metadata(pairs)
        #expect(metadata.count == 2)
        #expect(metadata[composed] == 3)
        #expect(metadata[decomposed] == 2)
        metadata[decomposed] = nil
        #expect(metadata.count == 1)
        #expect(metadata[composed] == 3)
        #expect(metadata[decomposed] == nil)
        #expect(metadata != [decomposed: 3])
    }

    @Test func aDictionaryBecomesMetadata() {
        let dictionary: [String: JSON] = ["b": 1, "a": "x"]
        #expect(Metadata(dictionary).description == #"{"a":"x","b":1}"#)
    }
}
