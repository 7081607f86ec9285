/* SPDX-License-Identifier: MIT
 *
 * rusage [--sync FILE] PROGRAM ARGUMENT...: what a program needed, as one line on standard error:
 * peak memory in KiB, bytes that it read, processor and elapsed time in microseconds; with --sync,
 * until the file that it made and the file's name are on the disk. The peak that a shell or an
 * interpreter sees includes its own memory; this one is small.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* -1: not known. The child has ended, but was not waited for. */
static long long bytes_read(pid_t pid)
{
    char path[64];
    long long count = -1;

    snprintf(path, sizeof(path), "/proc/%d/io", (int)pid);
    FILE *stream = fopen(path, "r");
    if (stream == NULL)
        return -1;
    if (fscanf(stream, "rchar: %lld", &count) != 1)
        count = -1;
    fclose(stream);
    return count;
}

static long long microseconds(struct timeval time)
{
    return (long long)time.tv_sec * 1000000 + time.tv_usec;
}

static long long now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (long long)time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

static void sync_file(const char *path)
{
    int fd = open(path, O_RDONLY);

    if (fd < 0 || fsync(fd) != 0) {
        perror(path);
        exit(2);
    }
    close(fd);
}

int main(int argc, char **argv)
{
    char *made = NULL;
    struct rusage usage;
    siginfo_t ended;
    int status;

    if (argc > 3 && strcmp(argv[1], "--sync") == 0) {
        made = argv[2];
        argc -= 2;
        argv += 2;
    }
    if (argc < 2)
        return 2;
    long long start = now();
    pid_t pid = fork();
    if (pid == 0) {
        execvp(argv[1], argv + 1);
        _exit(127);
    }
    while (waitid(P_PID, (id_t)pid, &ended, WEXITED | WNOWAIT) != 0)
        if (errno != EINTR)
            return 2;
    if (made != NULL) {
        sync_file(made);
        sync_file(dirname(made));
    }
    long long elapsed = now() - start;
    long long read = bytes_read(pid);
    if (wait4(pid, &status, 0, &usage) != pid)
        return 2;
    fprintf(stderr, "\nrusage %ld %lld %lld %lld\n", usage.ru_maxrss, read,
            microseconds(usage.ru_utime) + microseconds(usage.ru_stime), elapsed);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
