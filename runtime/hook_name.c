/* SPDX-License-Identifier: MIT
 *
 * Hooks of the resolver, for addresses and names (getaddrinfo, getnameinfo): libc's own functions,
 * run by a worker thread, so that every module of nsswitch.conf works.
 */
#include "hook_inside.h"
#include "hub.h"
#include "offload.h"
#include "thread/cancel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- getaddrinfo ------------------------------------------------------------------------------ */

struct address_job {
    struct job job;
    char *node, *service;
    struct addrinfo hints;
    const struct addrinfo *given_hints; /* &hints or NULL */
    struct addrinfo *result;
    int status, error;
};

static void address_run(struct job *job)
{
    struct address_job *call = (struct address_job *)job;

    errno = 0;
    call->status = getaddrinfo(call->node, call->service, call->given_hints, &call->result);
    call->error = errno;
}

static void address_destroy(struct job *job)
{
    struct address_job *call = (struct address_job *)job;

    if (call->result != NULL)
        freeaddrinfo(call->result);
    free(call->node);
    free(call->service);
    free(call);
}

static struct address_job *address_create(const char *node, const char *service,
                                          const struct addrinfo *hints)
{
    struct address_job *call = calloc(1, sizeof *call);

    if (call == NULL)
        return NULL;
    call->job = (struct job){.run = address_run, .destroy = address_destroy};
    call->node = node != NULL ? strdup(node) : NULL;
    call->service = service != NULL ? strdup(service) : NULL;
    if (hints != NULL) {
        call->hints = *hints;
        call->given_hints = &call->hints;
    }
    if ((node != NULL && call->node == NULL) || (service != NULL && call->service == NULL)) {
        address_destroy(&call->job);
        return NULL;
    }
    return call;
}

int greenify_getaddrinfo(const char *__restrict node, const char *__restrict service,
                         const struct addrinfo *__restrict hints,
                         struct addrinfo **__restrict result)
{
    struct hub *hub = hub_current();
    struct address_job *call;
    int saved = errno, status;

    if (hub == NULL)
        return getaddrinfo(node, service, hints, result);
    CANCELLATION_POINT(hub);
    call = address_create(node, service, hints);
    if (call == NULL)
        return EAI_MEMORY;
    switch (offload_run(hub, "getaddrinfo", &call->job)) {
    case 1:
        return getaddrinfo(node, service, hints, result);
    case -1:
        return EAI_SYSTEM; /* errno says why the wait was ended */
    default:
        break;
    }
    status = call->status;
    errno = status == EAI_SYSTEM ? call->error : saved;
    if (status == 0) {
        *result = call->result;
        call->result = NULL;
    }
    address_destroy(&call->job);
    return status;
}

/* --- getnameinfo ------------------------------------------------------------------------------ */

struct name_job {
    struct job job;
    socklen_t address_size, host_size, service_size;
    int flags, status, error;
    char *host, *service; /* inside the same allocation; NULL as the caller's */
    struct sockaddr_storage address;
    char text[];
};

static void name_run(struct job *job)
{
    struct name_job *call = (struct name_job *)job;

    errno = 0;
    call->status = getnameinfo((struct sockaddr *)&call->address, call->address_size, call->host,
                               call->host_size, call->service, call->service_size, call->flags);
    call->error = errno;
}

static void name_destroy(struct job *job)
{
    free(job);
}

static struct name_job *name_create(const struct sockaddr *address, socklen_t address_size,
                                    socklen_t host_size, socklen_t service_size)
{
    struct name_job *call = calloc(1, sizeof *call + (size_t)host_size + service_size);

    if (call == NULL)
        return NULL;
    call->job = (struct job){.run = name_run, .destroy = name_destroy};
    call->address_size = address_size;
    memcpy(&call->address, address, address_size);
    call->host_size = host_size;
    call->service_size = service_size;
    return call;
}

int greenify_getnameinfo(const struct sockaddr *__restrict address, socklen_t address_size,
                         char *__restrict host, socklen_t host_size, char *__restrict service,
                         socklen_t service_size, int flags)
{
    struct hub *hub = hub_current();
    struct name_job *call;
    int saved = errno, status;

    if (hub == NULL || address == NULL || address_size > sizeof call->address)
        return getnameinfo(address, address_size, host, host_size, service, service_size, flags);
    CANCELLATION_POINT(hub);
    call = name_create(address, address_size, host_size, service_size);
    if (call == NULL)
        return EAI_MEMORY;
    call->host = host != NULL ? call->text : NULL;
    call->service = service != NULL ? call->text + host_size : NULL;
    call->flags = flags;
    switch (offload_run(hub, "getnameinfo", &call->job)) {
    case 1:
        return getnameinfo(address, address_size, host, host_size, service, service_size, flags);
    case -1:
        return EAI_SYSTEM;
    default:
        break;
    }
    status = call->status;
    errno = status == EAI_SYSTEM ? call->error : saved;
    if (status == 0 && host != NULL && host_size > 0)
        memcpy(host, call->host, host_size);
    if (status == 0 && service != NULL && service_size > 0)
        memcpy(service, call->service, service_size);
    name_destroy(&call->job);
    return status;
}
