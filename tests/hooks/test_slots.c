/* SPDX-License-Identifier: MIT
 *
 * Redirection in memory, slot by slot: what is written and nothing else, taken back to the last
 * byte and to the protection of every page; beside threads that call through the slots, bind them,
 * load and unload the library.
 */
#include "green.h"
#include "hook.h"
#include "slots.h"
#include "support.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *const builds[] = {SLOT_BUILDS};
enum { BUILDS = sizeof builds / sizeof builds[0] };

enum { LEAST = 27 + 4 }; /* slots: functions that it calls, and entries of tables */

static char name[64];
static void *library;

static void load(const char *build)
{
    char path[4096];

    snprintf(name, sizeof name, "libslots_%s.so", build);
    snprintf(path, sizeof path, "%s/%s", getenv("SLOTS_DIR"), name);
    library = dlopen(path, RTLD_LAZY);
    ck_assert_msg(library != NULL, "%s", dlerror());
}

static void *symbol(const char *of)
{
    void *found = dlsym(library, of);

    ck_assert_ptr_nonnull(found);
    return found;
}

/* --- its memory ------------------------------------------------------------------------------- */

/* A copy of everything that it can write to or could before relocation, and the lines that the
 * kernel has of its pages. */
struct snapshot {
    uintptr_t start, end;
    char *bytes;
    char lines[8192];
};

static int find_writable(struct dl_phdr_info *info, size_t size, void *data)
{
    struct snapshot *snapshot = data;

    (void)size;
    if (strstr(info->dlpi_name, name) == NULL)
        return 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];

        if (segment->p_type != PT_LOAD || (segment->p_flags & PF_W) == 0)
            continue;
        if (snapshot->start == 0)
            snapshot->start = info->dlpi_addr + segment->p_vaddr;
        snapshot->end = info->dlpi_addr + segment->p_vaddr + segment->p_memsz;
    }
    return 1;
}

static void copy_lines(struct snapshot *snapshot)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[512];
    size_t used = 0;

    ck_assert_ptr_nonnull(maps);
    while (fgets(line, sizeof line, maps) != NULL)
        if (strstr(line, name) != NULL && used + strlen(line) < sizeof snapshot->lines)
            used += (size_t)sprintf(snapshot->lines + used, "%s", line);
    fclose(maps);
    ck_assert_uint_gt(used, 0);
}

static struct snapshot *take_snapshot(void)
{
    struct snapshot *snapshot = calloc(1, sizeof *snapshot);

    ck_assert_int_eq(dl_iterate_phdr(find_writable, snapshot), 1);
    snapshot->bytes = malloc(snapshot->end - snapshot->start);
    memcpy(snapshot->bytes, (void *)snapshot->start, snapshot->end - snapshot->start);
    copy_lines(snapshot);
    return snapshot;
}

/* How many words differ from the snapshot, which is gone then. */
static int changed_words(struct snapshot *before)
{
    struct snapshot *now = take_snapshot();
    int count = 0;

    ck_assert_uint_eq(now->start, before->start);
    ck_assert_str_eq(now->lines, before->lines);
    for (size_t at = 0; at + sizeof(uintptr_t) <= now->end - now->start; at += sizeof(uintptr_t))
        count += memcmp(now->bytes + at, before->bytes + at, sizeof(uintptr_t)) != 0;
    free(now->bytes);
    free(now);
    free(before->bytes);
    free(before);
    return count;
}

/* --- what is written -------------------------------------------------------------------------- */

static int silent[2];
static wait_function *ways[3];
static poll_function *address;

static void *wait_by(void *way)
{
    struct pollfd fd = {.fd = silent[0], .events = POLLIN};
    intptr_t number = (intptr_t)way;
    int ready = number < 3 ? ways[number](&fd, 20) : address(&fd, 1, 20);

    return (void *)(intptr_t)(ready == 0);
}

/* How many of the four ways suspend. */
static int suspending(void)
{
    int count = 0;

    ways[0] = (wait_function *)(uintptr_t)symbol("by_call");
    ways[1] = (wait_function *)(uintptr_t)symbol("by_fixed_table");
    ways[2] = (wait_function *)(uintptr_t)symbol("by_changeable_table");
    address = ((poll_function * (*)(void))(uintptr_t)symbol("by_address"))();
    for (intptr_t way = 0; way < 4; way++) {
        struct green_hub_stats before = {0}, after;
        green_t *g = green_spawn(wait_by, (void *)way);
        void *right = NULL;

        green_hub_stats(&before);
        ck_assert_int_eq(green_join(g, &right, 20), 0);
        ck_assert_ptr_nonnull(right);
        green_hub_stats(&after);
        count += after.parked - before.parked >= 2; /* and the join */
    }
    return count;
}

