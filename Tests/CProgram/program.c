// Uses every function of agent_journal.h as a program in C does. Prints "done" and ends with 0 when all is as the header says.
#include <agent_journal.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

static void show(const char *what, const aj_error *error) {
    if (error != NULL) fprintf(stderr, "%s: %s: %s\n", what, aj_error_code(error), aj_error_message(error));
}

// Asserts that a call failed with a code, and frees the error.
static void expect(int status, aj_error **error, const char *code) {
    CHECK(status == AJ_ERROR);
    CHECK(*error != NULL);
    if (strcmp(aj_error_code(*error), code) != 0) show(code, *error);
    CHECK(strcmp(aj_error_code(*error), code) == 0);
    CHECK(strlen(aj_error_message(*error)) > 0);
    aj_error_free(*error);
    *error = NULL;
}

static int contains(const aj_buffer *buffer, const char *text) { return strstr(buffer->bytes, text) != NULL; }

static size_t lines(const aj_buffer *buffer) {
    size_t count = 0;
    for (size_t index = 0; index < buffer->length; index++) count += buffer->bytes[index] == '\n';
    return count;
}

static void add(aj_journal *journal, const char *line) {
    aj_error *error = NULL;
    int status = aj_add(journal, line, strlen(line), NULL, &error);
    show("add", error);
    CHECK(status == AJ_OK && error == NULL);
}

static uint64_t count(aj_journal *journal, const char *conversation) {
    uint64_t found = 0;
    CHECK(aj_count(journal, conversation, &found, NULL) == AJ_OK);
    return found;
}

static pthread_mutex_t told_lock = PTHREAD_MUTEX_INITIALIZER;
static int told;

static void tell(void *context, int level, const char *message, const char *fields) {
    CHECK(context == &told && level >= AJ_LOG_DEBUG && level <= AJ_LOG_CRITICAL);
    CHECK(strlen(message) > 0 && fields[0] == '{');
    pthread_mutex_lock(&told_lock);
    told++;
    pthread_mutex_unlock(&told_lock);
}

static aj_options options(void) {
    aj_options options = {sizeof options, 1, 0, 0, NULL, NULL};
    return options;
}

static void hand_over(aj_adder *adder, const char *line, uint64_t ticket) {
    aj_error *error = NULL;
    CHECK(aj_adder_add(adder, line, strlen(line), ticket, &error) == AJ_OK);
    show("aj_adder_add", error);
}

static bool is_readable(aj_adder *adder, int timeout_milliseconds) {
    struct pollfd wanted = {aj_adder_descriptor(adder), POLLIN, 0};
    return poll(&wanted, 1, timeout_milliseconds) == 1;
}

// Takes outcomes, at most so many at a time, until all are there.
static void take_outcomes(aj_adder *adder, aj_outcome *outcomes, size_t count, size_t limit) {
    for (size_t taken = 0; taken < count;) {
        CHECK(is_readable(adder, 60000));
        size_t some = aj_adder_outcomes(adder, outcomes + taken, limit < count - taken ? limit : count - taken);
        CHECK(some > 0 && some <= limit);
        taken += some;
    }
}

static const aj_outcome *outcome_of(uint64_t ticket, const aj_outcome *outcomes, size_t count) {
    for (size_t index = 0; index < count; index++) {
        if (outcomes[index].ticket == ticket) return &outcomes[index];
    }
    CHECK(!"there is an outcome of each");
    return NULL;
}

