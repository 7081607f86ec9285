/* SPDX-License-Identifier: MIT
 *
 * There are few at a time: a list. On the heap, since the stacks of a foreign host's flows share
 * their addresses.
 */
#include "claims.h"

#include "list.h"

#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>

struct claim {
    struct list link;
    const void *thing;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct list claims = {&claims, &claims};

/* In the child of a fork nobody else is left who could have one. */
static void reset(void)
{
    pthread_mutex_init(&lock, NULL);
    list_init(&claims);
}

static void set_up_process(void)
{
    pthread_atfork(NULL, NULL, reset);
}

static struct claim *find(const void *thing)
{
    for (struct list *link = claims.next; link != &claims; link = link->next)
        if (list_entry(link, struct claim, link)->thing == thing)
            return list_entry(link, struct claim, link);
    return NULL;
}

bool claim_take(const void *thing)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    int saved = errno;
    struct claim *claim = malloc(sizeof *claim);
    bool taken;

    pthread_once(&once, set_up_process);
    errno = saved;
    pthread_mutex_lock(&lock);
    taken = find(thing) == NULL;
    if (taken && claim != NULL) {
        claim->thing = thing;
        list_append(&claims, &claim->link);
    }
    pthread_mutex_unlock(&lock);
    if (!taken)
        free(claim);
    return taken;
}

void claim_drop(const void *thing)
{
    struct claim *claim;

    pthread_mutex_lock(&lock);
    claim = find(thing);
    if (claim != NULL)
        list_remove(&claim->link);
    pthread_mutex_unlock(&lock);
    free(claim);
}
