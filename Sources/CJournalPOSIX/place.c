#define _GNU_SOURCE
#include "place.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#ifdef O_PATH
enum { TO_PASS = O_PATH | O_DIRECTORY | O_CLOEXEC };
#else
enum { TO_PASS = O_RDONLY | O_DIRECTORY | O_CLOEXEC };
#endif

// One directory on the way, which may not be a link.
static int open_directory(int above, const char *name, size_t length, int *opened) {
    char text[PATH_MAX];
    if (length >= sizeof text) return ENAMETOOLONG;
    memcpy(text, name, length);
    text[length] = 0;
    // A name that leads up would leave the root.
    if (above != AT_FDCWD && strcmp(text, "..") == 0) return EINVAL;
    do *opened = openat(above, text, TO_PASS | O_NOFOLLOW);
    while (*opened == -1 && errno == EINTR);
    return *opened == -1 ? errno : 0;
}

// What stands below the root; NULL where nothing does, or all may lead through links.
static const char *below_root(const char *path, size_t root) {
    if (root == 0 || root >= strlen(path)) return NULL;
    const char *name = path + root;
    while (*name == '/') name++;
    return name;
}

bool jp_place_is_shallow(const char *path, size_t root) {
    const char *name = below_root(path, root);
    return name == NULL || strchr(name, '/') == NULL;
}

int jp_place_find(const char *path, size_t root, struct jp_place *place) {
    place->directory = AT_FDCWD;
    place->name = path;
    const char *name = below_root(path, root);
    if (name == NULL) return 0;
    // Up to the first name below the root it is one path, whose last name alone is not followed.
    const char *slash = strchr(name, '/');
    for (; slash != NULL; slash = strchr(place->name, '/')) {
        int opened;
        const int result = open_directory(place->directory, place->name, (size_t)(slash - place->name), &opened);
        jp_place_close(place);
        if (result != 0) return result;
        place->directory = opened;
        place->name = slash + 1;
    }
    return 0;
}

void jp_place_close(const struct jp_place *place) {
    if (place->directory == AT_FDCWD) return;
    const int error = errno;
    close(place->directory);
    errno = error;
}