static void adding_for_an_event_loop(aj_journal *journal) {
    aj_error *error = NULL;
    aj_adder *adder = aj_adder_new(journal, &error);
    show("aj_adder_new", error);
    CHECK(adder != NULL && !is_readable(adder, 0) && aj_adder_outcomes(adder, &(aj_outcome){0}, 1) == 0);
    hand_over(adder, "{\"conversation\":\"a\",\"content_base64\":\"AAEC\",\"idempotency_key\":\"k\"}\n", 7);
    hand_over(adder, "{\"conversation\":\"a\",\"content\":\"other\",\"idempotency_key\":\"k\"}", UINT64_MAX);
    hand_over(adder, "{\"conversation\":\"a\",\n\"content\":\"two\"}\n", 9);
    // What is refused at once has no outcome.
    expect(aj_adder_add(adder, "{}", 2, 10, &error), &error, "invalid_argument");
    expect(aj_adder_add(adder, NULL, 2, 11, &error), &error, "invalid_argument");
    expect(aj_adder_add(NULL, "{}", 2, 11, &error), &error, "invalid_argument");
    aj_outcome outcomes[200];
    take_outcomes(adder, outcomes, 3, 1);
    const aj_outcome *known = outcome_of(7, outcomes, 3), *new = outcome_of(9, outcomes, 3);
    const aj_outcome *refused = outcome_of(UINT64_MAX, outcomes, 3);
    CHECK(known->error == NULL && known->receipt.replayed && known->receipt.sequence == 2);
    CHECK(new->error == NULL && !new->receipt.replayed && new->receipt.sequence == 4);
    CHECK(strcmp(aj_error_code(refused->error), "key_conflict") == 0 && refused->receipt.sequence == 0);
    aj_error_free(refused->error);
    CHECK(!is_readable(adder, 0) && aj_adder_withdraw(adder, 9) == 0);

    // Outcomes that nobody takes, also one that is an error.
    hand_over(adder, "{\"conversation\":\"a\",\"content\":\"other\",\"idempotency_key\":\"k\"}", 1);
    CHECK(is_readable(adder, 60000));
    aj_adder_free(adder);
    aj_adder_free(NULL);
    CHECK(aj_adder_descriptor(NULL) == -1 && aj_adder_withdraw(NULL, 1) == 0 && aj_adder_outcomes(NULL, outcomes, 1) == 0);
}

static void adding_many_for_an_event_loop(aj_journal *journal) {
    aj_error *error = NULL;
    aj_adder *adder = aj_adder_new(journal, &error);
    CHECK(adder != NULL);
    aj_outcome outcomes[200];
    // Each is told of, or taken back, and then not there.
    uint64_t before = count(journal, NULL), back = 0;
    for (uint64_t ticket = 0; ticket < 200; ticket++) {
        hand_over(adder, "{\"conversation\":\"back\",\"content\":\"x\"}", ticket);
        if (ticket % 3 == 0) back += (uint64_t)aj_adder_withdraw(adder, ticket);
    }
    take_outcomes(adder, outcomes, 200 - back, 50);
    // Written in the order in which they were handed over, told in any.
    uint64_t sequences[200] = {0}, last = 0, written = 0;
    for (uint64_t index = 0; index < 200 - back; index++) {
        CHECK(outcomes[index].error == NULL && outcomes[index].ticket < 200 && sequences[outcomes[index].ticket] == 0);
        sequences[outcomes[index].ticket] = outcomes[index].receipt.sequence;
    }
    for (uint64_t ticket = 0; ticket < 200; ticket++) {
        if (sequences[ticket] == 0) continue;
        CHECK(sequences[ticket] > last);
        last = sequences[ticket];
        written++;
    }
    CHECK(written == 200 - back);
    CHECK(count(journal, NULL) == before + 200 - back && !is_readable(adder, 0));
    CHECK(aj_clear(journal, "back", NULL, &error) == AJ_OK);

    // In the child of a fork it can only be freed.
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        expect(aj_adder_add(adder, "{\"conversation\":\"a\"}", 20, 1, &error), &error, "closed");
        CHECK(aj_adder_withdraw(adder, 1) == 0 && aj_adder_outcomes(adder, outcomes, 1) == 0);
        aj_adder_free(adder);
        execl("/bin/true", "true", (char *)NULL);
        _exit(1);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    aj_adder_free(adder);
}

