import AgentJournal
import CanonicalJSON

/// Says in a line what a memory has to do with calls of tools, in the forms of chat completion services, of AutoGen and of Claude.
enum ToolCalls {
    /// `calls weather({"city":"Lisbon"})`, `result of weather: 24 degrees`; nil for a memory that has none.
    static func text(of memory: Memory) -> String? {
        var parts: [String] = []
        switch memory.content {
        case .text(let text):
            let calls = members(memory.metadata.json).first { $0.key.elementsEqual("tool_calls".utf8) }
            guard case .array(let calls)? = calls?.value else { return nil }
            if !text.isEmpty { parts.append(text) }
            parts += calls.compactMap(part)
            return parts.count > (text.isEmpty ? 0 : 1) ? parts.joined(separator: "; ") : nil
        case .json(let json):
            guard case .array(let elements) = JSONValue(json) else { return nil }
            var hasCall = false
            for element in elements {
                if let call = part(element) {
                    hasCall = true
                    parts.append(call)
                } else if let text = string("text", of: element) {
                    parts.append(text)
                }
            }
            return hasCall ? parts.joined(separator: "; ") : nil
        case .bytes: return nil
        }
    }

    private static func part(_ value: JSONValue) -> String? {
        guard case .object(let members) = value else { return nil }
        func member(_ name: String) -> JSONValue? {
            members.first { $0.key.elementsEqual(name.utf8) }?.value
        }
        if let function = member("function"), let name = string("name", of: function) {
            return "calls \(name)(\(string("arguments", of: function) ?? ""))"
        }
        let name = string("name", of: value)
        if let name, let arguments = member("arguments") ?? member("input") {
            return "calls \(name)(\(plain(arguments)))"
        }
        let isResult = member("call_id") != nil || string("type", of: value) == "tool_result"
        guard isResult, let content = member("content") else { return nil }
        return "result\(name.map { " of \($0)" } ?? ""): \(plain(content))"
    }

    private static func members(_ json: JSON) -> [JSONMember] {
        guard case .object(let members) = JSONValue(json) else { return [] }
        return members
    }

    private static func string(_ name: String, of value: JSONValue) -> String? {
        guard case .object(let members) = value,
            case .string(let text)? = members.first(where: { $0.key.elementsEqual(name.utf8) })?.value
        else { return nil }
        return String(decoding: text, as: UTF8.self)
    }

    /// A text as it is, anything else as JSON.
    private static func plain(_ value: JSONValue) -> String {
        if case .string(let text) = value { return String(decoding: text, as: UTF8.self) }
        var bytes: [UInt8] = []
        value.appendCanonical(to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }
}
