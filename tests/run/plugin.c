/* SPDX-License-Identifier: MIT
 *
 * A library that waits in its constructor, in calls, and through a table of addresses.
 */
#include <unistd.h>

int wait_by_linkage(void);
int wait_by_table(void);

static int (*volatile const table[])(useconds_t) = {usleep};

__attribute__((constructor)) static void wait_at_once(void)
{
    if (PAUSE > 0)
        usleep(PAUSE);
}

int wait_by_linkage(void)
{
    return usleep(PAUSE);
}

int wait_by_table(void)
{
    return table[0](PAUSE);
}
