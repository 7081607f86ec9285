/* SPDX-License-Identifier: MIT
 *
 * Streams over TCP and Unix sockets, trusted and not; a thread without a hub that ends numbers on
 * demand; copies of their files that live on under other numbers, and in other processes.
 */
#include "edges.h"

#include "green.h"
#include "hook.h"
#include "stress.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum { STREAMS = 24, RECORDS = STREAMS + 64, GHOSTS = 16, CHILDREN = 2 };
enum { HIGH = 66000, NUMBERS = 1 << 17, MUCH = 1 << 16 };

static struct stream records[RECORDS]; /* a stream lives as long as a wait at it */
static struct stream *streams[STREAMS];
static struct ghost {
    int out, in; /* of a stream that was closed; < 0: none */
} ghosts[GHOSTS];
static struct child {
    pid_t pid; /* 0: none */
    int leash;
} children[CHILDREN];
static bool hidden[NUMBERS];
static bool has_high;
static int listener;
static struct sockaddr_in address;
static socklen_t address_size = sizeof address;
static unsigned long begun, hides, forks;

static uint64_t dice(uint64_t sides)
{
    return stress_dice(&edges_dice, sides);
}

struct stream *stream_any(void)
{
    return streams[dice(STREAMS)];
}

bool stream_is_hidden(int fd)
{
    return hidden[fd];
}

const char *streams_tell(void)
{
    static char line[128];

    snprintf(line, sizeof line, "%lu streams, %lu numbers closed out of sight, %lu forks", begun,
             hides, forks);
    return line;
}

/* --- numbers that end ------------------------------------------------------------------------- */

static struct {
    sem_t asked, done;
    int fd, by; /* closed; or the number of another file, < 0: none */
} elsewhere;

static void end_number(int fd, int by)
{
    if (by >= 0 ? greenify_dup2(by, fd) != fd : greenify_close(fd) != 0)
        stress_fail("the end of %d", fd);
}

static void *run_elsewhere(void *unused)
{
    for (;;) {
        while (sem_wait(&elsewhere.asked) != 0)
            continue;
        end_number(elsewhere.fd, elsewhere.by);
        sem_post(&elsewhere.done);
    }
    return unused;
}

/* Here, or in the thread without a hub. */
static void end(int fd, int by)
{
    edges_closed(fd);
    hidden[fd] = false;
    if (dice(2) == 0) {
        end_number(fd, by);
        return;
    }
    elsewhere.fd = fd;
    elsewhere.by = by;
    sem_post(&elsewhere.asked);
    while (sem_wait(&elsewhere.done) != 0)
        continue;
}

void stream_end(int fd)
{
    end(fd, -1);
}

/* --- streams ---------------------------------------------------------------------------------- */

static int connect_plainly(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd < 0 || connect(fd, (struct sockaddr *)&address, address_size) != 0)
        stress_fail("connect");
    return fd;
}

static void open_accepted(struct stream *stream)
{
    stream->in = connect_plainly();
    stream->out = greenify_accept(listener, NULL, NULL);
    stream->tcp = stream->trusted = true;
}

static void open_connected(struct stream *stream)
{
    stream->out = greenify_socket(AF_INET, SOCK_STREAM, 0);
    if (greenify_connect(stream->out, (struct sockaddr *)&address, address_size) != 0)
        stress_fail("connect");
    stream->in = accept(listener, NULL, NULL);
    stream->tcp = stream->trusted = true;
}

static void open_pair(struct stream *stream)
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
        stress_fail("socketpair");
    stream->out = pair[0];
    stream->in = pair[1];
}

/* More than 2^16 of them. */
static void raise_number(struct stream *stream)
{
    int high = fcntl(stream->out, F_DUPFD, HIGH);

    if (high < 0)
        stress_fail("no high number");
    end(stream->out, -1);
    stream->out = high;
    stream->trusted = false;
}

static void begin(struct stream **slot)
{
    void (*const opens[])(struct stream *) = {open_accepted, open_connected, open_pair};
    const int little = 4096;
    struct stream *stream = records;

    while (stream->open || edges_awaited(stream))
        stream++;
    *stream = (struct stream){.open = true, .sign = (unsigned char)(begun++ % 251)};
    opens[dice(3)](stream);
    if (stream->out < 0 || stream->in < 0 || stream->out >= NUMBERS)
        stress_fail("no stream");
    (void)setsockopt(stream->out, SOL_SOCKET, SO_SNDBUF, &little, sizeof little);
    if (has_high && dice(8) == 0)
        raise_number(stream);
    *slot = stream;
}

