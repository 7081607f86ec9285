/* SPDX-License-Identifier: MIT
 *
 * Chains by address; entries are used again.
 */
#include "owners.h"

#include "hub.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

enum { CHAINS = 64 };

struct owners {
    pid_t thread; /* asking the kernel every time would cost a system call */
    struct list spares;
    struct list chains[CHAINS];
};

static struct list *chain_of(struct owners *owners, const void *lock)
{
    uint64_t hash = (uint64_t)(uintptr_t)lock * 0x9e3779b97f4a7c15;

    return &owners->chains[hash >> 58];
}

static struct owners *table(struct hub *hub)
{
    struct owners *owners = hub->owners;

    if (owners != NULL)
        return owners;
    owners = malloc(sizeof *owners);
    if (owners == NULL)
        return NULL;
    owners->thread = gettid();
    list_init(&owners->spares);
    for (size_t i = 0; i < CHAINS; i++)
        list_init(&owners->chains[i]);
    hub->owners = owners;
    return owners;
}

struct owner *owner_find(struct hub *hub, const void *lock, pid_t thread)
{
    struct owners *owners = hub->owners;
    struct list *chain;

    if (owners == NULL)
        return NULL;
    chain = chain_of(owners, lock);
    for (struct list *link = chain->next; link != chain; link = link->next) {
        struct owner *owner = list_entry(link, struct owner, link);

        if (owner->lock != lock)
            continue;
        if (thread == owners->thread)
            return owner;
        owner_remove(hub, owner);
        return NULL;
    }
    return NULL;
}

bool owner_is_self(struct hub *hub, const struct owner *owner)
{
    return owner->flow == hub->host->current(hub);
}

int owner_add(struct hub *hub, const void *lock)
{
    struct owners *owners = table(hub);
    struct owner *owner;
    int saved = errno;

    if (owners == NULL)
        goto no_memory;
    if (list_empty(&owners->spares)) {
        owner = malloc(sizeof *owner);
        if (owner == NULL)
            goto no_memory;
        list_init(&owner->link);
    } else {
        owner = list_entry(owners->spares.next, struct owner, link);
        list_remove(&owner->link);
    }
    owner->lock = lock;
    owner->flow = hub->host->current(hub);
    owner->depth = 1;
    list_append(chain_of(owners, lock), &owner->link);
    return 0;

no_memory:
    errno = saved;
    return -1;
}

void owner_remove(struct hub *hub, struct owner *owner)
{
    list_remove(&owner->link);
    list_append(&hub->owners->spares, &owner->link);
}

static void free_all(struct list *list)
{
    while (!list_empty(list)) {
        struct owner *owner = list_entry(list->next, struct owner, link);

        list_remove(&owner->link);
        free(owner);
    }
}

void owners_destroy(struct owners *owners)
{
    if (owners == NULL)
        return;
    free_all(&owners->spares);
    for (size_t i = 0; i < CHAINS; i++)
        free_all(&owners->chains[i]);
    free(owners);
}
