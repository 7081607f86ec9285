/* SPDX-License-Identifier: MIT
 *
 * Hooks of the look-ups of users and groups: libc's reentrant forms, run by a worker thread, since
 * modules of nsswitch.conf may ask a server. The job's buffer lies in memory as the caller's does,
 * so that the answer is the same but for the places that its pointers name.
 */
#include "answers.h"
#include "hook_inside.h"
#include "hub.h"
#include "offload.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct user_job;

/* A kind of question: libc's reentrant form, and what its answer is made of. */
struct form {
    const char *call, *static_call; /* names of the two functions that ask so */
    int (*ask)(struct user_job *call);
    void (*move)(const struct user_job *call, void *entry, char *buffer);
    enum answer kind;
};

struct user_job {
    struct job job;
    const struct form *form;
    char *name; /* or NULL */
    id_t id;
    union {
        struct passwd user;
        struct group group;
    };
    void *found;           /* NULL or one of these */
    char *memory, *buffer; /* the latter inside the former */
    size_t size;
    bool grows; /* the caller has no buffer that could be too small */
    int status, error;
};

/* --- moving an answer ------------------------------------------------------------------------- */

/* A pointer into the job's buffer becomes one to the same place of `to`; others stay. */
static char *moved(const struct user_job *call, char *pointer, char *to)
{
    uintptr_t place = (uintptr_t)pointer - (uintptr_t)call->buffer;

    return place < call->size ? to + place : pointer;
}

static void move_user(const struct user_job *call, void *entry, char *to)
{
    struct passwd *user = entry;

    *user = call->user;
    user->pw_name = moved(call, user->pw_name, to);
    user->pw_passwd = moved(call, user->pw_passwd, to);
    user->pw_gecos = moved(call, user->pw_gecos, to);
    user->pw_dir = moved(call, user->pw_dir, to);
    user->pw_shell = moved(call, user->pw_shell, to);
}

static void move_group(const struct user_job *call, void *entry, char *to)
{
    struct group *group = entry;

    *group = call->group;
    group->gr_name = moved(call, group->gr_name, to);
    group->gr_passwd = moved(call, group->gr_passwd, to);
    group->gr_mem = (char **)moved(call, (char *)group->gr_mem, to);
    for (char **member = group->gr_mem; member != NULL && *member != NULL; member++)
        *member = moved(call, *member, to);
}

/* --- kinds of questions ----------------------------------------------------------------------- */

static int ask_user_by_name(struct user_job *call)
{
    return getpwnam_r(call->name, &call->user, call->buffer, call->size,
                      (struct passwd **)&call->found);
}

static int ask_user_by_id(struct user_job *call)
{
    return getpwuid_r(call->id, &call->user, call->buffer, call->size,
                      (struct passwd **)&call->found);
}

static int ask_group_by_name(struct user_job *call)
{
    return getgrnam_r(call->name, &call->group, call->buffer, call->size,
                      (struct group **)&call->found);
}

static int ask_group_by_id(struct user_job *call)
{
    return getgrgid_r(call->id, &call->group, call->buffer, call->size,
                      (struct group **)&call->found);
}

/* clang-format off */
static const struct form
    user_by_name = {"getpwnam_r", "getpwnam", ask_user_by_name, move_user, ANSWER_USER},
    user_by_id = {"getpwuid_r", "getpwuid", ask_user_by_id, move_user, ANSWER_USER},
    group_by_name = {"getgrnam_r", "getgrnam", ask_group_by_name, move_group, ANSWER_GROUP},
    group_by_id = {"getgrgid_r", "getgrgid", ask_group_by_id, move_group, ANSWER_GROUP};
/* clang-format on */

/* --- the job ---------------------------------------------------------------------------------- */

/* libc aligns what it puts into a buffer. */
enum { ALIGNMENT = 16, FIRST_SIZE = 1024 };

static bool allocate(struct user_job *call, size_t size, const char *as)
{
    char *memory = malloc(size + ALIGNMENT);

    if (memory == NULL)
        return false;
    free(call->memory);
    call->memory = memory;
    call->buffer = memory + (uintptr_t)as % ALIGNMENT;
    call->size = size;
    return true;
}

static void run(struct job *job)
{
    struct user_job *call = (struct user_job *)job;

    do {
        errno = 0;
        call->status = call->form->ask(call);
    } while (call->status == ERANGE && call->grows && allocate(call, 2 * call->size, NULL));
    call->error = errno;
}

static void destroy(struct job *job)
{
    struct user_job *call = (struct user_job *)job;

    free(call->name);
    free(call->memory);
    free(call);
}

