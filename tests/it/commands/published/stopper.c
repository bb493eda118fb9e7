// Stops a program at a step of the file system: whatever changes a file or folder below TIDEGATE_TEST_BELOW counts,
// and before the step with the number TIDEGATE_TEST_STOP the process is killed, as the power would do it.
// Loaded before the C library, whose functions of the same names it calls on.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static long count;

static void step(const char *path) {
    const char *below = getenv("TIDEGATE_TEST_BELOW"), *stop = getenv("TIDEGATE_TEST_STOP");
    if (!below || !stop || !path || strncmp(path, below, strlen(below)) != 0) return;
    if (__sync_add_and_fetch(&count, 1) == atol(stop)) {
        kill(getpid(), SIGKILL);
        for (;;) pause();
    }
}

static void step_of(int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length > 0) { path[length] = 0; step(path); }
}

static void step_at(int folder, const char *name) {
    if (name[0] == '/' || folder == AT_FDCWD) step(name); else step_of(folder);
}

#define REAL(name) static __typeof__(&name) real; if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

int rename(const char *from, const char *to) { REAL(rename); step(to); return real(from, to); }
int renameat2(int a, const char *from, int b, const char *to, unsigned flags) {
    REAL(renameat2); step_at(b, to); return real(a, from, b, to, flags);
}
int unlink(const char *path) { REAL(unlink); step(path); return real(path); }
int unlinkat(int folder, const char *path, int flags) {
    REAL(unlinkat); step_at(folder, path); return real(folder, path, flags);
}
int rmdir(const char *path) { REAL(rmdir); step(path); return real(path); }
int mkdir(const char *path, mode_t mode) { REAL(mkdir); step(path); return real(path, mode); }
int symlink(const char *to, const char *path) { REAL(symlink); step(path); return real(to, path); }
int linkat(int a, const char *from, int b, const char *to, int flags) {
    REAL(linkat); step_at(b, to); return real(a, from, b, to, flags);
}
ssize_t write(int fd, const void *bytes, size_t size) { REAL(write); step_of(fd); return real(fd, bytes, size); }
ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t at) {
    REAL(pwrite64); step_of(fd); return real(fd, bytes, size, at);
}
int fsync(int fd) { REAL(fsync); step_of(fd); return real(fd); }
int fdatasync(int fd) { REAL(fdatasync); step_of(fd); return real(fd); }

// How many steps there were, for whoever asks.
__attribute__((destructor)) static void told(void) {
    const char *to = getenv("TIDEGATE_TEST_STEPS");
    FILE *file = to ? fopen(to, "w") : NULL;
    if (file) { fprintf(file, "%ld", count); fclose(file); }
}
