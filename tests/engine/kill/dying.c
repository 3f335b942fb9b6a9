/* Preloaded into a process that is to die at its n-th write to a file: before it (even n), or in the
 * middle of it (odd n), when half of the bytes are written. Only what SQLite calls is looked at. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

static long passed, fatal = -1;
static int armed;

void dying_arm(long n) { fatal = n; passed = 0; armed = 1; }
long dying_passed(void) { return passed; }

static void die(void) { kill(getpid(), SIGKILL); for (;;) pause(); }

/* 0: not counted; else whether to die now (1) or after half of it (2). */
static int judged(int fd) {
    struct stat about;
    if (!armed || fd <= 2 || fstat(fd, &about) || !S_ISREG(about.st_mode)) return 0;
    long n = __atomic_fetch_add(&passed, 2, __ATOMIC_SEQ_CST);
    return n == fatal ? 1 : n + 1 == fatal ? 2 : 0;
}

#define REAL(type, name, ...) static type (*real)(__VA_ARGS__); \
    if (!real) real = dlsym(RTLD_NEXT, name)

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t at) {
    REAL(ssize_t, "pwrite64", int, const void *, size_t, off64_t);
    int how = judged(fd);
    if (how == 1) die();
    if (how == 2) { real(fd, bytes, count / 2, at); die(); }
    return real(fd, bytes, count, at);
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at) { return pwrite64(fd, bytes, count, at); }

int ftruncate64(int fd, off64_t length) {
    REAL(int, "ftruncate64", int, off64_t);
    if (judged(fd)) die();
    return real(fd, length);
}

int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }
