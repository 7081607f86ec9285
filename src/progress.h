/* SPDX-License-Identifier: MIT
 *
 * How far long work has come, in one line of a terminal; nothing where stderr is none, and nothing
 * for work that is done at once.
 */
#ifndef GREENIFY_PROGRESS_H
#define GREENIFY_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

struct settings;

/* Plain data. */
struct progress {
    bool wanted;
    bool shown;
    size_t total;
    struct timespec last; /* when the line was last written, or the work began */
};

struct progress progress_begin(const struct settings *settings, size_t total);

/* `done` files of the total are finished; `name` is next. */
void progress_show(struct progress *progress, size_t done, const char *name);

/* Takes the line away. */
void progress_end(struct progress *progress);

#endif
