/* Makes calls below one directory fail, fall short, or wait: so many of a kind from the N-th on.
 *
 * Preloaded into a program under test and whatever it starts. The plan is in a file that all of them map, so that
 * a fault can be armed and lifted from outside while they run. injection.py has the same layout of it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum kind { WRITE, READ, SYNC, OPEN, LINK, TRUNCATE, LOCK, CLOSE, MKDIR, UNLINK, KINDS };

struct fault {
    int32_t kind;
    int32_t first;        /* the first call that is hit, counted from 1 */
    int32_t times;        /* how many calls in a row are hit */
    int32_t error;        /* errno, 0 for none */
    int32_t part;         /* percent of its bytes that the first write which is hit writes, as its answer says */
    int32_t milliseconds; /* how long a call that is hit waits */
    int32_t hits;
};

struct control {
    int32_t armed;
    int32_t seen[KINDS];
    struct fault faults[2];
    char root[1024]; /* absolute, without links, with a slash at its end */
    char hit[1024];  /* the path of the first call that was hit */
};

struct answer {
    int error;
    int part;
};

static struct control *control;

__attribute__((constructor)) static void map_control(void) {
    const char *path = getenv("MLV_FAULTS_CONTROL");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0) return;
    void *memory = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory != MAP_FAILED) control = memory;
    close(fd);
}

static struct answer hit_path(enum kind kind, const char *path) {
    struct answer answer = {0, 0};
    if (!control || !__atomic_load_n(&control->armed, __ATOMIC_ACQUIRE)) return answer;
    if (strncmp(path, control->root, strlen(control->root))) return answer;
    int number = __atomic_add_fetch(&control->seen[kind], 1, __ATOMIC_RELAXED);
    for (struct fault *fault = control->faults; fault < control->faults + 2; fault++) {
        if (fault->kind != (int32_t)kind || number < fault->first || number - fault->first >= fault->times) continue;
        if (__atomic_fetch_add(&fault->hits, 1, __ATOMIC_RELAXED) == 0) {
            strncpy(control->hit, path, sizeof control->hit - 1);
            answer.part = fault->part;
        }
        answer.error = fault->error;
        struct timespec left = {fault->milliseconds / 1000, fault->milliseconds % 1000 * 1000000L};
        if (fault->milliseconds) nanosleep(&left, NULL);
    }
    return answer;
}

/* The path of a descriptor; empty where it has none. */
static void path_of(int fd, char path[1024]) {
    char name[32];
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(name, path, 1023);
    path[size > 0 ? size : 0] = 0;
}

static struct answer hit_fd(enum kind kind, int fd) {
    struct answer answer = {0, 0};
    char path[1024];
    if (!control || !control->armed) return answer;
    path_of(fd, path);
    return hit_path(kind, path);
}

/* Of a path that is relative to a directory. One that is relative to the current directory is none of the trial's. */
static struct answer hit_at(enum kind kind, int at, const char *path) {
    struct answer answer = {0, 0};
    char directory[1024], whole[2048];
    if (!control || !control->armed) return answer;
    if (path[0] == '/') return hit_path(kind, path);
    if (at == AT_FDCWD) return answer;
    path_of(at, directory);
    snprintf(whole, sizeof whole, "%s/%s", directory, path);
    return hit_path(kind, whole);
}

static int fails(struct answer answer) {
    if (answer.error) errno = answer.error;
    return answer.error != 0;
}