static void values(aj_journal *journal) {
    aj_error *error = NULL;
    aj_buffer buffer = {NULL, 0};
    const char *batch =
        "{\"conversation\":\"a\",\"content\":\"one\",\"role\":\"user\",\"metadata\":{\"n\":1}}\n"
        "{\"conversation\":\"a\",\"content_base64\":\"AAEC\",\"idempotency_key\":\"k\"}\n"
        "{\"conversation\":\"b\",\"content\":{\"x\":[true]}}\n";
    CHECK(aj_add(journal, batch, strlen(batch), &buffer, &error) == AJ_OK);
    CHECK(lines(&buffer) == 3 && contains(&buffer, "\"replayed\":false,\"sequence\":1}"));
    CHECK(buffer.bytes[buffer.length] == 0);
    aj_buffer_free(&buffer);
    CHECK(buffer.bytes == NULL && buffer.length == 0);
    aj_buffer_free(&buffer);

    adding_for_an_event_loop(journal);

    CHECK(aj_memories(journal, "a", 2, 0, NULL, &buffer, &error) == AJ_OK);
    CHECK(lines(&buffer) == 2 && contains(&buffer, "\"content_base64\":\"AAEC\"") && contains(&buffer, "\"content\":\"two\""));
    aj_buffer_free(&buffer);
    CHECK(aj_memories(journal, "a", -1, 2, NULL, &buffer, &error) == AJ_OK);
    CHECK(lines(&buffer) == 1 && contains(&buffer, "\"metadata\":{\"n\":1}") && contains(&buffer, "\"role\":\"user\""));
    aj_buffer_free(&buffer);
    CHECK(aj_memories(journal, "none", -1, 0, NULL, &buffer, &error) == AJ_OK);
    CHECK(buffer.bytes != NULL && buffer.length == 0);
    aj_buffer_free(&buffer);

    CHECK(aj_flush(journal, "label", &buffer, &error) == AJ_OK && lines(&buffer) == 1);
    aj_buffer_free(&buffer);
    uint64_t sequences[] = {1, 2};
    CHECK(aj_forget(journal, sequences, 2, &buffer, &error) == AJ_OK && lines(&buffer) == 2);
    aj_buffer_free(&buffer);
    CHECK(aj_clear(journal, "b", NULL, &error) == AJ_OK);
    CHECK(count(journal, "a") == 1 && count(journal, "b") == 0 && count(journal, NULL) == 1);
    aj_point points[] = {
        {AJ_POINT_LABEL, 0, "label"}, {AJ_POINT_SEQUENCE, 4, NULL}, {AJ_POINT_DATE, 0, "2999-01-01T00:00:00Z"}};
    size_t expected[] = {3, 3, 1};
    for (int index = 0; index < 3; index++) {
        CHECK(aj_memories(journal, "a", -1, 0, &points[index], &buffer, &error) == AJ_OK);
        CHECK(lines(&buffer) == expected[index]);
        aj_buffer_free(&buffer);
    }
    CHECK(aj_conversations(journal, NULL, &buffer, &error) == AJ_OK);
    CHECK(strcmp(buffer.bytes, "{\"conversation\":\"a\",\"memories\":1}\n") == 0);
    aj_buffer_free(&buffer);
    CHECK(aj_conversations(journal, "b", &buffer, &error) == AJ_OK && buffer.length == 0);
    aj_buffer_free(&buffer);
    CHECK(aj_stats(journal, &buffer, &error) == AJ_OK && lines(&buffer) == 1 && contains(&buffer, "\"memories\":1,"));
    aj_buffer_free(&buffer);
}

static void errors(aj_journal *journal, const char *directory) {
    aj_error *error = NULL;
    aj_buffer buffer = {(char *)"not touched", 1};
    expect(aj_add(journal, "{", 1, &buffer, &error), &error, "invalid_argument");
    CHECK(buffer.bytes == NULL && buffer.length == 0);
    aj_buffer_free(&buffer);
    expect(aj_add(journal, "{\"conversation\":\"\xff\",\"content\":\"x\"}", 35, NULL, &error), &error, "invalid_argument");
    expect(aj_add(NULL, "", 0, NULL, &error), &error, "invalid_argument");
    expect(aj_add(journal, NULL, 10, NULL, &error), &error, "invalid_argument");
    expect(aj_forget(journal, NULL, 3, NULL, &error), &error, "invalid_argument");
    uint64_t one = 1;
    expect(aj_forget(journal, &one, (size_t)-1, NULL, &error), &error, "invalid_argument");
    expect(aj_memories(journal, NULL, -1, 0, NULL, &buffer, &error), &error, "invalid_argument");
    expect(aj_memories(journal, "\xff", -1, 0, NULL, &buffer, &error), &error, "invalid_argument");
    aj_point never = {AJ_POINT_LABEL, 0, "never"}, wrong = {7, 0, NULL}, later = {AJ_POINT_DATE, 0, "tomorrow"};
    expect(aj_memories(journal, "a", -1, 0, &never, &buffer, &error), &error, "no_such_point");
    expect(aj_memories(journal, "a", -1, 0, &wrong, &buffer, &error), &error, "invalid_argument");
    expect(aj_memories(journal, "a", -1, 0, &later, &buffer, &error), &error, "invalid_argument");
    uint64_t none = 1000000;
    expect(aj_forget(journal, &none, 1, NULL, &error), &error, "no_such_memory");
    CHECK(aj_add(journal, "{", 1, NULL, NULL) == AJ_ERROR);
    CHECK(aj_error_code(NULL) == NULL && aj_error_message(NULL) == NULL && aj_error_path(NULL) == NULL);
    CHECK(aj_error_errno(NULL) == 0);
    aj_error_free(NULL);
    aj_journal_free(NULL);
    aj_follower_free(NULL);
    aj_follower_interrupt(NULL);
    aj_buffer_free(NULL);

    aj_options given = options();
    given.size = 3;
    CHECK(aj_open(directory, &given, &error) == NULL);
    expect(AJ_ERROR, &error, "invalid_argument");
    given = options();
    given.create = 0;
    char missing[4096];
    snprintf(missing, sizeof missing, "%s/missing", directory);
    CHECK(aj_open(missing, &given, &error) == NULL);
    CHECK(aj_error_path(error) != NULL && strstr(aj_error_path(error), "missing") != NULL);
    expect(AJ_ERROR, &error, "no_journal");
    CHECK(aj_open(NULL, NULL, &error) == NULL);
    expect(AJ_ERROR, &error, "invalid_argument");
    CHECK(aj_open("/proc/nothing/here", NULL, &error) == NULL);
    CHECK(error != NULL && aj_error_errno(error) != 0);
    aj_error_free(error);
}

