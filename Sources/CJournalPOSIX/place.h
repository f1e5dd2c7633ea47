// Where a path leads, when no link below its root is to be followed.

#pragma once

#include <stdbool.h>
#include <stddef.h>

// A directory, and a name in it.
struct jp_place {
    int directory;
    const char *name;
};

// Finds the directory that holds the last name of `path`. The first `root` bytes of the path may lead through links, what lies
// below may not: ELOOP or ENOTDIR where a name there is no directory. With a `root` of 0 links are followed as always.
//
// No fork takes place until `jp_place_leave`, which must follow unless this fails: the child would keep the descriptor.
int jp_place_enter(const char *path, size_t root, struct jp_place *place);
void jp_place_leave(const struct jp_place *place);
// As the two above, for two places at once.
int jp_place_enter_two(
    const char *path, size_t root, struct jp_place *place, const char *path2, size_t root2, struct jp_place *place2);
void jp_place_leave_two(const struct jp_place *place, const struct jp_place *place2);

// Whether no directory has to be opened for that: the last name stands right below the root.
bool jp_place_is_shallow(const char *path, size_t root);

// As the two above, for who holds off forks already.
int jp_place_find(const char *path, size_t root, struct jp_place *place);
void jp_place_close(const struct jp_place *place);
