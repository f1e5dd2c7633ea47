// The calls of Linux that Swift's Glibc module lacks. Functions return 0 or -1 with errno set.

#pragma once

#include <stdint.h>

// Reserves blocks and extends the file.
int linux_fallocate(int fd, int64_t offset, int64_t length);
// The magic number of the file system that holds the path.
int linux_file_system(const char *path, uint32_t *magic);
// Takes a lock of one byte that belongs to the open file, or lets go of it. -1 too when another has it.
int linux_lock(int fd, int64_t offset, int is_taken);
// Asks for a file's number of names.
int linux_look(int fd);