struct adder {
    aj_journal *journal;
    int number;
};

static void *add_many(void *argument) {
    struct adder *adder = argument;
    for (int index = 0; index < 50; index++) {
        char line[200];
        snprintf(line, sizeof line, "{\"conversation\":\"threads\",\"content\":\"%d %d\"}", adder->number, index);
        add(adder->journal, line);
    }
    return NULL;
}

static void threads(aj_journal *journal) {
    pthread_t threads[8];
    struct adder adders[8];
    for (int number = 0; number < 8; number++) {
        adders[number] = (struct adder){journal, number};
        CHECK(pthread_create(&threads[number], NULL, add_many, &adders[number]) == 0);
    }
    for (int number = 0; number < 8; number++) pthread_join(threads[number], NULL);
    CHECK(count(journal, "threads") == 400);
}

struct wait {
    aj_follower *follower;
    size_t lines;
};

static void *wait_for_events(void *argument) {
    struct wait *wait = argument;
    aj_buffer buffer;
    CHECK(aj_follower_next(wait->follower, 60000, 1, &buffer, NULL) == AJ_OK);
    wait->lines = lines(&buffer);
    aj_buffer_free(&buffer);
    return NULL;
}

// Two calls on one follower wait; each is woken.
static void following_twice(aj_journal *journal) {
    aj_error *error = NULL;
    aj_follower *follower = aj_follow(journal, 100000, &error);
    CHECK(follower != NULL);
    aj_follower_free(follower);
    uint64_t last = count(journal, NULL);
    aj_buffer buffer;
    CHECK(aj_flush(journal, NULL, &buffer, &error) == AJ_OK);
    CHECK(sscanf(strstr(buffer.bytes, "\"sequence\":"), "\"sequence\":%lu", &last) == 1);
    aj_buffer_free(&buffer);
    follower = aj_follow(journal, last, &error);
    struct wait waits[2] = {{follower, 0}, {follower, 0}};
    pthread_t threads[2];
    for (int number = 0; number < 2; number++) {
        CHECK(pthread_create(&threads[number], NULL, wait_for_events, &waits[number]) == 0);
    }
    usleep(50000);
    add(journal, "{\"conversation\":\"followed\",\"content\":\"x\"}\n{\"conversation\":\"followed\",\"content\":\"y\"}");
    for (int number = 0; number < 2; number++) {
        pthread_join(threads[number], NULL);
        CHECK(waits[number].lines == 1);
    }
    aj_follower_free(follower);
}

static void *interrupt(void *follower) {
    usleep(50000);
    aj_follower_interrupt(follower);
    return NULL;
}

