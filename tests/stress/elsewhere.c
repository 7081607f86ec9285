/* SPDX-License-Identifier: MIT
 *
 * Descriptor numbers that other threads give to the next channel, while coroutines of two hubs read
 * from the last one or write to it. All bytes of a channel are the same, and its sign; the next
 * channel has another sign. Some have data, or room, from their first moment: a call that waited
 * for one channel must not come to another. The others have none until all those calls are over:
 * they must not wait on.
 *
 *      flow: calls -> (marker: it is suspended) -> its record, or EBADF
 *      thread: all at this number are suspended -> the number means another channel
 */
#include "green.h"
#include "hook.h"
#include "stress.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { HUBS = 2, FLOWS = 16, ENDERS = 2, SLOTS = 8 };
enum { AWAY, CALLING, SUSPENDED };
enum { RECORD = 8, LONG = 1 << 15 }; /* bytes */

struct slot {
    pthread_mutex_t lock;
    int number, peer;
    unsigned long channel;
    unsigned char sign; /* of it */
    bool is_read;       /* flows read from it; else they write to it */
};

struct flow {
    struct slot *_Atomic slot; /* under its lock */
    unsigned long channel;     /* that it is in a call for; under the lock of its slot */
    atomic_int state;
    uint64_t dice;
};

static struct slot slots[SLOTS];
static struct flow flows[HUBS][FLOWS];
static pthread_mutex_t numbers = PTHREAD_MUTEX_INITIALIZER; /* while one is free */
static atomic_ulong channels, ends, records;
static atomic_long left;
static atomic_bool over;
static pthread_barrier_t hubs_are_there; /* they take numbers, too */

/* --- flows ------------------------------------------------------------------------------------ */

typedef ssize_t call_function(int fd, char *bytes);

static ssize_t call_read(int fd, char *bytes)
{
    return greenify_read(fd, bytes, RECORD);
}

static ssize_t call_recv(int fd, char *bytes)
{
    return greenify_recv(fd, bytes, RECORD, 0);
}

static ssize_t call_recvmsg(int fd, char *bytes)
{
    struct iovec part = {bytes, RECORD};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

    return greenify_recvmsg(fd, &message, 0);
}

/* Takes what it is to read in parts. */
static ssize_t call_recv_all(int fd, char *bytes)
{
    return greenify_recv(fd, bytes, 8 * RECORD, MSG_WAITALL);
}

static ssize_t call_write(int fd, char *bytes)
{
    return greenify_write(fd, bytes, RECORD);
}

static ssize_t call_send(int fd, char *bytes)
{
    return greenify_send(fd, bytes, RECORD, MSG_NOSIGNAL);
}

static ssize_t call_writev(int fd, char *bytes)
{
    struct iovec parts[] = {{bytes, RECORD / 2}, {bytes, RECORD / 2}};

    return greenify_writev(fd, parts, 2);
}

/* Waits many times. */
static ssize_t call_send_much(int fd, char *bytes)
{
    return greenify_send(fd, bytes, LONG, MSG_NOSIGNAL);
}

static call_function *const reads[] = {call_read, call_recv, call_recvmsg, call_recv_all};
static call_function *const writes[] = {call_write, call_send, call_writev, call_send_much};

static void judge(ssize_t result, const char *bytes, unsigned char sign)
{
    if (result == -1 && errno == EBADF) {
        atomic_fetch_add(&ends, 1);
        return;
    }
    if (result <= 0)
        stress_fail("a call gave %zd", result);
    for (ssize_t i = 0; i < result; i++)
        if ((unsigned char)bytes[i] != sign)
            stress_fail("a read from channel %d got a byte of %d", sign, (unsigned char)bytes[i]);
    atomic_fetch_add(&records, 1);
}

/* Returns what is there. */
static struct slot *enter(struct flow *flow, int *number, unsigned char *sign)
{
    struct slot *slot = &slots[stress_dice(&flow->dice, SLOTS)];

    pthread_mutex_lock(&slot->lock);
    *number = slot->number;
    *sign = slot->sign;
    flow->channel = slot->channel;
    atomic_store(&flow->state, CALLING);
    atomic_store(&flow->slot, slot);
    pthread_mutex_unlock(&slot->lock);
    return slot;
}

static void leave(struct flow *flow, struct slot *slot)
{
    pthread_mutex_lock(&slot->lock);
    atomic_store(&flow->slot, NULL);
    atomic_store(&flow->state, AWAY);
    pthread_mutex_unlock(&slot->lock);
    atomic_fetch_add_explicit(&stress_progress, 1, memory_order_relaxed);
}

