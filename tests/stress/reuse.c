/* SPDX-License-Identifier: MIT
 *
 * Descriptor numbers that mean one channel after another, while coroutines wait on them. Each
 * record carries the identity of its channel, and each wait knows what may end it: a record of its
 * channel, the end of that, its own close or its own kill; nothing else, and that soon.
 */
#include "green.h"
#include "hook.h"
#include "stress.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

enum { SLOTS = 16, WAITS = 40, PENDING_MOST = 4, NUMBERS = 1024 };
enum { TURNS = 2000 };      /* of the loop, after which a wake-up counts as lost */
enum { ONE_HIDDEN = 3000 }; /* closes out of the hooks' sight: a late wake-up is allowed there */

struct channel {
    uint64_t id;
    int out, in; /* < 0: closed */
    bool is_socket, ended, open;
    int pending; /* records in it */
};

struct wait {
    green_t *flow; /* NULL: none */
    struct channel *channel;
    int fd;
    int call;
    bool closed, killed, over;
};

/* A channel lives as long as a wait on it does: more than slots. */
static struct channel channels[SLOTS + WAITS];
static struct channel *slots[SLOTS];
static struct wait waits[WAITS];
static bool hidden[NUMBERS]; /* the number was closed out of the hooks' sight */
static uint64_t dice, last_id;
static long ends[5], hidden_closes, most_turns, late;
static int listener;
static struct sockaddr_un address = {.sun_family = AF_UNIX};
static socklen_t address_size;

/* --- waits ------------------------------------------------------------------------------------ */

enum { RECORD_END, EOF_END, CLOSED_END, KILLED_END, READY_END };

static long call_read(int fd, uint64_t *record)
{
    return greenify_read(fd, record, sizeof *record);
}

static long call_readv(int fd, uint64_t *record)
{
    struct iovec part = {record, sizeof *record};

    return greenify_readv(fd, &part, 1);
}

static long call_recv(int fd, uint64_t *record)
{
    return greenify_recv(fd, record, sizeof *record, 0);
}

/* 1: ready; -1 with EBADF, as the others. */
static long call_poll(int fd, uint64_t *record)
{
    struct pollfd state = {.fd = fd, .events = POLLIN};
    int ready = greenify_poll(&state, 1, -1);

    (void)record;
    errno = ready == 1 && (state.revents & POLLNVAL) != 0 ? EBADF : errno;
    return ready == 1 && (state.revents & POLLNVAL) != 0 ? -1 : ready;
}

static long call_select(int fd, uint64_t *record)
{
    fd_set set;

    (void)record;
    FD_ZERO(&set);
    FD_SET(fd, &set);
    return greenify_select(fd + 1, &set, NULL, NULL, NULL);
}

static const struct {
    const char *name;
    long (*run)(int fd, uint64_t *record);
    bool sockets_only, looks_only;
} calls[] = {
    {"read", call_read, false, false},    {"readv", call_readv, false, false},
    {"recv", call_recv, true, false},     {"poll", call_poll, false, true},
    {"select", call_select, false, true},
};
enum { CALLS = sizeof calls / sizeof calls[0] };

static _Noreturn void misdelivered(const struct wait *w, const char *what, uint64_t record)
{
    stress_fail("%s of %d: %s (record %llu, channel %llu, pending %d%s%s%s)", calls[w->call].name,
                w->fd, what, (unsigned long long)record, (unsigned long long)w->channel->id,
                w->channel->pending, w->channel->ended ? ", ended" : "",
                w->closed ? ", closed" : "", w->killed ? ", killed" : "");
}

static int judge_error(const struct wait *w)
{
    if (errno == EBADF && w->closed)
        return CLOSED_END;
    if (errno == ECANCELED && w->killed)
        return KILLED_END;
    misdelivered(w, "failed", 0);
}

/* Which end it was, if it may be that one. */
static int judge(const struct wait *w, long result, uint64_t record)
{
    struct channel *channel = w->channel;

    if (result < 0)
        return judge_error(w);
    if (calls[w->call].looks_only) {
        if (result != 1 || (channel->pending == 0 && !channel->ended))
            misdelivered(w, "woken for nothing", 0);
        return READY_END;
    }
    if (result == 0) {
        if (!channel->ended || channel->pending != 0)
            misdelivered(w, "an end that is none", 0);
        return EOF_END;
    }
    if (result != sizeof record || record != channel->id || channel->pending-- == 0)
        misdelivered(w, "a record of another", record);
    return RECORD_END;
}

