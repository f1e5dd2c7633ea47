import AgentJournal

/// Writes outcomes as Markdown tables, and as JSON.
enum Report {
    static func markdown(_ environment: Environment, _ outcomes: [Outcome]) -> String {
        var text = "Measured on \(environment.summary).\n"
        for outcome in outcomes {
            text += "\n**\(outcome.workload)**: \(outcome.method)\n\n"
            text += table(
                [["", "median", "min to max", "unit", "CPU each"]]
                    + outcome.series.map { series in
                        let cpu = series.samples.map(\.cpuMicrosecondsEach)
                        return [
                            series.name, series.median.grouped,
                            "\(series.values.min()!.grouped) to \(series.values.max()!.grouped)",
                            series.unit, cpu.isEmpty ? "" : "\(cpu.median.fixed(1)) µs",
                        ]
                    })
        }
        for series in outcomes.flatMap(\.series) where series.isUnsteady {
            text +=
                "\nThe disk was not steady: \(series.name) was up to \(series.spread.fixed(1)) times as fast in one "
                + "round as in another. Measure again when nothing else uses it, or let it rest.\n"
        }
        text += "\n**Figures**\n\n"
        text += table(
            [["figure", "measured", "target", ""]]
                + outcomes.flatMap { outcome in
                    outcome.figures.map { figure in
                        let bound =
                            switch figure.target {
                            case .atLeast(let bound): "at least \(number(bound, figure))"
                            case .atMost(let bound): "at most \(number(bound, figure))"
                            }
                        return [
                            figure.what, number(figure.value, figure), bound,
                            figure.isMet ? "met" : "**missed**",
                        ]
                    }
                })
        return text
    }

    private static func number(_ value: Double, _ figure: Figure) -> String {
        (figure.digits == 0 ? value.grouped : value.fixed(figure.digits)) + figure.unit
    }

    /// Columns padded, so that it reads well also where Markdown is not shown.
    private static func table(_ rows: [[String]]) -> String {
        let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max()! }
        var lines = rows.map { row in
            "| "
                + zip(row, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }.joined(
                    separator: " | ") + " |\n"
        }
        lines.insert(
            "|" + widths.map { String(repeating: "-", count: $0 + 2) }.joined(separator: "|") + "|\n", at: 1)
        return lines.joined()
    }

    static func json(_ environment: Environment, _ outcomes: [Outcome]) -> JSON {
        JSON([
            ("environment", environment.json),
            ("workloads", JSON(outcomes.map { json($0) })),
        ])
    }

    private static func json(_ outcome: Outcome) -> JSON {
        JSON([
            ("workload", JSON(outcome.workload)),
            ("method", JSON(outcome.method)),
            (
                "series",
                JSON(
                    outcome.series.map { series in
                        JSON([
                            ("name", JSON(series.name)), ("unit", JSON(series.unit)),
                            ("values", JSON(series.values.map { JSON($0) })),
                            ("cpu_seconds", JSON(series.samples.map { JSON($0.cpuSeconds) })),
                            ("counts", JSON(series.samples.map { JSON($0.count) })),
                        ])
                    })
            ),
            (
                "figures",
                JSON(
                    outcome.figures.map { figure in
                        JSON([
                            ("what", JSON(figure.what)), ("value", JSON(figure.value)),
                            ("met", JSON(figure.isMet)),
                        ])
                    })
            ),
        ])
    }
}

extension Double {
    /// With so many digits behind the point.
    func fixed(_ digits: Int) -> String {
        var scale = 1.0
        for _ in 0..<digits { scale *= 10 }
        let scaled = Int((self * scale).rounded())
        guard digits > 0 else { return String(scaled) }
        let fraction = String(abs(scaled) % Int(scale))
        let zeros = String(repeating: "0", count: digits - fraction.count)
        return "\(scaled < 0 ? "-" : "")\(abs(scaled) / Int(scale)).\(zeros)\(fraction)"
    }

    /// Whole, with commas; small ones with a few digits.
    var grouped: String {
        guard self >= 100 else { return fixed(self < 10 ? 2 : 1) }
        var rest = String(Int(rounded()))
        var groups: [String] = []
        while rest.count > 3 {
            groups.insert(String(rest.suffix(3)), at: 0)
            rest.removeLast(3)
        }
        return ([rest] + groups).joined(separator: ",")
    }
}
