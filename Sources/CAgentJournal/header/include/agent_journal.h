// agent_journal.h: the durable memory of agents, for C and whatever can call it.
//
// A journal is one directory, which any number of processes of one machine may have open. Every call that adds, forgets, clears
// or flushes returns when its event is on stable storage. What a journal promises is in docs/durability.md.
//
// Threads.   Every call may be made from any thread, also several at once on one handle, but for the functions that free: nobody
//            may use a handle, an error or a buffer that is being freed, or was.
// Fork.      A journal's handle may be used in the child of a fork(): the first call there opens it anew (it creates nothing). The
//            parent's stays as it is, whatever the child does with its own. Followers and adders are to be made anew in the child. A fork()
//            waits for calls that compute just then, half a second at most, and calls for a fork, a second at most.
// Signals.   No call installs a handler, and the library's threads block all signals but those of their own faults.
// Waiting.   Calls that append wait for the disk, and for another process that has the journal's lock for as long as
//            `lock_timeout_milliseconds` at most. `aj_follower_next` waits as long as it is told, or until `aj_follower_interrupt`.
// Errors.    Functions that take an `error` return AJ_OK, or AJ_ERROR (those that return a handle: NULL; aj_add_one and aj_add_text
//            also AJ_SHARED, which is no error). After an error *error holds an error that the caller
//            frees with aj_error_free. `error` may be NULL; else *error need not be set before, and is NULL after success.
// Ownership. Arguments are only read, during the call. What is returned belongs to the caller: journals, followers, adders,
//            errors and buffers, each with its function to free it.
// Texts.     UTF-8. Names, labels and paths end with a zero byte (they hold none); lines and aj_text come with their length.
//
// Memories, receipts and events are JSON lines: one object on each line, ended by "\n". Those that come out are canonical (keys in
// order of their bytes, no white space). A content that is a string is text and comes back byte for byte; bytes are "content_base64";
// any other JSON value is JSON. What is absent is left out, never null. Times are RFC 3339, UTC, with six decimals.
#ifndef AGENT_JOURNAL_H
#define AGENT_JOURNAL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct aj_journal aj_journal;
typedef struct aj_follower aj_follower;
typedef struct aj_error aj_error;

enum { AJ_OK = 0, AJ_ERROR = 1 };

// Bytes that the library made; a zero byte that does not count follows them. Empty results have bytes too. After an error it is
// {NULL, 0}, which may be freed as well.
typedef struct aj_buffer {
    char *bytes;
    size_t length;
} aj_buffer;

// Frees the bytes and sets the buffer to {NULL, 0}.
void aj_buffer_free(aj_buffer *buffer);

// The library's version, e.g. "0.1.0". Not to be freed.
const char *aj_version(void);

// Errors.

// What kind of error, e.g. "no_journal", "busy", "damaged", "not_written", "disk_full", "outcome_unknown", "key_conflict",
// "invalid_argument", "no_such_memory", "no_such_point", "too_large", "unsupported", "closed", "system", "interrupted". Later
// versions add to them. After "not_written" and "disk_full" certainly nothing was written; after "outcome_unknown" open again, and
// repeat the add with its idempotency key. The texts are the error's, and go with it.
const char *aj_error_code(const aj_error *error);
// What went wrong and what to do about it.
const char *aj_error_message(const aj_error *error);
// The file or directory concerned, or NULL.
const char *aj_error_path(const aj_error *error);
// The system's error number, or 0.
int aj_error_errno(const aj_error *error);
// NULL is no error, and may be freed.
void aj_error_free(aj_error *error);

// Opening and closing.

// 0 debug and below, 1 information and notices, 2 warnings, 3 errors, 4 what makes the journal useless.
enum { AJ_LOG_DEBUG = 0, AJ_LOG_INFO = 1, AJ_LOG_WARNING = 2, AJ_LOG_ERROR = 3, AJ_LOG_CRITICAL = 4 };

// Is told what an operator should see, from information upwards: at opening, one line that says what journal this is, with
// `fields`, a JSON object. It is called from any thread, must not call this library, and both texts are valid during the call
// alone. Opens of one directory in one process share the first one's function, until the last of them is closed.
typedef void (*aj_log_function)(void *context, int level, const char *message, const char *fields);

typedef struct aj_options {
    // sizeof(aj_options): so that later versions may add to it.
    size_t size;
    // Not 0: the directory, and the journal in it, are made where there is none. 0: that is the error "no_journal", so that a
    // volume that is not mounted is not taken for an empty memory.
    int create;
    // Not 0: writes nothing to the directory, also not to recover, and works beside a process that writes.
    int read_only;
    // How long another process is waited for that holds the journal's lock (then "busy"); 0 for 30 seconds.
    int64_t lock_timeout_milliseconds;
    // NULL: nothing is told.
    aj_log_function log;
    void *log_context;
} aj_options;