static void use_slot(struct flow *flow)
{
    uint64_t which = stress_dice(&flow->dice, 4);
    char bytes[LONG];
    unsigned char sign;
    int number;
    struct slot *slot = enter(flow, &number, &sign);

    memset(bytes, sign, slot->is_read ? RECORD : LONG);
    judge((slot->is_read ? reads : writes)[which](number, bytes), bytes, sign);
    leave(flow, slot);
}

static void *run_flow(void *argument)
{
    while (!atomic_load(&over)) {
        use_slot(argument);
        if (stress_dice(&((struct flow *)argument)->dice, 8) == 0)
            green_yield();
    }
    return NULL;
}

/* While this runs, all others of the hub that are in a call are suspended there. */
static void *run_marker(void *argument)
{
    struct flow *of_hub = argument;

    while (!atomic_load(&over)) {
        bool marked = false;

        for (int i = 0; i < FLOWS; i++) {
            int state = CALLING;

            marked |= atomic_compare_exchange_strong(&of_hub[i].state, &state, SUSPENDED);
        }
        if (marked)
            green_yield();
        else
            green_sleep(2e-5);
    }
    return NULL;
}

static void *nothing(void *unused)
{
    return unused;
}

/* One waits in its own set, the other in libev's. */
static void make_hub(bool in_libev)
{
    green_t *g = green_spawn(nothing, NULL);

    if (g == NULL || green_join(g, NULL, -1) != 0 || (in_libev && green_loop() == NULL))
        stress_fail("no hub");
}

static void *run_hub(void *argument)
{
    struct flow *of_hub = argument;
    green_t *started[FLOWS + 1];

    make_hub(of_hub != flows[0]);
    pthread_barrier_wait(&hubs_are_there);
    for (int i = 0; i < FLOWS; i++)
        started[i] = green_spawn(run_flow, &of_hub[i]);
    started[FLOWS] = green_spawn(run_marker, of_hub);
    for (int i = 0; i <= FLOWS; i++)
        if (started[i] == NULL || green_join(started[i], NULL, -1) != 0)
            stress_fail("green_spawn or green_join");
    return NULL;
}

/* --- threads that give numbers away ----------------------------------------------------------- */

static bool is_running(const struct flow *flow, const struct slot *slot)
{
    (void)slot;
    return atomic_load(&flow->state) == CALLING;
}

static bool is_there(const struct flow *flow, const struct slot *slot)
{
    return atomic_load(&flow->slot) == slot;
}

static bool is_of_before(const struct flow *flow, const struct slot *slot)
{
    return flow->channel != slot->channel;
}

/* Whether that is so of somebody at the slot. Under its lock. */
static bool somebody(bool (*is)(const struct flow *, const struct slot *), const struct slot *slot)
{
    for (int h = 0; h < HUBS; h++)
        for (int i = 0; i < FLOWS; i++)
            if (atomic_load(&flows[h][i].slot) == slot && is(&flows[h][i], slot))
                return true;
    return false;
}

static void begin_channel(struct slot *slot, int peer)
{
    slot->peer = peer;
    slot->channel = atomic_fetch_add(&channels, 1);
    slot->sign = (unsigned char)(slot->channel % 251);
}

static void send_record(const struct slot *slot)
{
    char record[RECORD];
    ssize_t sent;

    memset(record, slot->sign, sizeof record);
    sent = send(slot->peer, record, sizeof record, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN)
        stress_fail("send");
}

static void take_records(const struct slot *slot)
{
    static __thread char bytes[LONG];
    ssize_t size;

    while ((size = recv(slot->peer, bytes, sizeof bytes, MSG_DONTWAIT)) > 0)
        for (ssize_t i = 0; i < size; i++)
            if ((unsigned char)bytes[i] != slot->sign)
                stress_fail("channel %d got a byte for %d", slot->sign, (unsigned char)bytes[i]);
}

static void open_pair(int pair[2])
{
    const int little = 1;

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0 ||
        setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &little, sizeof little) != 0)
        stress_fail("socketpair");
}

