/* SPDX-License-Identifier: MIT
 *
 * Hooks of the older half of the resolver (gethostbyname and its forms). Each runs libc's reentrant
 * form on a worker thread, into memory of the job; the result is then packed into the caller's
 * buffer, or, for the forms that return static data, into storage of the calling coroutine.
 */
#include "answers.h"
#include "hook_inside.h"
#include "hub.h"
#include "offload.h"
#include "thread/cancel.h"

#include <errno.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct host_job {
    struct job job;
    /* The reentrant form: libc's own result convention. */
    int (*form)(struct host_job *call);
    char *name;    /* or NULL */
    void *address; /* or NULL */
    socklen_t length;
    int family;
    struct hostent host, *found;
    char *buffer;
    size_t size;
    bool grows; /* the caller has no buffer that could be too small */
    int status, host_error, error;
};

static int by_name(struct host_job *c)
{
    return gethostbyname_r(c->name, &c->host, c->buffer, c->size, &c->found, &c->host_error);
}

static int by_name2(struct host_job *c)
{
    return gethostbyname2_r(c->name, c->family, &c->host, c->buffer, c->size, &c->found,
                            &c->host_error);
}

static int by_address(struct host_job *c)
{
    return gethostbyaddr_r(c->address, c->length, c->family, &c->host, c->buffer, c->size,
                           &c->found, &c->host_error);
}

static bool grow(struct host_job *call)
{
    char *buffer = realloc(call->buffer, 2 * call->size);

    if (buffer == NULL)
        return false;
    call->buffer = buffer;
    call->size *= 2;
    return true;
}

static void run(struct job *job)
{
    struct host_job *call = (struct host_job *)job;

    do {
        errno = 0;
        call->status = call->form(call);
    } while (call->status == ERANGE && call->grows && grow(call));
    call->error = errno;
}

static void destroy(struct job *job)
{
    struct host_job *call = (struct host_job *)job;

    free(call->name);
    free(call->address);
    free(call->buffer);
    free(call);
}

/* `size` bytes for the answer; 0: as many as it takes. */
static struct host_job *create(int (*form)(struct host_job *), const char *name,
                               const void *address, socklen_t length, int family, size_t size)
{
    struct host_job *call = calloc(1, sizeof *call);

    if (call == NULL)
        return NULL;
    call->job = (struct job){.run = run, .destroy = destroy};
    call->form = form;
    call->name = name != NULL ? strdup(name) : NULL;
    call->address = address != NULL ? malloc(length + 1) : NULL;
    call->length = length;
    call->family = family;
    call->grows = size == 0;
    call->size = call->grows ? 1024 : size;
    call->buffer = malloc(call->size);
    if ((name != NULL && call->name == NULL) || (address != NULL && call->address == NULL) ||
        call->buffer == NULL) {
        destroy(&call->job);
        return NULL;
    }
    if (address != NULL)
        memcpy(call->address, address, length);
    return call;
}

/* --- packing a result ------------------------------------------------------------------------- */

struct packer {
    char *next;
    size_t left;
};

static void *pack_room(struct packer *packer, size_t size, size_t alignment)
{
    size_t gap = -(uintptr_t)packer->next & (alignment - 1);
    char *place = packer->next + gap;

    if (packer->left < gap || packer->left - gap < size)
        return NULL;
    packer->next = place + size;
    packer->left -= gap + size;
    return place;
}

static char *pack_bytes(struct packer *packer, const void *bytes, size_t size)
{
    char *place = pack_room(packer, size, 1);

    return place == NULL ? NULL : memcpy(place, bytes, size);
}

/* A list ended by NULL; `size` of each entry, 0: they are strings. */
static char **pack_list(struct packer *packer, char *const *list, size_t size)
{
    size_t count = 0;
    char **copy;

    while (list != NULL && list[count] != NULL)
        count++;
    copy = pack_room(packer, (count + 1) * sizeof *copy, alignof(char *));
    if (copy == NULL)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        copy[i] = pack_bytes(packer, list[i], size != 0 ? size : strlen(list[i]) + 1);
        if (copy[i] == NULL)
            return NULL;
    }
    copy[count] = NULL;
    return copy;
}

/* 0 or ERANGE. Pointers first: they are what has to be aligned. */
static int pack(struct hostent *to, const struct hostent *from, char *buffer, size_t size)
{
    struct packer packer = {buffer, size};

    *to = *from;
    to->h_addr_list = pack_list(&packer, from->h_addr_list, (size_t)from->h_length);
    to->h_aliases = to->h_addr_list != NULL ? pack_list(&packer, from->h_aliases, 0) : NULL;
    if (to->h_aliases == NULL)
        return ERANGE;
    to->h_name = pack_bytes(&packer, from->h_name, strlen(from->h_name) + 1);
    return to->h_name == NULL ? ERANGE : 0;
}

/* --- the forms with a buffer ------------------------------------------------------------------ */