// Opens the journal in a directory, and recovers after a crash. NULL for the options: creates, reads and writes.
aj_journal *aj_open(const char *path, const aj_options *options, aj_error **error);

// Ends the use of the journal; calls after it, and those that follow, get "closed". The last user in the process closes the log
// cleanly. Closing deletes nothing, may be done twice, and does not free the handle.
int aj_close(aj_journal *journal, aj_error **error);

// Frees the handle, closing the journal first if it is open. NULL may be freed. Nobody may use it any more; followers of it
// stay valid, and are to be freed by themselves.
void aj_journal_free(aj_journal *journal);

// Adding.
//
// A memory is a line {"conversation", "content" or "content_base64", "role", "mime_type", "metadata", "idempotency_key",
// "timestamp"}, all but the conversation optional; any other member goes into the metadata. The last newline may be missing.
// A receipt is a line {"erased"?, "recorded", "replayed", "sequence"}; replayed: an add with this idempotency key was there already, and this
// is its receipt; erased (true, or absent): that memory is forgotten and erased, and what it was nobody can tell any more.

// Adds memories as one batch: all of them or none. `receipts` (may be NULL) gets a line for each, in order.
int aj_add(aj_journal *journal, const char *lines, size_t length, aj_buffer *receipts, aj_error **error);

// What became of one memory that was added.
typedef struct aj_receipt {
    uint64_t sequence;
    // When it was recorded, in microseconds since 1970-01-01T00:00:00Z.
    int64_t recorded_microseconds;
    int replayed;
    int erased;
} aj_receipt;

// What aj_add_one and aj_add_text return when they have done nothing.
enum { AJ_SHARED = 2 };

// Adds one memory (an object, also over several lines), as aj_add does, and sets *receipt (may be NULL; after anything but AJ_OK it
// is as it was). With `unless_shared` (not 0) it does nothing and returns AJ_SHARED where another process has the journal open for
// writing, or that cannot be known, so that the call might have to wait for it: for threads that must not wait for longer than
// the disk takes. That costs one call to the system.
int aj_add_one(
    aj_journal *journal, const char *line, size_t length, int unless_shared, aj_receipt *receipt,
    aj_error **error);

// Text of the caller's, UTF-8; {NULL, 0} where there is none.
typedef struct aj_text {
    const char *bytes;
    size_t length;
} aj_text;

// A memory whose content is a text, as it is, not as JSON. All but the conversation and the content may be {NULL, 0}.
typedef struct aj_text_memory {
    // sizeof(aj_text_memory): so that later versions may add to it.
    size_t size;
    aj_text conversation;
    aj_text content;
    aj_text role;
    aj_text mime_type;
    aj_text idempotency_key;
    // A JSON object.
    aj_text metadata;
} aj_text_memory;

// Adds one memory, as aj_add_one does with a line that says the same.
int aj_add_text(
    aj_journal *journal, const aj_text_memory *memory, int unless_shared, aj_receipt *receipt,
    aj_error **error);

// Adding for an event loop, whose thread must not wait: adds are handed over, one by one, and their outcomes taken later. Those
// that come while the disk is busy share the next sync; each is decided for itself.
typedef struct aj_adder aj_adder;

// What became of an add that was handed over.
typedef struct aj_outcome {
    uint64_t ticket;
    // All 0 when there is an error.
    aj_receipt receipt;
    // NULL when it was added; else to be freed.
    aj_error *error;
} aj_outcome;

// An adder does not keep the journal open, but what it holds in memory: once the journal is closed or freed its adds get "closed", and
// what was handed over before is completed. In the child of a fork it can only be freed.
aj_adder *aj_adder_new(aj_journal *journal, aj_error **error);

// A descriptor to poll, not to read: it is readable while there are outcomes. It is the adder's.
int aj_adder_descriptor(const aj_adder *adder);

// Hands over one memory (an object, also over several lines): AJ_OK, and an outcome with this ticket will come; or an error, and none
// will. Memories are written in the order in which they are handed over. It does not wait for the disk or for other processes, but
// reads and encodes the line, and compresses what is longer than 16 KiB: a long one is to be handed over by another thread.
//
// An outcome with the error "damaged" that names a snapshot is of a memory that could not be decided, and is not written: aj_add_one
// with the same line waits until the state is built anew.
int aj_adder_add(aj_adder *adder, const char *line, size_t length, uint64_t ticket, aj_error **error);