static void following(aj_journal *journal) {
    aj_error *error = NULL;
    aj_buffer buffer;
    aj_follower *follower = aj_follow(journal, 0, &error);
    CHECK(follower != NULL);
    CHECK(aj_follower_next(follower, 0, 5, &buffer, &error) == AJ_OK && lines(&buffer) == 5);
    CHECK(contains(&buffer, "\"kind\":\"added\"") && contains(&buffer, "\"kind\":\"flushed\""));
    aj_buffer_free(&buffer);
    while (1) {
        CHECK(aj_follower_next(follower, 0, 0, &buffer, &error) == AJ_OK);
        size_t length = buffer.length;
        aj_buffer_free(&buffer);
        if (length == 0) break;
    }
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, interrupt, follower) == 0);
    expect(aj_follower_next(follower, INT64_MAX, 0, &buffer, &error), &error, "interrupted");
    pthread_join(thread, NULL);
    add(journal, "{\"conversation\":\"followed\",\"content\":\"x\"}");
    CHECK(aj_follower_next(follower, 10000, 0, &buffer, &error) == AJ_OK && lines(&buffer) == 1);
    aj_buffer_free(&buffer);
    CHECK(aj_follower_next(follower, 10, 0, &buffer, &error) == AJ_OK && buffer.length == 0);
    aj_buffer_free(&buffer);
    aj_follower_free(follower);
}

static void sharing(aj_journal *journal, const char *directory) {
    static const char line[] = "{\"conversation\":\"shared\",\"content\":\"x\"}\n";
    aj_receipt receipt = {0, 0, 7, 7};
    CHECK(aj_add_one(journal, line, sizeof line - 1, 1, &receipt, NULL) == AJ_OK);
    CHECK(receipt.sequence > 0 && receipt.recorded_microseconds > 0 && !receipt.replayed && !receipt.erased);
    int started[2], ended[2];
    CHECK(pipe(started) == 0 && pipe(ended) == 0);
    pid_t child = fork();
    CHECK(child >= 0);
    char byte = 0;
    if (child == 0) {
        close(ended[1]);
        aj_journal *other = aj_open(directory, NULL, NULL);
        CHECK(other != NULL && write(started[1], &byte, 1) == 1);
        CHECK(read(ended[0], &byte, 1) == 0);
        aj_journal_free(other);
        execl("/bin/true", "true", (char *)NULL);
        _exit(1);
    }
    CHECK(read(started[0], &byte, 1) == 1);
    CHECK(aj_add_one(journal, line, sizeof line - 1, 1, NULL, NULL) == AJ_SHARED);
    CHECK(count(journal, "shared") == 1);
    CHECK(aj_add_one(journal, line, sizeof line - 1, 0, NULL, NULL) == AJ_OK);
    close(ended[1]);
    int status;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK(aj_add_one(journal, line, sizeof line - 1, 1, NULL, NULL) == AJ_OK && count(journal, "shared") == 3);
    aj_error *error = NULL;
    expect(aj_add_one(journal, "{}\n{}", 5, 1, &receipt, &error), &error, "invalid_argument");
    expect(aj_add_one(journal, NULL, 5, 0, &receipt, &error), &error, "invalid_argument");
    aj_options options = {sizeof(aj_options), 0, 1, 0, NULL, NULL};
    aj_journal *reader = aj_open(directory, &options, NULL);
    CHECK(reader != NULL);
    expect(aj_add_one(reader, line, sizeof line - 1, 1, &receipt, &error), &error, "closed");
    aj_journal_free(reader);
    static const char keyed[] = "{\"conversation\":\"shared\",\"content\":\"y\",\"idempotency_key\":\"k\"}";
    CHECK(aj_add_one(journal, keyed, sizeof keyed - 1, 0, &receipt, NULL) == AJ_OK && !receipt.replayed);
    uint64_t first = receipt.sequence;
    CHECK(aj_add_one(journal, keyed, sizeof keyed - 1, 1, &receipt, NULL) == AJ_OK && receipt.replayed);
    CHECK(receipt.sequence == first && count(journal, "shared") == 4);
}

#define TEXT(literal) {literal, sizeof literal - 1}