START_TEST(slots_and_nothing_else_are_written)
{
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, silent), 0);
    for (int i = 0; i < BUILDS; i++) {
        struct snapshot *before;
        int count;

        load(builds[i]);
        before = take_snapshot();
        count = green_patch_loaded(name);
        ck_assert_msg(count >= LEAST, "%s: %d slots", name, count);
        ck_assert_int_eq(green_patch_loaded(name), 0);
        ck_assert_int_eq(changed_words(before), count);
        before = take_snapshot();
        ck_assert_int_eq(green_unpatch_loaded(name), count);
        ck_assert_int_eq(changed_words(before), count);
        ck_assert_int_eq(green_unpatch_loaded(name), 0);

        before = take_snapshot();
        ck_assert_int_eq(green_patch_loaded(name), count);
        ck_assert_int_eq(suspending(), 4);
        ck_assert_int_eq(green_unpatch_loaded(name), count);
        ck_assert_int_eq(changed_words(before), 0);
        ck_assert_int_eq(suspending(), 0);
        dlclose(library);
    }
}
END_TEST

/* What the program has put into its own table stays. */
static int own_poll(struct pollfd *fds, nfds_t count, int timeout)
{
    return fds == NULL && count == 0 && timeout == 0 ? 42 : -1;
}

START_TEST(a_pointer_that_the_program_changed_is_its_own)
{
    for (int i = 0; i < BUILDS; i++) {
        struct snapshot *before;
        poll_function **table;
        int count;

        load(builds[i]);
        table = symbol("changeable");
        count = green_patch_loaded(name);
        ck_assert_int_eq(green_unpatch_loaded(name), count);
        table[1] = own_poll;
        before = take_snapshot();
        ck_assert_int_eq(green_patch_loaded(name), count - 1);
        ck_assert(table[1] == own_poll);
        table[0] = own_poll; /* and what it changes while it is redirected */
        ck_assert_int_eq(green_unpatch_loaded(name), count - 1);
        ck_assert(table[0] == own_poll);
        ck_assert_int_eq(changed_words(before), 1);
        dlclose(library);
    }
}
END_TEST

START_TEST(what_cannot_be_made_writable_stays_as_it_is)
{
    struct snapshot *before;

    load("now");
    before = take_snapshot();
    if (!make_fail(SYS_mprotect, 2, PROT_WRITE, EACCES))
        return;
    errno = 0;
    ck_assert_int_eq(green_patch_loaded(name), -1);
    ck_assert_int_eq(errno, EACCES);
    ck_assert_int_eq(changed_words(before), 0);
    ck_assert_int_eq(green_unpatch_loaded(name), 0);
}
END_TEST

/* --- libraries that come and go --------------------------------------------------------------- */

START_TEST(a_library_that_comes_again_is_fresh)
{
    for (int i = 0; i < BUILDS; i++) {
        int count = 0;

        for (int round = 0; round < 6; round++) {
            load(builds[i]);
            ck_assert_int_eq(green_unpatch_loaded(name), 0);
            if (round == 0)
                count = green_patch_loaded(name);
            else
                ck_assert_int_eq(green_patch_loaded(name), count);
            if (round % 2 == 1)
                ck_assert_int_eq(green_unpatch_loaded(name), count);
            ck_assert_int_eq(dlclose(library), 0);
            errno = 0;
            ck_assert_int_eq(green_patch_loaded(name), -1);
            ck_assert_int_eq(errno, ENOENT);
        }
    }
}
END_TEST

static atomic_bool over;

static void *load_and_unload(void *unused)
{
    for (unsigned i = 0; !atomic_load(&over); i++) {
        char path[4096];
        void *handle;

        snprintf(path, sizeof path, "%s/%s", getenv("SLOTS_DIR"), name);
        handle = dlopen(path, RTLD_LAZY);
        if (handle == NULL)
            abort();
        usleep(i % 4 * 50);
        dlclose(handle);
        usleep(i % 3 * 50);
    }
    return unused;
}

START_TEST(a_library_may_go_at_any_moment)
{
    pthread_t threads[2];
    double limit = now() + 30;
    int patched = 0, absent = 0;

    load(builds[0]);
    dlclose(library);
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, load_and_unload, NULL);
    for (int i = 0; (patched < 300 || absent < 300) && now() < limit; i++) {
        int count = i % 4 == 3 ? green_unpatch_loaded(name) : green_patch_loaded(name);

        patched += count > 0;
        absent += count == -1 && errno == ENOENT;
        ck_assert(count >= 0 || errno == ENOENT);
    }
    atomic_store(&over, true);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    ck_assert_int_gt(patched, 0);
    ck_assert_int_gt(absent, 0);
}
END_TEST

