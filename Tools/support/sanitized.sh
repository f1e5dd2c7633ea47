# How a build for the address sanitizer is made, for `source`: one for the tests and for fuzzing, which share most of what is
# compiled.

# Options of `swift build` and `swift test`. A release build with what the tests and libFuzzer need: it may see what is internal,
# and counts where it goes. The C++ is swift-crypto's, most of what there is to build, and not what is tested: it is neither
# checked nor counted.
address_sanitized=(
    -c release -Xswiftc -enable-testing --scratch-path .build-address --sanitize=address -Xcxx -fno-sanitize=address
    -Xswiftc -sanitize-coverage=edge,indirect-calls,trace-cmp,inline-8bit-counters,pc-table
)
# With the program journal-fuzz, where libFuzzer is there: in Xcode's toolchains it is not.
if [ "$(uname)" != Darwin ]; then export AGENT_JOURNAL_FUZZ=1; fi
