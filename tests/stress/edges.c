/* SPDX-License-Identifier: MIT
 *
 * Whether an edge can be missed. Coroutines wait at streams in every way there is, while the world
 * makes things happen to these: data and what can stand behind them, room, ends, resets, urgent
 * bytes; and to their numbers, in this thread and out of its sight, while the files live on in
 * copies of this process and others. Whoever waits for what poll(2) sees is back after some rounds
 * of the loop, whatever the kernel was told before; and has bytes of its own stream only.
 */
#include "edges.h"

#include "green.h"
#include "hook.h"
#include "hub.h"
#include "stress.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

enum { WAITS = 48, MUCH = 1 << 16 };
enum { TURNS = 2000, NAPS = 20000 }; /* of the loop, after which a wake-up counts as lost */

struct wait {
    green_t *flow; /* NULL: none */
    struct stream *stream;
    int fd, call;
    int turns; /* of the loop since something was there for it */
    bool closed, killed, over;
};

static struct wait waits[WAITS];
static long ends, errors, late;
static int most_turns;
uint64_t edges_dice;

/* --- ways to wait ----------------------------------------------------------------------------- */

static int size_of_part(void)
{
    static const int sizes[] = {1, 7, 100, MUCH};

    return sizes[stress_dice(&edges_dice, 4)];
}

static long call_recv(int fd, char *bytes)
{
    return greenify_recv(fd, bytes, (size_t)size_of_part(), 0);
}

static long call_read(int fd, char *bytes)
{
    return greenify_read(fd, bytes, (size_t)size_of_part());
}

static long call_peek(int fd, char *bytes)
{
    return greenify_recv(fd, bytes, (size_t)size_of_part(), MSG_PEEK);
}

static long call_send(int fd, char *bytes)
{
    return greenify_send(fd, bytes, 1000, MSG_NOSIGNAL);
}

/* 1: ready; -1 with EBADF, as others. */
static long poll_for(int fd, short events)
{
    struct pollfd state = {.fd = fd, .events = events};
    int ready = greenify_poll(&state, 1, -1);

    if (ready != 1 || (state.revents & POLLNVAL) == 0)
        return ready;
    errno = EBADF;
    return -1;
}

static long call_poll_in(int fd, char *unused)
{
    (void)unused;
    return poll_for(fd, POLLIN);
}

static long call_poll_out(int fd, char *unused)
{
    (void)unused;
    return poll_for(fd, POLLOUT);
}

static long call_poll_end(int fd, char *unused)
{
    (void)unused;
    return poll_for(fd, POLLRDHUP);
}

static long call_poll_urgent(int fd, char *unused)
{
    (void)unused;
    return poll_for(fd, POLLPRI);
}

static long call_select(int fd, char *unused)
{
    fd_set set;

    (void)unused;
    if (fd >= FD_SETSIZE)
        return poll_for(fd, POLLIN);
    FD_ZERO(&set);
    FD_SET(fd, &set);
    return greenify_select(fd + 1, &set, NULL, NULL, NULL);
}

/* A set in the hub's set. */
static long epoll_for(int fd, unsigned events)
{
    struct epoll_event event = {.events = events};
    int set = epoll_create1(EPOLL_CLOEXEC), saved;
    long ready = -1;

    if (set >= 0 && stream_is_hidden(set)) {
        stream_end(set);
        set = epoll_create1(EPOLL_CLOEXEC);
    }
    if (set < 0 || epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) != 0)
        stress_fail("no set");
    ready = greenify_epoll_wait(set, &event, 1, -1);
    saved = errno;
    greenify_close(set);
    errno = saved;
    return ready;
}

static long call_epoll(int fd, char *unused)
{
    (void)unused;
    return epoll_for(fd, EPOLLIN);
}

static long call_epoll_edge(int fd, char *unused)
{
    (void)unused;
    return epoll_for(fd, EPOLLIN | EPOLLET);
}

static const struct {
    const char *name;
    long (*run)(int fd, char *bytes);
    short events; /* of poll(2), that end it */
    bool takes;   /* what it reads */
    bool looks;   /* only: 1 when ready */
    bool deaf;    /* to the end of its descriptor, as in libc */
} calls[] = {
    {"recv", call_recv, POLLIN, true, false, false},
    {"read", call_read, POLLIN, true, false, false},
    {"peek", call_peek, POLLIN, false, false, false},
    {"send", call_send, POLLOUT, false, false, false},
    {"poll", call_poll_in, POLLIN, false, true, false},
    {"poll for room", call_poll_out, POLLOUT, false, true, false},
    {"poll for the end", call_poll_end, POLLRDHUP, false, true, false},
    {"poll for urgent data", call_poll_urgent, POLLPRI, false, true, false},
    {"select", call_select, POLLIN, false, true, false},
    {"epoll", call_epoll, POLLIN, false, true, true},
    {"epoll by edges", call_epoll_edge, POLLIN, false, true, true},
};
enum { CALLS = sizeof calls / sizeof calls[0] };

/* --- their ends ------------------------------------------------------------------------------- */

static _Noreturn void misdelivered(const struct wait *w, const char *what)
{
    stress_fail("%s at %d: %s (stream %d%s%s%s%s)", calls[w->call].name, w->fd, what,
                w->stream->sign, w->stream->ended ? ", ended" : "",
                w->stream->broken ? ", broken" : "", w->closed ? ", closed" : "",
                w->killed ? ", killed" : "");
}

static bool may_fail(const struct wait *w, int error)
{
    if (error == EBADF)
        return w->closed;
    if (error == ECANCELED)
        return w->killed;
    return w->stream->broken && (error == ECONNRESET || error == EPIPE || error == ENOTCONN);
}

