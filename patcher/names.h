/* SPDX-License-Identifier: MIT
 *
 * A set of names, for who asks of many whether they are in it.
 */
#ifndef PATCHER_NAMES_H
#define PATCHER_NAMES_H

#include "patcher.h"

/* The names are borrowed. */
struct names {
    const char **slots; /* NULL: a free one */
    size_t mask;        /* their number, a power of two, less one */
};

/* `list` is ended by NULL; a name may be in it twice. */
PATCH_MUST_CHECK bool names_init(struct names *names, const char *const *list,
                                 struct patch_error *error);
void names_finish(struct names *names); /* also of zeros */

bool names_have(const struct names *names, const char *name);

#endif