static void adding_texts(aj_journal *journal) {
    aj_text_memory memory = {.size = sizeof memory, .conversation = TEXT("texts"), .content = TEXT("\"a\\\n\0\303\251")};
    aj_receipt receipt = {0, 0, 7, 7};
    aj_error *error = NULL;
    CHECK(aj_add_text(journal, &memory, 1, &receipt, &error) == AJ_OK && error == NULL);
    CHECK(receipt.sequence > 0 && receipt.recorded_microseconds > 0 && !receipt.replayed && !receipt.erased);
    aj_text_memory whole = {
        .size = sizeof whole, .conversation = TEXT("texts"), .content = TEXT(""), .role = TEXT("user"),
        .mime_type = TEXT("text/plain"), .idempotency_key = TEXT("k"), .metadata = TEXT("{ \"b\": 1 }")};
    CHECK(aj_add_text(journal, &whole, 0, &receipt, NULL) == AJ_OK && !receipt.replayed);
    uint64_t first = receipt.sequence;
    // A line that says the same is the same memory.
    static const char line[] =
        "{\"conversation\":\"texts\",\"content\":\"\",\"role\":\"user\",\"mime_type\":\"text/plain\","
        "\"idempotency_key\":\"k\",\"metadata\":{\"b\":1}}";
    CHECK(aj_add_one(journal, line, sizeof line - 1, 0, &receipt, NULL) == AJ_OK && receipt.replayed);
    CHECK(receipt.sequence == first && count(journal, "texts") == 2);
    aj_buffer found;
    CHECK(aj_memories(journal, "texts", -1, 0, NULL, &found, NULL) == AJ_OK);
    CHECK(strstr(found.bytes, "\"content\":\"\\\"a\\\\\\n\\u0000\303\251\"") != NULL);
    aj_buffer_free(&found);

    aj_text_memory wrong = memory;
    wrong.size = 8;
    expect(aj_add_text(journal, &wrong, 0, &receipt, &error), &error, "invalid_argument");
    expect(aj_add_text(journal, NULL, 0, &receipt, &error), &error, "invalid_argument");
    wrong = memory;
    wrong.content = (aj_text)TEXT("\377");
    expect(aj_add_text(journal, &wrong, 0, &receipt, &error), &error, "invalid_argument");
    wrong.content = (aj_text){NULL, 0};
    expect(aj_add_text(journal, &wrong, 0, &receipt, &error), &error, "invalid_argument");
    wrong.content = (aj_text){NULL, 1};
    expect(aj_add_text(journal, &wrong, 0, &receipt, &error), &error, "invalid_argument");
    wrong = memory;
    wrong.metadata = (aj_text)TEXT("[1]");
    expect(aj_add_text(journal, &wrong, 0, &receipt, &error), &error, "invalid_argument");
    wrong.metadata = (aj_text)TEXT("{");
    expect(aj_add_text(journal, &wrong, 0, &receipt, &error), &error, "invalid_argument");
    CHECK(count(journal, "texts") == 2);
}

static void finding_by_key(aj_journal *journal) {
    aj_error *error = NULL;
    aj_receipt receipt = {7, 7, 7, 7};
    aj_buffer found;
    CHECK(aj_memory_for_key(journal, "keyed", "answer", &receipt, &found, &error) == AJ_OK && error == NULL);
    CHECK(receipt.sequence == 0 && receipt.replayed == 0 && found.length == 0);
    aj_buffer_free(&found);
    add(journal, "{\"conversation\":\"keyed\",\"content\":\"24 degrees\",\"idempotency_key\":\"answer\"}");
    CHECK(aj_memory_for_key(journal, "keyed", "answer", &receipt, &found, NULL) == AJ_OK);
    CHECK(receipt.sequence > 0 && receipt.recorded_microseconds > 0 && receipt.replayed && !receipt.erased);
    CHECK(lines(&found) == 1 && contains(&found, "\"content\":\"24 degrees\""));
    aj_buffer_free(&found);
    CHECK(aj_memory_for_key(journal, "keyed", "answer", NULL, NULL, NULL) == AJ_OK);
    CHECK(aj_forget(journal, &receipt.sequence, 1, NULL, NULL) == AJ_OK);
    uint64_t first = receipt.sequence;
    CHECK(aj_memory_for_key(journal, "keyed", "answer", &receipt, &found, NULL) == AJ_OK);
    CHECK(receipt.sequence == first && receipt.replayed && found.length == 0);
    aj_buffer_free(&found);
    CHECK(aj_memory_for_key(journal, "other", "answer", &receipt, NULL, NULL) == AJ_OK && receipt.sequence == 0);
    expect(aj_memory_for_key(journal, NULL, "answer", &receipt, &found, &error), &error, "invalid_argument");
    expect(aj_memory_for_key(journal, "keyed", NULL, &receipt, &found, &error), &error, "invalid_argument");
    expect(aj_memory_for_key(journal, "keyed", "\377", &receipt, &found, &error), &error, "invalid_argument");
    CHECK(receipt.sequence == 0);
}

