import LibFuzzer

/// The package manager wants a main of a program, and libFuzzer has one: so its driver is called from here.
@main
enum Main {
    static func main() {
        var count = CommandLine.argc
        var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = CommandLine.unsafeArgv
        endProcess(LLVMFuzzerRunDriver(&count, &arguments) { testOneInput($0, $1) })
    }
}
