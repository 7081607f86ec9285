/* SPDX-License-Identifier: MIT
 *
 * Descriptor numbers that other threads give to the next channel, while coroutines of two hubs read
 * from the last one or write to it. Each record carries the identity of its channel; the next
 * channel has data, and room, from its first moment. A call that waited for one channel must not
 * come to another, and must not wait on:
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

enum { HUBS = 2, FLOWS = 16, ENDERS = 2, SLOTS = 8 };
enum { AWAY, CALLING, SUSPENDED };

struct slot {
    pthread_mutex_t lock;
    int number, peer;
    uint64_t id;
    bool is_read; /* flows read from it; else they write to it */
};

struct flow {
    struct slot *_Atomic slot; /* under its lock */
    atomic_int state;
    uint64_t dice;
};

static struct slot slots[SLOTS];
static struct flow flows[HUBS][FLOWS];
static pthread_mutex_t numbers = PTHREAD_MUTEX_INITIALIZER; /* while one is free */
static atomic_ulong last_id, ends, records;
static atomic_long left;
static atomic_bool over;
static pthread_barrier_t hubs_are_there; /* they take numbers, too */

/* --- flows ------------------------------------------------------------------------------------ */

static long call_read(int fd, uint64_t *record)
{
    return greenify_read(fd, record, sizeof *record);
}

static long call_recv(int fd, uint64_t *record)
{
    return greenify_recv(fd, record, sizeof *record, 0);
}

static long call_recvmsg(int fd, uint64_t *record)
{
    struct iovec part = {record, sizeof *record};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

    return greenify_recvmsg(fd, &message, 0);
}

static long call_write(int fd, uint64_t *record)
{
    return greenify_write(fd, record, sizeof *record);
}

static long call_send(int fd, uint64_t *record)
{
    return greenify_send(fd, record, sizeof *record, MSG_NOSIGNAL);
}

static long call_writev(int fd, uint64_t *record)
{
    struct iovec parts[] = {{record, 4}, {(char *)record + 4, 4}};

    return greenify_writev(fd, parts, 2);
}

typedef long call_function(int fd, uint64_t *record);
static call_function *const reads[] = {call_read, call_recv, call_recvmsg};
static call_function *const writes[] = {call_write, call_send, call_writev};

static void judge(long result, uint64_t record, uint64_t id, bool is_read)
{
    if (result == -1 && errno == EBADF) {
        atomic_fetch_add(&ends, 1);
        return;
    }
    if (result != sizeof record)
        stress_fail("a call at channel %llu gave %ld", (unsigned long long)id, result);
    if (is_read && record != id)
        stress_fail("a read from channel %llu got a record of %llu", (unsigned long long)id,
                    (unsigned long long)record);
    atomic_fetch_add(&records, 1);
}

static void use_slot(struct flow *flow)
{
    struct slot *slot = &slots[stress_dice(&flow->dice, SLOTS)];
    call_function *call = (slot->is_read ? reads : writes)[stress_dice(&flow->dice, 3)];
    uint64_t id, record;
    int number;
    long result;

    pthread_mutex_lock(&slot->lock);
    number = slot->number;
    id = record = slot->id;
    atomic_store(&flow->state, CALLING);
    atomic_store(&flow->slot, slot);
    pthread_mutex_unlock(&slot->lock);
    result = call(number, &record);
    judge(result, record, id, slot->is_read);
    pthread_mutex_lock(&slot->lock);
    atomic_store(&flow->slot, NULL);
    atomic_store(&flow->state, AWAY);
    pthread_mutex_unlock(&slot->lock);
    atomic_fetch_add_explicit(&stress_progress, 1, memory_order_relaxed);
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

static void *run_hub(void *argument)
{
    struct flow *of_hub = argument;
    green_t *started[FLOWS + 1];

    if (green_loop() == NULL)
        stress_fail("green_loop");
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

static bool all_are_suspended(const struct slot *slot)
{
    for (int h = 0; h < HUBS; h++)
        for (int i = 0; i < FLOWS; i++)
            if (atomic_load(&flows[h][i].slot) == slot &&
                atomic_load(&flows[h][i].state) == CALLING)
                return false;
    return true;
}

static void open_pair(int pair[2], uint64_t id, bool is_read)
{
    const int little = 1;

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0 ||
        setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &little, sizeof little) != 0)
        stress_fail("socketpair");
    if (is_read && write(pair[1], &id, sizeof id) != sizeof id)
        stress_fail("write");
}

/* Under the slot's lock. */
static void give_away(struct slot *slot, uint64_t *dice)
{
    uint64_t id = atomic_fetch_add(&last_id, 1) + 1;
    int pair[2], old_peer = slot->peer;
    bool by_close = stress_dice(dice, 2) == 0;

    pthread_mutex_lock(&numbers);
    open_pair(pair, id, slot->is_read);
    if (by_close && greenify_close(slot->number) != 0)
        stress_fail("close");
    if (by_close) /* unless libev has taken it for a new epoll set */
        slot->number = fcntl(pair[0], F_DUPFD, slot->number);
    if (!by_close && greenify_dup2(pair[0], slot->number) != slot->number)
        stress_fail("dup2");
    close(pair[0]);
    close(old_peer);
    pthread_mutex_unlock(&numbers);
    slot->peer = pair[1];
    slot->id = id;
}

static void send_record(struct slot *slot)
{
    ssize_t sent = send(slot->peer, &slot->id, sizeof slot->id, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (sent != sizeof slot->id && errno != EAGAIN)
        stress_fail("send");
}

static void take_records(struct slot *slot)
{
    uint64_t record;

    while (recv(slot->peer, &record, sizeof record, MSG_DONTWAIT) == sizeof record)
        if (record != slot->id)
            stress_fail("channel %llu got a record for %llu", (unsigned long long)slot->id,
                        (unsigned long long)record);
}

static void end_round(uint64_t *dice)
{
    struct slot *slot = &slots[stress_dice(dice, SLOTS)];
    uint64_t what = stress_dice(dice, 4);

    pthread_mutex_lock(&slot->lock);
    if (!slot->is_read)
        take_records(slot);
    else if (what != 0)
        send_record(slot); /* and perhaps the number goes at the same time */
    if (what <= 1 && all_are_suspended(slot)) {
        give_away(slot, dice);
        atomic_fetch_sub(&left, 1);
    }
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
        slot->id = atomic_fetch_add(&last_id, 1) + 1;
        open_pair(pair, slot->id, slot->is_read);
        slot->number = pair[0];
        slot->peer = pair[1];
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