/* A buffer like the caller's of `size` bytes; 0: as many as it takes. */
static struct user_job *create(const struct form *form, const char *name, id_t id, char *buffer,
                               size_t size)
{
    struct user_job *call = calloc(1, sizeof *call);

    if (call == NULL)
        return NULL;
    call->job = (struct job){.run = run, .destroy = destroy};
    call->form = form;
    call->name = name != NULL ? strdup(name) : NULL;
    call->id = id;
    call->grows = size == 0;
    if ((name != NULL && call->name == NULL) ||
        !allocate(call, call->grows ? FIRST_SIZE : size, buffer)) {
        destroy(&call->job);
        return NULL;
    }
    return call;
}

/* --- the forms with a buffer ------------------------------------------------------------------ */

/* libc's result and errno; -1: the caller has to make the call itself. */
static int look_up(const struct form *form, const char *name, id_t id, void *entry, char *buffer,
                   size_t size, void **result)
{
    struct hub *hub = hub_current();
    struct user_job *call;
    int status;

    if (hub == NULL || size == 0)
        return -1;
    *result = NULL;
    call = create(form, name, id, buffer, size);
    if (call == NULL)
        return errno = ENOMEM;
    status = offload_run(hub, form->call, &call->job);
    if (status != 0)
        return status == 1 ? -1 : errno;
    status = call->status;
    errno = call->error;
    if (call->found != NULL) {
        memcpy(buffer, call->buffer, call->size);
        form->move(call, entry, buffer);
        *result = entry;
    }
    destroy(&call->job);
    return status;
}

int greenify_getpwnam_r(const char *__restrict name, struct passwd *__restrict user,
                        char *__restrict buffer, size_t size, struct passwd **__restrict result)
{
    int status = look_up(&user_by_name, name, 0, user, buffer, size, (void **)result);

    return status >= 0 ? status : getpwnam_r(name, user, buffer, size, result);
}

int greenify_getpwuid_r(uid_t id, struct passwd *__restrict user, char *__restrict buffer,
                        size_t size, struct passwd **__restrict result)
{
    int status = look_up(&user_by_id, NULL, id, user, buffer, size, (void **)result);

    return status >= 0 ? status : getpwuid_r(id, user, buffer, size, result);
}

int greenify_getgrnam_r(const char *__restrict name, struct group *__restrict group,
                        char *__restrict buffer, size_t size, struct group **__restrict result)
{
    int status = look_up(&group_by_name, name, 0, group, buffer, size, (void **)result);

    return status >= 0 ? status : getgrnam_r(name, group, buffer, size, result);
}

int greenify_getgrgid_r(gid_t id, struct group *__restrict group, char *__restrict buffer,
                        size_t size, struct group **__restrict result)
{
    int status = look_up(&group_by_id, NULL, id, group, buffer, size, (void **)result);

    return status >= 0 ? status : getgrgid_r(id, group, buffer, size, result);
}

/* --- the forms with static data --------------------------------------------------------------- */

union kept {
    struct passwd user;
    struct group group;
    char aligned[1] __attribute__((aligned(ALIGNMENT)));
};

static void *keep(struct hub *hub, const struct user_job *call)
{
    union kept *kept = malloc(sizeof *kept + call->size);
    char *buffer = (char *)(kept + 1);

    if (kept == NULL)
        return NULL;
    memcpy(buffer, call->buffer, call->size);
    call->form->move(call, kept, buffer);
    return answer_keep(hub, call->form->kind, kept) == 0 ? kept : NULL;
}

/* false: the caller has to make the call itself. */
static bool look_up_static(const struct form *form, const char *name, id_t id, void **entry)
{
    struct hub *hub = hub_current();
    struct user_job *call;
    int status;

    if (hub == NULL)
        return false;
    *entry = NULL;
    call = create(form, name, id, NULL, 0);
    if (call == NULL)
        return true;
    status = offload_run(hub, form->static_call, &call->job);
    if (status != 0)
        return status != 1;
    errno = call->error;
    if (call->found != NULL)
        *entry = keep(hub, call);
    destroy(&call->job);
    return true;
}

struct passwd *greenify_getpwnam(const char *name)
{
    void *user;

    return look_up_static(&user_by_name, name, 0, &user) ? user : getpwnam(name);
}

struct passwd *greenify_getpwuid(uid_t id)
{
    void *user;

    return look_up_static(&user_by_id, NULL, id, &user) ? user : getpwuid(id);
}

struct group *greenify_getgrnam(const char *name)
{
    void *group;

    return look_up_static(&group_by_name, name, 0, &group) ? group : getgrnam(name);
}

struct group *greenify_getgrgid(gid_t id)
{
    void *group;

    return look_up_static(&group_by_id, NULL, id, &group) ? group : getgrgid(id);
}
