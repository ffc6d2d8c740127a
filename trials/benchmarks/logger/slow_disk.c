/* Preloaded, it makes every write to a regular file take 50 ms longer, and every sync: a slow disk, or a busy one. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static void wait_for_the_disk(int fd)
{
    struct stat status;
    struct timespec delay = {0, 50 * 1000 * 1000};
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode))
        nanosleep(&delay, NULL);
}

#define SLOW(type, name, parameters, arguments)             \
    type name parameters                                    \
    {                                                       \
        static type(*real) parameters;                      \
        if (!real)                                          \
            real = (type(*) parameters)dlsym(RTLD_NEXT, #name); \
        wait_for_the_disk(fd);                              \
        return real arguments;                              \
    }

SLOW(ssize_t, write, (int fd, const void *bytes, size_t size), (fd, bytes, size))
SLOW(ssize_t, pwrite, (int fd, const void *bytes, size_t size, off_t offset), (fd, bytes, size, offset))
SLOW(ssize_t, pwrite64, (int fd, const void *bytes, size_t size, off_t offset), (fd, bytes, size, offset))
SLOW(ssize_t, writev, (int fd, const struct iovec *parts, int count), (fd, parts, count))
SLOW(int, fsync, (int fd), (fd))
SLOW(int, fdatasync, (int fd), (fd))
