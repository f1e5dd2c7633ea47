extension String {
    /// A name as it is shown: on one line, and nothing in it that is obeyed or not to be seen.
    var shownName: String { escapingControls(keepingNewlines: false) }

    /// With the numbers of all characters that are not ASCII: what tells apart two names that look the same.
    var spelled: String {
        var text = ""
        for scalar in unicodeScalars {
            if scalar.isASCII, scalar.value >= 0x20, scalar.value != 0x7F {
                text.unicodeScalars.append(scalar)
            } else {
                let digits = String(scalar.value, radix: 16)
                text += "\\u" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits
            }
        }
        return text
    }

    /// What it looks like, to be compared: Swift takes strings for the same that Unicode's normalization makes the same, and what
    /// joins characters is not seen.
    var looks: String {
        String(String.UnicodeScalarView(unicodeScalars.filter { !$0.properties.isDefaultIgnorableCodePoint }))
    }
}
