// Whoever imports this has the journal too.
@_exported public import AgentJournal