static void *run_wait(void *argument)
{
    struct wait *w = argument;
    uint64_t record = 0;
    long result = calls[w->call].run(w->fd, &record);

    ends[judge(w, result, record)]++;
    w->over = true;
    return NULL;
}

/* Something happened that ends it. */
static bool must_end(const struct wait *w)
{
    return w->flow != NULL &&
           (w->closed || w->killed || w->channel->ended || w->channel->pending > 0);
}

static void collect(void)
{
    for (int i = 0; i < WAITS; i++) {
        if (waits[i].flow == NULL || !waits[i].over)
            continue;
        if (green_join(waits[i].flow, NULL, 0) != 0)
            stress_fail("green_join");
        waits[i].flow = NULL;
    }
}

/* One that should have ended long ago, or NULL. */
static const struct wait *find_due(void)
{
    for (int i = 0; i < WAITS; i++)
        if (must_end(&waits[i]))
            return &waits[i];
    return NULL;
}

/* Until all have ended that something happened to. */
static void settle(void)
{
    const struct wait *due;
    long turns = 0;

    while (collect(), (due = find_due()) != NULL) {
        if (hidden[due->fd]) {
            late += turns == TURNS;
            turns = turns == TURNS ? TURNS : turns + 1;
            if (turns == TURNS)
                green_sleep(0.001);
            else
                green_yield();
            continue;
        }
        if (turns++ > TURNS)
            misdelivered(due, "a lost wake-up", 0);
        green_yield();
    }
    if (turns > most_turns && turns < TURNS)
        most_turns = turns;
}

static void wait_for(struct channel *channel)
{
    struct wait *w = waits;
    int call = (int)stress_dice(&dice, CALLS);

    while (w < waits + WAITS && w->flow != NULL)
        w++;
    if (w == waits + WAITS || (calls[call].sockets_only && !channel->is_socket))
        return;
    *w = (struct wait){.channel = channel, .fd = channel->out, .call = call};
    w->flow = green_spawn(run_wait, w);
    if (w->flow == NULL)
        stress_fail("green_spawn");
    green_yield(); /* it waits now: numbers change under waits, not before them */
}

static bool is_awaited(const struct channel *channel)
{
    for (int i = 0; i < WAITS; i++)
        if (waits[i].flow != NULL && waits[i].channel == channel)
            return true;
    return false;
}

/* --- channels --------------------------------------------------------------------------------- */

static bool open_pipe(int fds[2])
{
    return pipe(fds) == 0;
}

static bool open_pair(int fds[2])
{
    return socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0;
}

static bool open_accepted(int fds[2])
{
    fds[1] = greenify_socket(AF_UNIX, SOCK_STREAM, 0);
    if (fds[1] < 0 || greenify_connect(fds[1], (struct sockaddr *)&address, address_size) != 0)
        return false;
    fds[0] = greenify_accept(listener, NULL, NULL);
    return fds[0] >= 0;
}

static const struct {
    bool (*open)(int fds[2]);
    bool is_socket;
} kinds[] = {{open_pipe, false}, {open_pair, true}, {open_accepted, true}};

static void fill(struct channel *channel)
{
    uint64_t kind = stress_dice(&dice, sizeof kinds / sizeof kinds[0]);
    int fds[2];

    if (!kinds[kind].open(fds) || fds[0] >= NUMBERS || fds[1] >= NUMBERS)
        stress_fail("no descriptors");
    *channel = (struct channel){
        .id = ++last_id,
        .out = fds[0],
        .in = fds[1],
        .is_socket = kinds[kind].is_socket,
        .open = true,
    };
}

static struct channel *channel_open(void)
{
    struct channel *channel = channels;

    while (channel->open || is_awaited(channel))
        channel++;
    fill(channel);
    return channel;
}

static void close_in(struct channel *channel)
{
    if (channel->in >= 0)
        greenify_close(channel->in);
    channel->in = -1;
}

/* All that wait for the number are told. */
static void mark_closed(int fd)
{
    for (int i = 0; i < WAITS; i++)
        if (waits[i].flow != NULL && !waits[i].over && waits[i].fd == fd)
            waits[i].closed = true;
    hidden[fd] = false;
}

static void close_number(int fd)
{
    mark_closed(fd);
    if (greenify_close(fd) != 0)
        stress_fail("close of %d", fd);
}

/* --- what happens ----------------------------------------------------------------------------- */

static void write_record(struct channel **slot)
{
    struct channel *channel = *slot;

    if (channel->ended || channel->pending >= PENDING_MOST)
        return;
    channel->pending++;
    if (write(channel->in, &channel->id, sizeof channel->id) != sizeof channel->id)
        stress_fail("write");
}

