// The types of swift-system that the public API speaks of, and the descriptor that goes with them: whoever imports
// AgentJournal can use them without a dependency of their own.
@_exported public import struct SystemPackage.Errno
@_exported public import struct SystemPackage.FileDescriptor
@_exported public import struct SystemPackage.FilePath
