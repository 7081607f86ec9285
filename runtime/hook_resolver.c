/* SPDX-License-Identifier: MIT
 *
 * Hooks of the resolver's lower half (res_query and its forms). Each runs libc's form for a state
 * that the job owns, on a worker thread; that state is set up as the caller's is, so that its
 * servers, options and search list count, and the caller's is not used after the caller is gone.
 */
#include "hook_inside.h"
#include "hub.h"
#include "offload.h"
#include "thread/cancel.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* What a caller can set in its state (resolver(3)). */
struct preferences {
    unsigned long options;
    int retrans, retry, server_count;
    unsigned ndots;
    struct sockaddr_in servers[MAXNS];
    char domain[sizeof((res_state)0)->defdname];
    int search[MAXDNSRCH + 1]; /* places in `domain`; -1: the end */
    bool has_search;           /* all its domains stand there */
};

/* One question, whatever form it has. */
struct question {
    int (*form)(res_state state, const struct question *question, unsigned char *answer, int room);
    char *name, *domain;    /* or NULL */
    unsigned char *message; /* or NULL */
    int class, type, size;
};

struct query_job {
    struct job job;
    struct question question;
    struct preferences preferences;
    int result, error, host_error;
    int room;
    unsigned char answer[];
};

/* No call sets it: the state's own error stayed as it was. */
enum { NO_HOST_ERROR = -12345 };

/* --- the state of the job --------------------------------------------------------------------- */

static void preferences_read(struct preferences *preferences, const struct __res_state *state)
{
    size_t count = 0;

    preferences->options = state->options;
    preferences->retrans = state->retrans;
    preferences->retry = state->retry;
    preferences->ndots = state->ndots;
    preferences->server_count = state->nscount;
    memcpy(preferences->servers, state->nsaddr_list, sizeof preferences->servers);
    memcpy(preferences->domain, state->defdname, sizeof preferences->domain);
    preferences->has_search = true;
    for (; count < MAXDNSRCH && state->dnsrch[count] != NULL; count++) {
        ptrdiff_t place = state->dnsrch[count] - state->defdname;

        preferences->has_search &= place >= 0 && place < (ptrdiff_t)sizeof state->defdname;
        preferences->search[count] = (int)place;
    }
    preferences->search[count] = -1;
}

static void search_write(const struct preferences *preferences, res_state state)
{
    size_t count = 0;

    memcpy(state->defdname, preferences->domain, sizeof preferences->domain);
    for (; preferences->search[count] >= 0; count++)
        state->dnsrch[count] = state->defdname + preferences->search[count];
    state->dnsrch[count] = NULL;
}

/* libc takes a state that differs from its configuration as the program's own, so what is equal is
 * not touched. */
static void preferences_write(const struct preferences *preferences, res_state state)
{
    struct preferences present;

    preferences_read(&present, state);
    state->options = preferences->options;
    state->retrans = preferences->retrans;
    state->retry = preferences->retry;
    state->ndots = preferences->ndots & 0xf;
    if (present.server_count != preferences->server_count ||
        memcmp(present.servers, preferences->servers, sizeof present.servers) != 0) {
        state->nscount = preferences->server_count;
        memcpy(state->nsaddr_list, preferences->servers, sizeof preferences->servers);
    }
    if (preferences->has_search &&
        (memcmp(present.domain, preferences->domain, sizeof present.domain) != 0 ||
         memcmp(present.search, preferences->search, sizeof present.search) != 0))
        search_write(preferences, state);
}

/* --- the job ---------------------------------------------------------------------------------- */

static void run(struct job *job)
{
    struct query_job *call = (struct query_job *)job;
    struct __res_state state = {0};

    call->result = -1;
    if (res_ninit(&state) != 0) {
        call->error = errno;
        call->host_error = NETDB_INTERNAL;
        return;
    }
    preferences_write(&call->preferences, &state);
    state.res_h_errno = NO_HOST_ERROR;
    errno = 0;
    call->result = call->question.form(&state, &call->question, call->answer, call->room);
    call->error = errno;
    call->host_error = state.res_h_errno;
    res_nclose(&state);
}

static void destroy(struct job *job)
{
    struct query_job *call = (struct query_job *)job;

    free(call->question.name);
    free(call->question.domain);
    free(call->question.message);
    free(call);
}

/* Replaces what the question borrows by copies. */
static bool own(struct question *question)
{
    const struct question given = *question;

    question->name = given.name != NULL ? strdup(given.name) : NULL;
    question->domain = given.domain != NULL ? strdup(given.domain) : NULL;
    question->message = given.message != NULL ? malloc((size_t)given.size + 1) : NULL;
    if (question->message != NULL)
        memcpy(question->message, given.message, (size_t)given.size);
    return (given.name == NULL || question->name != NULL) &&
           (given.domain == NULL || question->domain != NULL) &&
           (given.message == NULL || question->message != NULL);
}

/* The answer begins as the caller's buffer is: what libc does not write stays. */
static struct query_job *create(const struct __res_state *state, const struct question *question,
                                const unsigned char *answer, int room)
{
    struct query_job *call = calloc(1, sizeof *call + (size_t)room);

    if (call == NULL)
        return NULL;
    call->job = (struct job){.run = run, .destroy = destroy};
    call->question = *question;
    call->room = room;
    memcpy(call->answer, answer, (size_t)room);
    preferences_read(&call->preferences, state);
    if (own(&call->question))
        return call;
    destroy(&call->job);
    return NULL;
}