static void forking(aj_journal *journal) {
    uint64_t before = count(journal, "fork");
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        add(journal, "{\"conversation\":\"fork\",\"content\":\"child\"}");
        CHECK(aj_close(journal, NULL) == AJ_OK);
        aj_journal_free(journal);
        // Not an exit: what the parent's threads hold cannot be freed in the child, and would be taken for a leak.
        execl("/bin/true", "true", (char *)NULL);
        _exit(1);
    }
    add(journal, "{\"conversation\":\"fork\",\"content\":\"parent\"}");
    int status;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK(count(journal, "fork") == before + 2);
}

// A handler of another's that takes a lock between the library's and the fork, and calls the library: it was registered first.
static pthread_mutex_t others_lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_int is_forking, has_lock;

static void before_fork(void) {
    is_forking = 1;
    pthread_mutex_lock(&others_lock);
    aj_follower_interrupt(NULL);
}

static void after_fork(void) {
    pthread_mutex_unlock(&others_lock);
    is_forking = 0;
}

static void register_first(void) { CHECK(pthread_atfork(before_fork, after_fork, after_fork) == 0); }

// Runs before the constructors of the libraries.
__attribute__((section(".preinit_array"), used)) static void (*const first)(void) = register_first;

static void *count_under_the_lock(void *journal) {
    pthread_mutex_lock(&others_lock);
    has_lock = 1;
    while (!is_forking) usleep(100);
    count(journal, "fork");
    pthread_mutex_unlock(&others_lock);
    return NULL;
}

// A fork waits for a lock whose owner calls the library, which lets the fork go first: both go on.
static void forking_beside_others(aj_journal *journal) {
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, count_under_the_lock, journal) == 0);
    while (!has_lock) usleep(100);
    alarm(300);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        CHECK(count(journal, "fork") == 2);
        execl("/bin/true", "true", (char *)NULL);
        _exit(1);
    }
    alarm(0);
    pthread_join(thread, NULL);
    int status;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(int count_of_arguments, char **arguments) {
    CHECK(count_of_arguments == 2);
    const char *directory = arguments[1];
    CHECK(strlen(aj_version()) >= 5);
    aj_error *error = NULL;
    aj_options given = options();
    given.log = tell;
    given.log_context = &told;
    aj_journal *journal = aj_open(directory, &given, &error);
    show("open", error);
    CHECK(journal != NULL && error == NULL && told >= 1);
    values(journal);
    errors(journal, directory);
    threads(journal);
    following(journal);
    following_twice(journal);
    sharing(journal, directory);
    adding_texts(journal);
    finding_by_key(journal);
    adding_many_for_an_event_loop(journal);
    forking(journal);
    forking_beside_others(journal);

    aj_options reading = options();
    reading.create = 0;
    reading.read_only = 1;
    aj_journal *reader = aj_open(directory, &reading, &error);
    CHECK(reader != NULL && count(reader, "threads") == 400);
    expect(aj_clear(reader, "a", NULL, &error), &error, "closed");
    aj_journal_free(reader);

    aj_adder *adder = aj_adder_new(journal, &error);
    hand_over(adder, "{\"conversation\":\"closing\",\"content\":\"x\"}", 1);
    aj_follower *follower = aj_follow(journal, 0, &error);
    CHECK(aj_close(journal, &error) == AJ_OK && aj_close(journal, &error) == AJ_OK);
    expect(aj_flush(journal, NULL, NULL, &error), &error, "closed");
    expect(aj_adder_add(adder, "{\"conversation\":\"a\"}", 20, 2, &error), &error, "closed");
    CHECK(aj_adder_new(journal, &error) == NULL && strcmp(aj_error_code(error), "closed") == 0);
    aj_error_free(error);
    aj_outcome outcome;
    CHECK(aj_adder_outcomes(adder, &outcome, 1) == 1 && outcome.ticket == 1 && outcome.error == NULL);
    aj_buffer buffer;
    expect(aj_follower_next(follower, 0, 0, &buffer, &error), &error, "closed");
    aj_journal_free(journal);
    aj_adder_free(adder);
    aj_follower_free(follower);

    journal = aj_open(directory, NULL, &error);
    CHECK(journal != NULL && count(journal, "threads") == 400 && count(journal, "fork") == 2 && count(journal, "closing") == 1);
    aj_journal_free(journal);
    puts("done");
    return 0;
}
