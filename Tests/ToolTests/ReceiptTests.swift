import Foundation
import Testing

/// The receipt of an erasure, in a file.
@Suite struct ReceiptTests {
    private func erased() throws -> Workshop {
        let shop = try Workshop()
        try shop.run("add", "j", "c", "secret")
        try shop.run("add", "j", "c", "stays")
        try shop.run("forget", "j", "1")
        return shop
    }

    private func sequences(_ data: Data) throws -> [Int] {
        let receipt = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
        return try #require(receipt["events"] as? [[String: Any]]).compactMap { $0["sequence"] as? Int }
    }

    @Test func aRunThatFailsOrFindsNothingLeavesTheOneThatIsThere() throws {
        let shop = try erased()
        #expect(try shop.run("compact", "j", "--erase", "--receipt", "r.json").status == 0)
        let receipt = try shop.read("r.json")
        #expect(try sequences(receipt).contains(1))
        #expect(try shop.run("compact", "nowhere", "--erase", "--receipt", "r.json").status == 2)
        #expect(try shop.read("r.json") == receipt)
        let again = try shop.run("compact", "j", "--erase", "--receipt", "r.json")
        #expect(again.status == 0 && again.error.contains("stays as it is"))
        #expect(try shop.read("r.json") == receipt)
        #expect(!FileManager.default.fileExists(atPath: shop.path("r.json.new")))
    }

    @Test func whereNoneIsTheLastOneIsHadFromTheLog() throws {
        let shop = try erased()
        #expect(try shop.run("compact", "j", "--erase").status == 0)
        let again = try shop.run("compact", "j", "--erase", "--receipt", "r.json")
        #expect(again.status == 0 && again.error.contains("read from the log"))
        #expect(try sequences(shop.read("r.json")).contains(1))
        #expect(String(decoding: try shop.read("r.json"), as: UTF8.self).contains(#""from_log":true"#))
    }

    @Test func whatCannotBeWrittenIsToldBeforeAnythingIsErased() throws {
        let shop = try erased()
        try FileManager.default.createDirectory(
            atPath: shop.path("folder"), withIntermediateDirectories: true)
        for place in ["folder", "missing/r.json"] {
            let outcome = try shop.run("compact", "j", "--erase", "--receipt", place)
            #expect(outcome.status != 0 && outcome.error.contains("othing was done"), "\(outcome.error)")
        }
        #expect(try !shop.run("log", "j").out.contains("erasing"))
    }
}