/* libc sets both, whosever state it is. */
static void set_host_error(res_state state, int error)
{
    state->res_h_errno = error;
    h_errno = error;
}

/* `state` NULL: the thread's own. */
static bool is_libcs(const struct hub *hub, const struct __res_state *state, int room, int size)
{
    return hub == NULL || room <= 0 || size < 0 ||
           (state != NULL && (state->options & RES_INIT) == 0);
}

/* *blocks: the call has to be libc's own. */
static int ask(const char *name, res_state state, const struct question *question,
               unsigned char *answer, int room, bool *blocks)
{
    struct hub *hub = hub_current();
    struct query_job *call;
    int saved = errno, result, status;

    *blocks = is_libcs(hub, state, room, question->size);
    if (*blocks)
        return -1;
    if (state == NULL) {
        state = &_res;
        if ((state->options & RES_INIT) == 0 && res_ninit(state) != 0) {
            set_host_error(state, NETDB_INTERNAL);
            return -1;
        }
    }
    CANCELLATION_POINT(hub);
    call = create(state, question, answer, room);
    status = call != NULL ? offload_run(hub, name, &call->job) : -1;
    *blocks = status == 1;
    if (status != 0) {
        set_host_error(state, NETDB_INTERNAL);
        return -1;
    }
    result = call->result;
    memcpy(answer, call->answer, (size_t)room);
    if (call->host_error != NO_HOST_ERROR)
        set_host_error(state, call->host_error);
    errno = result < 0 ? call->error : saved;
    destroy(&call->job);
    return result;
}

/* --- the forms -------------------------------------------------------------------------------- */

static int query(res_state state, const struct question *q, unsigned char *answer, int room)
{
    return res_nquery(state, q->name, q->class, q->type, answer, room);
}

static int search(res_state state, const struct question *q, unsigned char *answer, int room)
{
    return res_nsearch(state, q->name, q->class, q->type, answer, room);
}

static int query_domain(res_state state, const struct question *q, unsigned char *answer, int room)
{
    return res_nquerydomain(state, q->name, q->domain, q->class, q->type, answer, room);
}

static int send_message(res_state state, const struct question *q, unsigned char *answer, int room)
{
    return res_nsend(state, q->message, q->size, answer, room);
}

/* The question keeps what is only read in fields that own it later. */
#define NAMED(form_, name_, class_, type_)                                                         \
    (&(const struct question){                                                                     \
        .form = form_, .name = (char *)(name_), .class = class_, .type = type_})
#define IN_DOMAIN(name_, domain_, class_, type_)                                                   \
    (&(const struct question){.form = query_domain,                                                \
                              .name = (char *)(name_),                                             \
                              .domain = (char *)(domain_),                                         \
                              .class = class_,                                                     \
                              .type = type_})
#define MESSAGE(message_, size_)                                                                   \
    (&(const struct question){                                                                     \
        .form = send_message, .message = (unsigned char *)(message_), .size = size_})

int greenify_res_nquery(res_state state, const char *name, int class, int type,
                        unsigned char *answer, int room)
{
    bool blocks;
    int result = ask("res_nquery", state, NAMED(query, name, class, type), answer, room, &blocks);

    return blocks ? res_nquery(state, name, class, type, answer, room) : result;
}

int greenify_res_query(const char *name, int class, int type, unsigned char *answer, int room)
{
    bool blocks;
    int result = ask("res_query", NULL, NAMED(query, name, class, type), answer, room, &blocks);

    return blocks ? res_query(name, class, type, answer, room) : result;
}

int greenify_res_nsearch(res_state state, const char *name, int class, int type,
                         unsigned char *answer, int room)
{
    bool blocks;
    int result = ask("res_nsearch", state, NAMED(search, name, class, type), answer, room, &blocks);

    return blocks ? res_nsearch(state, name, class, type, answer, room) : result;
}

int greenify_res_search(const char *name, int class, int type, unsigned char *answer, int room)
{
    bool blocks;
    int result = ask("res_search", NULL, NAMED(search, name, class, type), answer, room, &blocks);

    return blocks ? res_search(name, class, type, answer, room) : result;
}

int greenify_res_nquerydomain(res_state state, const char *name, const char *domain, int class,
                              int type, unsigned char *answer, int room)
{
    bool blocks;
    int result =
        ask("res_nquerydomain", state, IN_DOMAIN(name, domain, class, type), answer, room, &blocks);

    return blocks ? res_nquerydomain(state, name, domain, class, type, answer, room) : result;
}

int greenify_res_querydomain(const char *name, const char *domain, int class, int type,
                             unsigned char *answer, int room)
{
    bool blocks;
    int result =
        ask("res_querydomain", NULL, IN_DOMAIN(name, domain, class, type), answer, room, &blocks);

    return blocks ? res_querydomain(name, domain, class, type, answer, room) : result;
}

int greenify_res_nsend(res_state state, const unsigned char *message, int size,
                       unsigned char *answer, int room)
{
    bool blocks;
    int result = ask("res_nsend", state, MESSAGE(message, size), answer, room, &blocks);

    return blocks ? res_nsend(state, message, size, answer, room) : result;
}

int greenify_res_send(const unsigned char *message, int size, unsigned char *answer, int room)
{
    bool blocks;
    int result = ask("res_send", NULL, MESSAGE(message, size), answer, room, &blocks);

    return blocks ? res_send(message, size, answer, room) : result;
}