static void judge_bytes(struct wait *w, const char *bytes, long size)
{
    struct stream *stream = w->stream;

    if (size == 0 && !stream->ended && !stream->broken)
        misdelivered(w, "an end that is none");
    for (long i = 0; i < size; i++)
        if ((unsigned char)bytes[i] != stream->sign)
            misdelivered(w, "a byte of another stream");
    if (calls[w->call].takes)
        stream->coming -= size;
    if (stream->coming < 0 && !stream->loose)
        misdelivered(w, "more bytes than were sent");
}

static void judge(struct wait *w, long result, const char *bytes)
{
    ends++;
    if (result < 0) {
        errors++;
        if (!may_fail(w, errno))
            misdelivered(w, "failed");
    } else if (calls[w->call].looks) {
        if (result != 1)
            misdelivered(w, "is not ready");
    } else if (calls[w->call].events == POLLIN) {
        judge_bytes(w, bytes, result);
    }
}

static void *run_wait(void *argument)
{
    char bytes[MUCH];
    struct wait *w = argument;

    memset(bytes, w->stream->sign, 1000);
    judge(w, calls[w->call].run(w->fd, bytes), bytes);
    w->over = true;
    return NULL;
}

bool edges_awaited(const struct stream *stream)
{
    for (int i = 0; i < WAITS; i++)
        if (waits[i].flow != NULL && waits[i].stream == stream)
            return true;
    return false;
}

void edges_closed(int fd)
{
    for (int i = 0; i < WAITS; i++) {
        struct wait *w = &waits[i];

        if (w->flow == NULL || w->over || w->fd != fd)
            continue;
        w->closed = true;
        if (calls[w->call].deaf && !w->killed) {
            w->killed = true;
            green_kill(w->flow, ECANCELED);
        }
    }
}

/* --- the world -------------------------------------------------------------------------------- */

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

static bool is_due(const struct wait *w)
{
    struct pollfd state = {.fd = w->fd, .events = calls[w->call].events};

    if (w->flow == NULL || w->over)
        return false;
    return w->closed || w->killed || poll(&state, 1, 0) != 0;
}

static struct wait *find_due(void)
{
    for (int i = 0; i < WAITS; i++)
        if (is_due(&waits[i]))
            return &waits[i];
    return NULL;
}

/* Whoever is late is not saved by that the hub doubts what it told the kernel, unless the number
 * was closed out of the hooks' sight. */
static void turn(struct wait *due)
{
    struct fdtable *table = &hub_current()->fds;
    double doubt_at = table->doubt_at;

    if (!stream_is_hidden(due->fd))
        table->doubt_at = (double)INFINITY;
    late += ++due->turns == TURNS;
    if (due->turns < TURNS)
        green_yield();
    else
        green_sleep(0.001);
    if (doubt_at < table->doubt_at)
        table->doubt_at = doubt_at;
}

/* Until nobody waits for what is there. */
static void settle(void)
{
    struct wait *due;

    while (collect(), (due = find_due()) != NULL) {
        if (due->turns > TURNS + NAPS)
            misdelivered(due, "a lost wake-up");
        turn(due);
        if (due->turns > most_turns && !stream_is_hidden(due->fd))
            most_turns = due->turns;
    }
}

static void begin_wait(void)
{
    struct stream *stream = stream_any();
    struct wait *w = waits;

    while (w < waits + WAITS && w->flow != NULL)
        w++;
    if (stream == NULL || w == waits + WAITS)
        return;
    *w = (struct wait){
        .stream = stream, .fd = stream->out, .call = (int)stress_dice(&edges_dice, CALLS)};
    w->flow = green_spawn(run_wait, w);
    if (w->flow == NULL)
        stress_fail("green_spawn");
    green_yield(); /* it waits now: numbers change under waits, not before them */
}

static void kill_one(void)
{
    struct wait *w = &waits[stress_dice(&edges_dice, WAITS)];

    if (w->flow == NULL || w->over || w->killed || is_due(w))
        return;
    w->killed = true;
    if (green_kill(w->flow, ECANCELED) != 0)
        stress_fail("green_kill");
}

/* So that what is relied on is doubted. */
static void pass_time(void)
{
    if (stress_dice(&edges_dice, 200) == 0)
        green_sleep((double)stress_dice(&edges_dice, 200) * 1e-3);
    else
        green_yield();
}

static void happen(void)
{
    uint64_t at = stress_dice(&edges_dice, 100);

    if (at < 40)
        begin_wait();
    else if (at < 43)
        kill_one();
    else if (at < 50)
        pass_time();
    else
        stream_happen();
    if (stress_dice(&edges_dice, 3) == 0)
        settle();
}

static void tell_stuck(void)
{
    for (int i = 0; i < WAITS; i++)
        if (waits[i].flow != NULL && !waits[i].over)
            fprintf(stderr, "%s at %d\n", calls[waits[i].call].name, waits[i].fd);
}

/* The second half waits in libev. */
int main(int argc, char **argv)
{
    stress_begin(argc, argv, 1000000, 60, tell_stuck);
    edges_dice = stress_dice_of(0);
    streams_begin();
    for (long round = 0; round < stress_count; round++) {
        if (round == stress_count / 2 && green_loop() == NULL)
            stress_fail("green_loop");
        happen();
        atomic_fetch_add(&stress_progress, 1);
    }
    streams_end();
    settle();
    for (int i = 0; i < WAITS; i++)
        if (waits[i].flow != NULL)
            misdelivered(&waits[i], "never ended");
    stress_end("edges: %ld rounds with %s; %ld waits ended, %ld of them in errors; at most %d "
               "turns to a wake-up, %ld late",
               stress_count, streams_tell(), ends, errors, most_turns, late);
    return 0;
}