/* The function that would have been called without this library. */
#define REAL(name, result, types)                            \
    static result(*real) types;                              \
    if (!real) real = (result(*) types)dlsym(RTLD_NEXT, #name)

#define ON_DESCRIPTOR(name, kind, result, types, parameters, arguments) \
    result name parameters {                                            \
        REAL(name, result, types);                                      \
        return fails(hit_fd(kind, fd)) ? -1 : real arguments;           \
    }

#define ON_PATH(name, kind, types, parameters, directory, path, arguments)      \
    int name parameters {                                                      \
        REAL(name, int, types);                                                \
        return fails(hit_at(kind, directory, path)) ? -1 : real arguments;     \
    }

#define WRITES(name, types, parameters, whole, shortened)              \
    ssize_t name parameters {                                          \
        REAL(name, ssize_t, types);                                    \
        struct answer answer = hit_fd(WRITE, fd);                      \
        size_t part = size * (size_t)answer.part / 100;                \
        if (part) return real shortened;                               \
        return fails(answer) ? -1 : real whole;                        \
    }

#define OPENS(name, types, parameters, directory, arguments)    \
    int name parameters {                                       \
        REAL(name, int, types);                                 \
        int mode = 0;                                           \
        if (flags & (O_CREAT | O_TMPFILE)) {                    \
            va_list rest;                                       \
            va_start(rest, flags);                              \
            mode = va_arg(rest, int);                           \
            va_end(rest);                                       \
        }                                                       \
        return fails(hit_at(OPEN, directory, path)) ? -1 : real arguments; \
    }

WRITES(write, (int, const void *, size_t), (int fd, const void *data, size_t size), (fd, data, size), (fd, data, part))
WRITES(pwrite, (int, const void *, size_t, off_t), (int fd, const void *data, size_t size, off_t at),
       (fd, data, size, at), (fd, data, part, at))
WRITES(pwrite64, (int, const void *, size_t, off_t), (int fd, const void *data, size_t size, off_t at),
       (fd, data, size, at), (fd, data, part, at))

ON_DESCRIPTOR(read, READ, ssize_t, (int, void *, size_t), (int fd, void *data, size_t size), (fd, data, size))
ON_DESCRIPTOR(pread, READ, ssize_t, (int, void *, size_t, off_t), (int fd, void *data, size_t size, off_t at),
              (fd, data, size, at))
ON_DESCRIPTOR(pread64, READ, ssize_t, (int, void *, size_t, off_t), (int fd, void *data, size_t size, off_t at),
              (fd, data, size, at))
ON_DESCRIPTOR(fsync, SYNC, int, (int), (int fd), (fd))
ON_DESCRIPTOR(fdatasync, SYNC, int, (int), (int fd), (fd))
ON_DESCRIPTOR(ftruncate, TRUNCATE, int, (int, off_t), (int fd, off_t size), (fd, size))
ON_DESCRIPTOR(ftruncate64, TRUNCATE, int, (int, off_t), (int fd, off_t size), (fd, size))
ON_DESCRIPTOR(flock, LOCK, int, (int, int), (int fd, int how), (fd, how))

int close(int fd) {
    REAL(close, int, (int));
    struct answer answer = hit_fd(CLOSE, fd);
    int result = real(fd); /* Linux releases the descriptor, whatever close() says */
    return fails(answer) ? -1 : result;
}

OPENS(open, (const char *, int, ...), (const char *path, int flags, ...), AT_FDCWD, (path, flags, mode))
OPENS(open64, (const char *, int, ...), (const char *path, int flags, ...), AT_FDCWD, (path, flags, mode))
OPENS(openat, (int, const char *, int, ...), (int at, const char *path, int flags, ...), at, (at, path, flags, mode))
OPENS(openat64, (int, const char *, int, ...), (int at, const char *path, int flags, ...), at, (at, path, flags, mode))

ON_PATH(rename, LINK, (const char *, const char *), (const char *from, const char *to), AT_FDCWD, to, (from, to))
ON_PATH(renameat, LINK, (int, const char *, int, const char *),
        (int from_at, const char *from, int to_at, const char *to), to_at, to, (from_at, from, to_at, to))
ON_PATH(link, LINK, (const char *, const char *), (const char *from, const char *to), AT_FDCWD, to, (from, to))
ON_PATH(linkat, LINK, (int, const char *, int, const char *, int),
        (int from_at, const char *from, int to_at, const char *to, int flags), to_at, to,
        (from_at, from, to_at, to, flags))
ON_PATH(mkdir, MKDIR, (const char *, mode_t), (const char *path, mode_t mode), AT_FDCWD, path, (path, mode))
ON_PATH(mkdirat, MKDIR, (int, const char *, mode_t), (int at, const char *path, mode_t mode), at, path,
        (at, path, mode))
ON_PATH(unlink, UNLINK, (const char *), (const char *path), AT_FDCWD, path, (path))
ON_PATH(unlinkat, UNLINK, (int, const char *, int), (int at, const char *path, int flags), at, path, (at, path, flags))
ON_PATH(rmdir, UNLINK, (const char *), (const char *path), AT_FDCWD, path, (path))