static void begin_wait(struct channel **slot)
{
    wait_for(*slot);
}

static void close_both(struct channel **slot)
{
    close_number((*slot)->out);
    close_in(*slot);
    (*slot)->open = false;
    *slot = NULL;
}

/* As a library does that nobody patched. */
static void close_hidden(struct channel **slot)
{
    if (is_awaited(*slot) || stress_dice(&dice, ONE_HIDDEN / 100) != 0)
        return;
    hidden_closes++;
    hidden[(*slot)->out] = true;
    close((*slot)->out);
    close_in(*slot);
    (*slot)->open = false;
    *slot = NULL;
}

static void end_channel(struct channel **slot)
{
    struct channel *channel = *slot;

    channel->ended = true;
    if (!channel->is_socket || channel->in < 0 || stress_dice(&dice, 2) == 0)
        close_in(channel);
    else if (stress_dice(&dice, 2) == 0)
        (void)shutdown(channel->in, SHUT_WR);
    else
        (void)shutdown(channel->out, SHUT_RD);
}

/* The file stays open under another number, and the number becomes free. */
static void move_number(struct channel **slot)
{
    struct channel *channel = *slot;
    int other = dup(channel->out);

    if (other < 0 || other >= NUMBERS)
        stress_fail("dup");
    close_number(channel->out);
    channel->out = other;
}

/* The number means another channel at once. */
static void replace(struct channel **slot)
{
    struct channel *old = *slot, *fresh = channel_open();
    int fd = old->out;

    mark_closed(fd);
    if ((stress_dice(&dice, 2) == 0 ? greenify_dup2(fresh->out, fd)
                                    : greenify_dup3(fresh->out, fd, O_CLOEXEC)) != fd)
        stress_fail("dup2");
    close_number(fresh->out);
    fresh->out = fd;
    close_in(old);
    old->open = false;
    *slot = fresh;
}

static void kill_one(struct channel **slot)
{
    struct wait *w = &waits[stress_dice(&dice, WAITS)];

    (void)slot;
    if (w->flow == NULL || w->over || must_end(w))
        return;
    w->killed = true;
    if (green_kill(w->flow, ECANCELED) != 0)
        stress_fail("green_kill");
}

static void turn(struct channel **slot)
{
    (void)slot;
    green_yield();
}

static const struct {
    int weight; /* in 100 */
    void (*run)(struct channel **slot);
} happenings[] = {
    {32, begin_wait}, {24, write_record}, {8, close_both}, {3, close_hidden}, {6, end_channel},
    {7, move_number}, {7, replace},       {3, kill_one},   {10, turn},
};

static void happen(void)
{
    struct channel **slot = &slots[stress_dice(&dice, SLOTS)];
    int at = (int)stress_dice(&dice, 100), which = 0;

    if (*slot == NULL) {
        *slot = channel_open();
        return;
    }
    while (at >= happenings[which].weight)
        at -= happenings[which++].weight;
    happenings[which].run(slot);
}

static void tell_stuck(void)
{
    fprintf(stderr, "after %ld hidden closes\n", hidden_closes);
}

static void listen_somewhere(void)
{
    snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "greenify-stress-%d", getpid());
    address_size =
        (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(address.sun_path + 1));
    listener = socket(AF_UNIX, SOCK_STREAM, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, address_size) != 0 ||
        listen(listener, 8) != 0)
        stress_fail("no listener");
}

int main(int argc, char **argv)
{
    stress_begin(argc, argv, 1000000, 30, tell_stuck);
    dice = stress_dice_of(0);
    listen_somewhere();
    for (long round = 0; round < stress_count; round++) {
        happen();
        if (stress_dice(&dice, 4) == 0)
            settle();
        atomic_fetch_add(&stress_progress, 1);
    }
    for (int i = 0; i < SLOTS; i++)
        if (slots[i] != NULL)
            close_both(&slots[i]);
    settle();
    for (int i = 0; i < WAITS; i++)
        if (waits[i].flow != NULL)
            misdelivered(&waits[i], "never ended", 0);
    stress_end("reuse: %ld rounds, %llu channels, %ld hidden closes (%ld late); ends: %ld records, "
               "%ld ends, %ld closes, %ld kills, %ld polls; at most %ld turns to a wake-up",
               stress_count, (unsigned long long)last_id, hidden_closes, late, ends[RECORD_END],
               ends[EOF_END], ends[CLOSED_END], ends[KILLED_END], ends[READY_END], most_turns);
    return 0;
}