static void close_in(struct stream *stream)
{
    if (stream->in >= 0)
        close(stream->in);
    stream->in = -1;
}

static void let_go(struct stream **slot)
{
    close_in(*slot);
    (*slot)->open = false;
    *slot = NULL;
}

/* --- what happens to a stream ----------------------------------------------------------------- */

static void send_bytes(struct stream **slot)
{
    static const size_t sizes[] = {1, 7, 8, 3000};
    struct stream *stream = *slot;
    char bytes[3000];
    ssize_t sent;

    if (stream->ended || stream->in < 0)
        return;
    memset(bytes, stream->sign, sizeof bytes);
    sent = send(stream->in, bytes, sizes[dice(4)], MSG_DONTWAIT | MSG_NOSIGNAL);
    stream->coming += sent > 0 ? sent : 0;
}

/* Together with bytes, which are read when the end was reported already. */
static void end_in(struct stream **slot)
{
    if (dice(2) == 0)
        send_bytes(slot);
    (*slot)->ended = true;
    if ((*slot)->in >= 0)
        (void)shutdown((*slot)->in, SHUT_WR);
}

static void end_out(struct stream **slot)
{
    (*slot)->ended = (*slot)->broken = true;
    (void)greenify_shutdown((*slot)->out, SHUT_RD);
}

