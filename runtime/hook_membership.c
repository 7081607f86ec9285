/* SPDX-License-Identifier: MIT
 *
 * Hooks of the questions which groups a user is in, run by a worker thread as those for users are
 * (hook_user.c).
 */
#include "hook_inside.h"
#include "hub.h"
#include "offload.h"

#include <errno.h>
#include <grp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct membership_job {
    struct job job;
    void (*form)(struct membership_job *call);
    char *user;
    gid_t group;
    gid_t *groups; /* or NULL */
    int count;     /* of them; libc's, afterwards */
    int result, error;
};

static void list(struct membership_job *call)
{
    call->result = getgrouplist(call->user, call->group, call->groups, &call->count);
}

/* The groups are those of the whole process (nptl(7)). */
static void initialise(struct membership_job *call)
{
    call->result = initgroups(call->user, call->group);
}

static void run(struct job *job)
{
    struct membership_job *call = (struct membership_job *)job;

    errno = 0;
    call->form(call);
    call->error = errno;
}

static void destroy(struct job *job)
{
    struct membership_job *call = (struct membership_job *)job;

    free(call->user);
    free(call->groups);
    free(call);
}

static struct membership_job *create(void (*form)(struct membership_job *), const char *user,
                                     gid_t group, int count)
{
    struct membership_job *call = calloc(1, sizeof *call);

    if (call == NULL)
        return NULL;
    call->job = (struct job){.run = run, .destroy = destroy};
    call->form = form;
    call->user = strdup(user);
    call->group = group;
    call->count = count;
    call->groups = calloc((size_t)count + 1, sizeof *call->groups);
    if (call->user == NULL || call->groups == NULL) {
        destroy(&call->job);
        return NULL;
    }
    return call;
}

/* The job that has run; or NULL: it was ended with errno, or (*blocks) has to be made by the
 * caller. */
static struct membership_job *ask(const char *name, struct membership_job *call, bool *blocks)
{
    int saved = errno, status;

    *blocks = call == NULL;
    if (call == NULL)
        return NULL;
    status = offload_run(hub_current(), name, &call->job);
    *blocks = status == 1;
    if (status != 0)
        return NULL;
    errno = call->error != 0 ? call->error : saved; /* as the modules leave it */
    return call;
}

int greenify_getgrouplist(const char *user, gid_t group, gid_t *groups, int *count)
{
    struct membership_job *call;
    int room = *count, result;
    bool blocks;

    if (hub_current() == NULL || room < 0)
        return getgrouplist(user, group, groups, count);
    call = ask("getgrouplist", create(list, user, group, room), &blocks);
    if (call == NULL)
        return blocks ? getgrouplist(user, group, groups, count) : -1;
    memcpy(groups, call->groups,
           sizeof *groups * (size_t)(call->count < room ? call->count : room));
    *count = call->count;
    result = call->result;
    destroy(&call->job);
    return result;
}

int greenify_initgroups(const char *user, gid_t group)
{
    struct membership_job *call;
    bool blocks;
    int result;

    if (hub_current() == NULL)
        return initgroups(user, group);
    call = ask("initgroups", create(initialise, user, group, 0), &blocks);
    if (call == NULL)
        return blocks ? initgroups(user, group) : -1;
    result = call->result;
    destroy(&call->job);
    return result;
}
