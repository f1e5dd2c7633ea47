// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .treatAllWarnings(as: .error),
]

/// The tests are many, and are not what is to be fast: their optimizer would take a fifth of a release build's time.
let tests = strict + [.unsafeFlags(["-Onone"], .when(configuration: .release))]

let system = Target.Dependency.product(name: "SystemPackage", package: "swift-system")

let package = Package(
    name: "agent-journal",
    platforms: [.macOS(.v26)],
    products: [
        .library(name: "AgentJournal", targets: ["AgentJournal"]),
        .library(name: "AgentJournalFoundation", targets: ["AgentJournalFoundation"]),
        .library(name: "JournalTesting", targets: ["JournalTesting"]),
        .library(name: "agent_journal", type: .static, targets: ["CAgentJournal"]),
        .executable(name: "agent-journal", targets: ["agent-journal"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-system", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-crypto", "3.12.0"..<"5.0.0"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.6.0"),
    ],
    targets: [
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .target(name: "CJournalPOSIX"),
        .target(
            name: "JournalFileSystem", dependencies: ["CJournalPOSIX", system], swiftSettings: strict),
        .target(name: "CanonicalJSON", swiftSettings: strict),
        .target(
            name: "SegmentLog",
            dependencies: [
                "CZlib", "CanonicalJSON", "JournalFileSystem", system,
                .product(name: "Crypto", package: "swift-crypto"),
            ],
            swiftSettings: strict),
        .target(
            name: "AgentJournal",
            dependencies: [
                "CanonicalJSON", "JournalFileSystem", "SegmentLog", system,
                .product(name: "Logging", package: "swift-log"),
                .product(name: "Crypto", package: "swift-crypto"),
            ],
            swiftSettings: strict),
        .target(name: "AgentJournalFoundation", dependencies: ["AgentJournal"], swiftSettings: strict),
        .target(name: "CAgentJournalHeader", path: "Sources/CAgentJournal/header"),
        .target(
            name: "CAgentJournal",
            dependencies: [
                "AgentJournal", "CAgentJournalHeader", "CanonicalJSON", "JournalFileSystem", system,
                .product(name: "Logging", package: "swift-log"),
            ],
            exclude: ["header", "exported-symbols.map"], swiftSettings: strict),
        .target(
            name: "JournalTesting",
            dependencies: [
                "AgentJournal", "JournalFileSystem", system, .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict),
        .executableTarget(
            name: "agent-journal",
            dependencies: [
                "AgentJournal", "CanonicalJSON", "CZlib", "JournalFileSystem", "SegmentLog", system,
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ],
            path: "Tools/agent-journal", swiftSettings: strict),
        .executableTarget(
            name: "example-agent", dependencies: ["AgentJournal"],
            path: "Tools/example-agent", swiftSettings: strict),
        .executableTarget(
            name: "crash-explorer",
            dependencies: [
                "AgentJournal", "JournalFileSystem", "JournalTesting",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            path: "Tools/crash-explorer", swiftSettings: strict),
        .executableTarget(
            name: "crash-writer", dependencies: ["AgentJournal"],
            path: "Tools/crash-tests/writer", swiftSettings: strict),
        .executableTarget(
            name: "crash-worker",
            dependencies: [
                "AgentJournal", "JournalFileSystem", .product(name: "Logging", package: "swift-log"),
            ],
            path: "Tools/crash-tests/worker", swiftSettings: strict),
        .executableTarget(
            name: "forker",
            dependencies: [
                "AgentJournal", "JournalFileSystem", .product(name: "Logging", package: "swift-log"),
            ],
            path: "Tools/crash-tests/forker", swiftSettings: strict),
        .testTarget(name: "CanonicalJSONTests", dependencies: ["CanonicalJSON"], swiftSettings: tests),
        .testTarget(
            name: "JournalFileSystemTests", dependencies: ["JournalFileSystem", "JournalTesting", system],
            swiftSettings: tests),
        .testTarget(
            name: "SegmentLogTests",
            dependencies: ["SegmentLog", "JournalFileSystem", "JournalTesting", system],
            swiftSettings: tests),
        .testTarget(
            name: "AgentJournalTests",
            dependencies: [
                "AgentJournal", "AgentJournalFoundation", "CZlib", "CanonicalJSON", "SegmentLog",
                "JournalFileSystem", "JournalTesting", system,
                .product(name: "Logging", package: "swift-log"),
            ],
            exclude: ["Golden"], swiftSettings: tests),
        .testTarget(
            name: "JournalTestingTests",
            dependencies: ["AgentJournal", "JournalFileSystem", "JournalTesting", system],
            swiftSettings: tests),
        .testTarget(
            name: "ToolTests",
            dependencies: [
                "agent-journal", "crash-writer", "example-agent", "forker", "AgentJournal", "CanonicalJSON",
                system,
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: tests),
    ],
    swiftLanguageModes: [.v6]
)

// The fuzz targets, for Tools/fuzz/run and a build with the address sanitizer: libFuzzer is not there on every system.
if Context.environment["AGENT_JOURNAL_FUZZ"] != nil {
    package.targets += [
        .systemLibrary(name: "LibFuzzer", path: "Tools/fuzz/driver"),
        .executableTarget(
            name: "journal-fuzz",
            dependencies: [
                "AgentJournal", "CZlib", "CanonicalJSON", "LibFuzzer", "SegmentLog", "JournalFileSystem",
                "JournalTesting", system,
                .product(name: "Logging", package: "swift-log"),
            ],
            path: "Tools/fuzz", exclude: ["corpus", "driver", "run"], swiftSettings: strict,
            linkerSettings: [.unsafeFlags(["-sanitize=fuzzer"])]),
    ]
}