static void close_peer(struct stream **slot)
{
    static const struct linger reset = {1, 0};
    struct stream *stream = *slot;

    if (dice(2) == 0)
        send_bytes(slot);
    stream->ended = stream->broken = true;
    if (stream->in >= 0 && dice(2) == 0)
        (void)setsockopt(stream->in, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close_in(stream);
}

static void send_urgent(struct stream **slot)
{
    struct stream *stream = *slot;

    if (!stream->tcp || stream->ended || stream->in < 0)
        return;
    stream->loose = true;
    (void)send(stream->in, &stream->sign, 1, MSG_OOB | MSG_DONTWAIT | MSG_NOSIGNAL);
    send_bytes(slot);
}

static void take_urgent(struct stream **slot)
{
    char byte;

    (void)recv((*slot)->out, &byte, 1, MSG_OOB | MSG_DONTWAIT);
}

static void fill(struct stream **slot)
{
    char bytes[4096];

    memset(bytes, (*slot)->sign, sizeof bytes);
    while (send((*slot)->out, bytes, sizeof bytes, MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
        continue;
}

static void drain(struct stream **slot)
{
    struct stream *stream = *slot;
    static char bytes[MUCH];
    ssize_t size;

    while (stream->in >= 0 && (size = recv(stream->in, bytes, sizeof bytes, MSG_DONTWAIT)) > 0)
        for (ssize_t i = 0; i < size; i++)
            if ((unsigned char)bytes[i] != stream->sign)
                stress_fail("stream %d got a byte of %d", stream->sign, (unsigned char)bytes[i]);
}

/* --- what happens to its number --------------------------------------------------------------- */

static void close_both(struct stream **slot)
{
    end((*slot)->out, -1);
    let_go(slot);
}

/* As a library does that nobody patched; the file may live on. */
static void close_hidden(struct stream **slot)
{
    int fd = (*slot)->out, copy;

    if (edges_awaited(*slot) || dice(8) != 0)
        return;
    copy = dice(2) == 0 ? dup(fd) : -1;
    hides++;
    hidden[fd] |= (*slot)->trusted;
    close(fd);
    if (copy >= 0)
        close(copy);
    let_go(slot);
}

/* The file stays open under another number, and the number becomes free. */
static void move(struct stream **slot)
{
    int copy = dup((*slot)->out);

    if (copy < 0)
        stress_fail("dup");
    end((*slot)->out, -1);
    (*slot)->out = copy;
    (*slot)->trusted = false;
}

/* The number means another stream at once, and then the one again that it meant before. */
static void swap(struct stream **slot)
{
    struct stream *stream = *slot;
    int copy = dup(stream->out), other = dup(listener);

    if (copy < 0 || other < 0)
        stress_fail("dup");
    end(stream->out, other);
    if (dice(2) == 0)
        green_yield();
    end(stream->out, copy);
    stream->trusted = true;
    close(other);
    close(copy);
}

static void replace(struct stream **slot)
{
    struct stream *old = *slot, *fresh;
    int fd = old->out;

    begin(&fresh);
    end(fd, fresh->out);
    end(fresh->out, -1);
    fresh->out = fd;
    fresh->trusted = true;
    let_go(slot);
    *slot = fresh;
}

/* Closed, but not its file, at which much goes on happening. */
static void leave_ghost(struct stream **slot)
{
    struct ghost *ghost = &ghosts[dice(GHOSTS)];

    if (ghost->out >= 0)
        close(ghost->out);
    if (ghost->in >= 0)
        close(ghost->in);
    ghost->out = dup((*slot)->out);
    ghost->in = (*slot)->in;
    (*slot)->in = -1;
    close_both(slot);
}

static void haunt(struct stream **unused)
{
    char bytes[100];

    (void)unused;
    for (int i = 0; i < GHOSTS; i++) {
        (void)!send(ghosts[i].in, "boo", 3, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (dice(2) == 0)
            (void)!recv(ghosts[i].out, bytes, sizeof bytes, MSG_DONTWAIT);
    }
}

/* A process that has copies of all, until it is let go. */
static void fork_child(struct stream **unused)
{
    struct child *child = &children[dice(CHILDREN)];
    int leash[2];
    char byte;

    (void)unused;
    if (dice(40) != 0)
        return;
    if (child->pid != 0) {
        close(child->leash);
        if (waitpid(child->pid, NULL, 0) != child->pid)
            stress_fail("waitpid");
        child->pid = 0;
        return;
    }
    if (pipe2(leash, O_CLOEXEC) != 0)
        stress_fail("pipe");
    child->pid = fork();
    if (child->pid == 0) {
        for (int i = 0; i < CHILDREN; i++)
            if (children[i].pid != 0)
                close(children[i].leash);
        close(leash[1]);
        _exit((int)read(leash[0], &byte, 1));
    }
    close(leash[0]);
    child->leash = leash[1];
    forks++;
}

/* Numbers of files that no set takes, and that never wait. */
static void try_file(struct stream **slot)
{
    struct pollfd state = {.events = POLLIN};
    char byte;
    int fd;

    if (!edges_awaited(*slot) && dice(2) == 0)
        close_both(slot);
    fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    state.fd = fd;
    if (greenify_poll(&state, 1, -1) != 1 || greenify_read(fd, &byte, 1) != 1)
        stress_fail("a file waits");
    end(fd, -1);
    fd = open("/proc/self/exe", O_PATH | O_CLOEXEC);
    state.fd = fd;
    if (greenify_poll(&state, 1, -1) != 1 || state.revents != POLLNVAL ||
        greenify_read(fd, &byte, 1) != -1 || errno != EBADF)
        stress_fail("the name of a file can be read");
    end(fd, -1);
}

static const struct {
    int weight; /* in 100 */
    void (*run)(struct stream **slot);
} happenings[] = {
    {34, send_bytes}, {6, end_in},   {2, end_out}, {4, close_peer},  {4, send_urgent},
    {2, take_urgent}, {6, fill},     {10, drain},  {6, close_both},  {4, close_hidden},
    {4, move},        {3, swap},     {5, replace}, {4, leave_ghost}, {3, haunt},
    {2, fork_child},  {1, try_file},
};

void stream_happen(void)
{
    struct stream **slot = &streams[dice(STREAMS)];
    int at = (int)dice(100), which = 0;

    if (*slot == NULL) {
        begin(slot);
        return;
    }
    while (at >= happenings[which].weight)
        at -= happenings[which++].weight;
    happenings[which].run(slot);
}

/* --- all -------------------------------------------------------------------------------------- */

static void raise_limit(void)
{
    struct rlimit limit = {NUMBERS, NUMBERS};

    has_high = setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

void streams_begin(void)
{
    pthread_t thread;

    raise_limit();
    for (int i = 0; i < GHOSTS; i++)
        ghosts[i] = (struct ghost){-1, -1};
    listener = socket(AF_INET, SOCK_STREAM, 0);
    address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, address_size) != 0 ||
        listen(listener, 8) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &address_size) != 0)
        stress_fail("no listener");
    sem_init(&elsewhere.asked, 0, 0);
    sem_init(&elsewhere.done, 0, 0);
    if (pthread_create(&thread, NULL, run_elsewhere, NULL) != 0)
        stress_fail("pthread_create");
}

void streams_end(void)
{
    for (int i = 0; i < STREAMS; i++)
        if (streams[i] != NULL)
            close_both(&streams[i]);
    for (int i = 0; i < CHILDREN; i++)
        if (children[i].pid != 0) {
            close(children[i].leash);
            (void)waitpid(children[i].pid, NULL, 0);
        }
}