/* 1: block for real. */
static int look_up(struct hub *hub, const char *name, struct host_job *call, struct hostent *host,
                   char *buffer, size_t size, struct hostent **result, int *host_error)
{
    int saved = errno, status;

    *result = NULL;
    if (call == NULL)
        return ENOMEM;
    status = offload_run(hub, name, &call->job);
    if (status == 1)
        return -1;
    if (status == -1) {
        *host_error = NETDB_INTERNAL;
        return errno;
    }
    status = call->status;
    *host_error = call->host_error;
    errno = call->host_error == NETDB_INTERNAL ? call->error : saved;
    if (status == 0 && call->found != NULL) {
        status = pack(host, call->found, buffer, size);
        *result = status == 0 ? host : NULL;
        if (status != 0)
            *host_error = NETDB_INTERNAL;
    }
    destroy(&call->job);
    return status;
}

int greenify_gethostbyname_r(const char *__restrict name, struct hostent *__restrict host,
                             char *__restrict buffer, size_t size,
                             struct hostent **__restrict result, int *__restrict host_error)
{
    struct hub *hub = hub_current();
    int status = -1;

    if (hub != NULL && size > 0) {
        CANCELLATION_POINT(hub);
        status = look_up(hub, "gethostbyname_r", create(by_name, name, NULL, 0, 0, size), host,
                         buffer, size, result, host_error);
    }
    return status >= 0 ? status : gethostbyname_r(name, host, buffer, size, result, host_error);
}

int greenify_gethostbyname2_r(const char *__restrict name, int family,
                              struct hostent *__restrict host, char *__restrict buffer, size_t size,
                              struct hostent **__restrict result, int *__restrict host_error)
{
    struct hub *hub = hub_current();
    int status = -1;

    if (hub != NULL && size > 0) {
        CANCELLATION_POINT(hub);
        status = look_up(hub, "gethostbyname2_r", create(by_name2, name, NULL, 0, family, size),
                         host, buffer, size, result, host_error);
    }
    return status >= 0 ? status
                       : gethostbyname2_r(name, family, host, buffer, size, result, host_error);
}

int greenify_gethostbyaddr_r(const void *__restrict address, socklen_t length, int family,
                             struct hostent *__restrict host, char *__restrict buffer, size_t size,
                             struct hostent **__restrict result, int *__restrict host_error)
{
    struct hub *hub = hub_current();
    int status = -1;

    if (hub != NULL && size > 0) {
        CANCELLATION_POINT(hub);
        status =
            look_up(hub, "gethostbyaddr_r", create(by_address, NULL, address, length, family, size),
                    host, buffer, size, result, host_error);
    }
    return status >= 0
               ? status
               : gethostbyaddr_r(address, length, family, host, buffer, size, result, host_error);
}

/* --- the forms with static data --------------------------------------------------------------- */

struct last {
    struct hostent host;
    char buffer[];
};

/* Packs into new storage of the coroutine. An answer needs no more room here than it had there, but
 * for alignment. NULL with h_errno. */
static struct hostent *keep(struct hub *hub, const struct host_job *call)
{
    size_t size = call->size + 64;
    struct last *last = malloc(sizeof *last + size);

    if (last == NULL || pack(&last->host, call->found, last->buffer, size) != 0) {
        free(last);
        errno = ENOMEM;
    } else if (answer_keep(hub, ANSWER_HOST, last) == 0) {
        return &last->host;
    }
    h_errno = NETDB_INTERNAL;
    return NULL;
}

/* *blocks: the call has to block for real. */
static struct hostent *look_up_static(struct hub *hub, const char *name, struct host_job *call,
                                      bool *blocks)
{
    struct hostent *host = NULL;
    int saved = errno, status;

    *blocks = false;
    if (call == NULL) {
        h_errno = NETDB_INTERNAL;
        return NULL;
    }
    status = offload_run(hub, name, &call->job);
    *blocks = status == 1;
    if (status != 0) {
        h_errno = NETDB_INTERNAL;
        return NULL;
    }
    errno = call->host_error == NETDB_INTERNAL ? call->error : saved;
    h_errno = call->host_error;
    if (call->status == 0 && call->found != NULL)
        host = keep(hub, call);
    destroy(&call->job);
    return host;
}

struct hostent *greenify_gethostbyname(const char *name)
{
    struct hub *hub = hub_current();
    struct hostent *host = NULL;
    bool blocks = hub == NULL;

    if (hub != NULL) {
        CANCELLATION_POINT(hub);
        host = look_up_static(hub, "gethostbyname", create(by_name, name, NULL, 0, 0, 0), &blocks);
    }
    return blocks ? gethostbyname(name) : host;
}

struct hostent *greenify_gethostbyname2(const char *name, int family)
{
    struct hub *hub = hub_current();
    struct hostent *host = NULL;
    bool blocks = hub == NULL;

    if (hub != NULL) {
        CANCELLATION_POINT(hub);
        host = look_up_static(hub, "gethostbyname2", create(by_name2, name, NULL, 0, family, 0),
                              &blocks);
    }
    return blocks ? gethostbyname2(name, family) : host;
}

struct hostent *greenify_gethostbyaddr(const void *address, socklen_t length, int family)
{
    struct hub *hub = hub_current();
    struct hostent *host = NULL;
    bool blocks = hub == NULL;

    if (hub != NULL) {
        CANCELLATION_POINT(hub);
        host = look_up_static(hub, "gethostbyaddr",
                              create(by_address, NULL, address, length, family, 0), &blocks);
    }
    return blocks ? gethostbyaddr(address, length, family) : host;
}
