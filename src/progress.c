/* SPDX-License-Identifier: MIT
 *
 * A line that is written over itself.
 */
#include "progress.h"

#include "settings.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { INTERVAL_MS = 200, NAME_WIDTH = 50 };

struct progress progress_begin(const struct settings *settings, size_t total)
{
    struct progress progress = {.total = total};

    progress.wanted = settings->verbosity >= 0 && !settings->json && isatty(STDERR_FILENO) == 1;
    clock_gettime(CLOCK_MONOTONIC, &progress.last);
    return progress;
}

static bool is_due(struct progress *progress)
{
    struct timespec now;
    long elapsed;

    clock_gettime(CLOCK_MONOTONIC, &now);
    elapsed = (now.tv_sec - progress->last.tv_sec) * 1000 +
              (now.tv_nsec - progress->last.tv_nsec) / 1000000;
    if (elapsed < INTERVAL_MS)
        return false;
    progress->last = now;
    return true;
}

void progress_show(struct progress *progress, size_t done, const char *name)
{
    size_t length = strlen(name);
    const char *end = length > NAME_WIDTH ? name + length - NAME_WIDTH : name;

    if (!progress->wanted || !is_due(progress))
        return;
    fprintf(stderr, "\r\033[K%zu of %zu  ", done, progress->total);
    for (; *end != '\0'; end++)
        putc((unsigned char)*end < ' ' || *end == 0x7f ? '?' : *end, stderr);
    fflush(stderr);
    progress->shown = true;
}

void progress_end(struct progress *progress)
{
    if (progress->shown)
        fputs("\r\033[K", stderr);
    progress->shown = false;
}