static void take_room(int fd, unsigned char sign)
{
    char bytes[RECORD];

    memset(bytes, sign, sizeof bytes);
    while (send(fd, bytes, sizeof bytes, MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
        continue;
}

/* Under the slot's lock. */
static void give_away(struct slot *slot, uint64_t *dice)
{
    int pair[2], old_peer = slot->peer;
    bool by_close = stress_dice(dice, 2) == 0, is_ready = stress_dice(dice, 2) == 0;

    pthread_mutex_lock(&numbers);
    open_pair(pair);
    begin_channel(slot, pair[1]);
    if (slot->is_read && is_ready)
        send_record(slot);
    if (!slot->is_read && !is_ready)
        take_room(pair[0], slot->sign);
    if (by_close && greenify_close(slot->number) != 0)
        stress_fail("close");
    if (by_close) /* unless libev has taken it for a new epoll set */
        slot->number = fcntl(pair[0], F_DUPFD, slot->number);
    if (!by_close && greenify_dup2(pair[0], slot->number) != slot->number)
        stress_fail("dup2");
    close(pair[0]);
    close(old_peer);
    pthread_mutex_unlock(&numbers);
}

static void act(struct slot *slot, uint64_t what, uint64_t *dice)
{
    if (!slot->is_read)
        take_records(slot);
    else if (what != 0)
        send_record(slot); /* and perhaps the number goes at the same time */
    if (what > 1 || somebody(is_running, slot))
        return;
    if (somebody(is_there, slot))
        atomic_fetch_sub(&left, 1);
    else if (stress_dice(dice, 8) != 0)
        return;
    give_away(slot, dice);
}

static void end_round(uint64_t *dice)
{
    struct slot *slot = &slots[stress_dice(dice, SLOTS)];
    uint64_t what = stress_dice(dice, 4);

    pthread_mutex_lock(&slot->lock);
    if (!somebody(is_of_before, slot))
        act(slot, what, dice);
    pthread_mutex_unlock(&slot->lock);
}

static void *run_ender(void *number)
{
    uint64_t dice = stress_dice_of(1000 + (uint64_t)(uintptr_t)number);

    pthread_barrier_wait(&hubs_are_there);
    while (atomic_load(&left) > 0) {
        end_round(&dice);
        if (stress_dice(&dice, 16) == 0)
            sched_yield();
    }
    return NULL;
}

/* One of them is a coroutine of a third hub. */
static void *run_ender_in_hub(void *number)
{
    green_t *g = green_spawn(run_ender, number);

    if (g == NULL || green_join(g, NULL, -1) != 0)
        stress_fail("green_spawn or green_join");
    return NULL;
}

/* --- all -------------------------------------------------------------------------------------- */

static void tell_stuck(void)
{
    for (int h = 0; h < HUBS; h++)
        for (int i = 0; i < FLOWS; i++)
            if (atomic_load(&flows[h][i].state) != AWAY)
                fprintf(stderr, "flow %d of hub %d is at number %d\n", i, h,
                        atomic_load(&flows[h][i].slot)->number);
}

static void open_slots(void)
{
    for (int i = 0; i < SLOTS; i++) {
        struct slot *slot = &slots[i];
        int pair[2];

        pthread_mutex_init(&slot->lock, NULL);
        slot->is_read = i % 2 == 0;
        open_pair(pair);
        slot->number = pair[0];
        begin_channel(slot, pair[1]);
    }
}

/* Whoever is in a call, or is about to, ends. */
static void end_all(pthread_t *threads)
{
    atomic_store(&over, true);
    for (int i = 0; i < SLOTS; i++)
        greenify_close(slots[i].number);
    for (int i = 0; i < HUBS; i++)
        pthread_join(threads[i], NULL);
}

int main(int argc, char **argv)
{
    pthread_t hubs[HUBS], enders[ENDERS];

    stress_begin(argc, argv, 1000000, 60, tell_stuck);
    atomic_store(&left, stress_count);
    pthread_barrier_init(&hubs_are_there, NULL, HUBS + ENDERS);
    open_slots();
    for (int h = 0; h < HUBS; h++) {
        for (int i = 0; i < FLOWS; i++)
            flows[h][i].dice = stress_dice_of((uint64_t)(h * FLOWS + i));
        if (pthread_create(&hubs[h], NULL, run_hub, flows[h]) != 0)
            stress_fail("pthread_create");
    }
    for (int i = 0; i < ENDERS; i++)
        if (pthread_create(&enders[i], NULL, i == 0 ? run_ender : run_ender_in_hub,
                           (void *)(uintptr_t)i) != 0)
            stress_fail("pthread_create");
    for (int i = 0; i < ENDERS; i++)
        pthread_join(enders[i], NULL);
    end_all(hubs);
    if (atomic_load(&ends) == 0 || atomic_load(&records) == 0)
        stress_fail("nothing happened");
    stress_end("elsewhere: %ld numbers given to the next channel by other threads; %lu calls were "
               "ended by that, %lu had their record",
               stress_count, atomic_load(&ends), atomic_load(&records));
    return 0;
}