/* --- threads that call meanwhile -------------------------------------------------------------- */

static void (*_Atomic call)(void);
static atomic_int calls;

static void run_calls(void)
{
    void (*function)(void) = atomic_load(&call);

    function();
}

static void *keep_calling(void *unused)
{
    while (!atomic_load(&over)) {
        run_calls();
        atomic_fetch_add(&calls, 1);
    }
    return unused;
}

START_TEST(threads_may_call_through_the_slots)
{
    for (int i = 0; i < BUILDS; i++) {
        pthread_t threads[3];
        struct snapshot *before;

        load(builds[i]);
        atomic_store(&call, (void (*)(void))(uintptr_t)symbol("call_many"));
        run_calls();
        before = take_snapshot(); /* all is bound */
        atomic_store(&over, false);
        for (int k = 0; k < 3; k++)
            pthread_create(&threads[k], NULL, keep_calling, NULL);
        for (int round = 0; round < 300; round++) {
            int count = green_patch_loaded(name);

            ck_assert_int_ge(count, LEAST);
            ck_assert_int_eq(green_unpatch_loaded(name), count);
        }
        atomic_store(&over, true);
        for (int k = 0; k < 3; k++)
            pthread_join(threads[k], NULL);
        ck_assert_int_eq(changed_words(before), 0);
        dlclose(library);
    }
    ck_assert_int_gt(atomic_load(&calls), 0);
}
END_TEST

/* This program's tee() is found by a function, which the loader calls in the midst of binding a
 * slot to it: there a thread can be held up until the slot was redirected. */
static struct snapshot *_Atomic looked_at;
static atomic_bool binding;

static bool is_redirected(const struct snapshot *memory)
{
    uintptr_t hook = (uintptr_t)greenify_tee;

    return memmem((void *)memory->start, memory->end - memory->start, &hook, sizeof hook) != NULL;
}

static ssize_t own_tee(int in, int out, size_t size, unsigned flags)
{
    return syscall(SYS_tee, in, out, size, flags);
}

/* The first time before anything else of the program runs, sanitizers included. */
__attribute__((no_sanitize_address,
               no_sanitize_undefined)) static ssize_t (*find_tee(void))(int in, int out,
                                                                        size_t size, unsigned flags)
{
    const struct snapshot *memory = atomic_load(&looked_at);

    atomic_store(&binding, memory != NULL);
    while (memory != NULL && !is_redirected(memory))
        sched_yield();
    return own_tee;
}

ssize_t tee(int in, int out, size_t size, unsigned flags) __attribute__((ifunc("find_tee")));

static void *call_for_the_first_time(void *unused)
{
    run_calls();
    return unused;
}

/* Whether the slot is redirected in the end. */
static bool survives_binding(void)
{
    pthread_t thread;
    bool survives;

    load("lazy");
    atomic_store(&call, (void (*)(void))(uintptr_t)symbol("call_many"));
    atomic_store(&binding, false);
    atomic_store(&looked_at, take_snapshot());
    pthread_create(&thread, NULL, call_for_the_first_time, NULL);
    while (!atomic_load(&binding))
        sched_yield();
    ck_assert_int_ge(green_patch_loaded(name), LEAST);
    pthread_join(thread, NULL);
    survives = is_redirected(atomic_load(&looked_at));
    free(atomic_load(&looked_at)->bytes);
    free(atomic_load(&looked_at));
    atomic_store(&looked_at, NULL);
    dlclose(library);
    return survives;
}

/* A thread may lose its processor in the midst of it, but not every time. */
START_TEST(a_slot_that_is_bound_meanwhile_is_redirected)
{
    bool survives = false;

    for (int i = 0; i < 10 && !survives; i++)
        survives = survives_binding();
    ck_assert(survives);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        slots_and_nothing_else_are_written,
        a_pointer_that_the_program_changed_is_its_own,
        what_cannot_be_made_writable_stays_as_it_is,
        a_library_that_comes_again_is_fresh,
        a_library_may_go_at_any_moment,
        threads_may_call_through_the_slots,
        a_slot_that_is_bound_meanwhile_is_redirected,
    };

    return run_suite("slots", tests, sizeof tests / sizeof tests[0]);
}