// Takes an add back. 1: it is certainly not written, and no outcome comes. 0: it was taken up, or nothing waits under this ticket.
int aj_adder_withdraw(aj_adder *adder, uint64_t ticket);

// Takes outcomes that are there, at most `limit`, in any order, into an array of the caller's, and returns how many. Does not wait.
size_t aj_adder_outcomes(aj_adder *adder, aj_outcome *outcomes, size_t limit);

// Outcomes that were not taken are lost. NULL may be freed.
void aj_adder_free(aj_adder *adder);

// Forgets memories by their sequences, as one batch: all of them or none.
int aj_forget(
    aj_journal *journal, const uint64_t *sequences, size_t count, aj_buffer *receipts, aj_error **error);

// Forgets all memories of a conversation.
int aj_clear(aj_journal *journal, const char *conversation, aj_buffer *receipts, aj_error **error);

// Records that everything before is durable; a label (or NULL) names the point.
int aj_flush(aj_journal *journal, const char *label, aj_buffer *receipts, aj_error **error);

// Reading.

enum { AJ_POINT_SEQUENCE = 1, AJ_POINT_DATE = 2, AJ_POINT_LABEL = 3 };

// Where in the journal's time to look.
typedef struct aj_point {
    int kind;
    // After the event with this sequence.
    uint64_t sequence;
    // After the last event recorded at or before a time (RFC 3339), or after the latest flush with a label.
    const char *text;
} aj_point;

// Memories of a conversation, oldest first: all that was acknowledged before the call. A memory is a line {"content" or
// "content_base64", "conversation", "idempotency_key", "metadata", "mime_type", "recorded", "role", "sequence", "timestamp"}.
//   last    at most so many, the newest; negative for all
//   before  only those with a lower sequence, to page backwards; 0 for all
//   at      as they were at this point; NULL for now
int aj_memories(
    aj_journal *journal, const char *conversation, int64_t last, uint64_t before, const aj_point *at,
    aj_buffer *memories, aj_error **error);

// The memory that was first added to a conversation with an idempotency key, so that a retried request finds its first answer. A
// look-up: it does not depend on how many memories there are. Of the three outcomes:
//   the key was never used             *receipt is all 0, and the line is empty
//   the memory is there                *receipt is what a repeated add gets (replayed), and the line is the memory, as aj_memories has it
//   it was forgotten, replaced or      *receipt as before (erased: its content is erased too), and the line is empty
//   cleared since
// `receipt` may be NULL, and after an error it is all 0.
int aj_memory_for_key(
    aj_journal *journal, const char *conversation, const char *key, aj_receipt *receipt, aj_buffer *memory,
    aj_error **error);

// How many memories there are in a conversation, or with NULL in all.
int aj_count(aj_journal *journal, const char *conversation, uint64_t *count, aj_error **error);

// The conversations that hold memories and whose names begin with a prefix (NULL for all), in order of their bytes: a line
// {"conversation", "memories"} each.
int aj_conversations(aj_journal *journal, const char *prefix, aj_buffer *conversations, aj_error **error);

// How large the journal is: an object on one line, as `agent-journal stats --json` gives it, but for who has it open. Reads the log.
int aj_stats(aj_journal *journal, aj_buffer *stats, aj_error **error);

// Following.

// Begins to read the events behind a sequence (0 for all). It keeps the journal in use until it is freed, not open.
aj_follower *aj_follow(aj_journal *journal, uint64_t after, aj_error **error);

// The next events in order, as many as are there but at most `limit` (0: as many as are handy); where there is none, waits for
// one, a day at most. Empty when none came in time. An event is a line {"kind", "recorded", "sequence"}, with the memory's members for "added",
// "conversation" and "target" (a sequence) for "forgotten", "conversation" for "cleared", "label" if there is one for "flushed",
// "target" for "let_go" (history up to it), "erasure_begun" and "erasure_done" (what was forgotten up to it), and with "first"
// for "lost"; "erasure", "leaf", "was" and perhaps "conversation" and "target" for "erased"; "number" for "unknown", a kind of a later version.
int aj_follower_next(
    aj_follower *follower, int64_t timeout_milliseconds, size_t limit, aj_buffer *events, aj_error **error);

// Has one call of aj_follower_next that waits, or else the next one, end with the error "interrupted".
void aj_follower_interrupt(aj_follower *follower);

// NULL may be freed.
void aj_follower_free(aj_follower *follower);

#ifdef __cplusplus
}
#endif

#endif
