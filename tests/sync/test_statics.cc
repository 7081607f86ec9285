/* SPDX-License-Identifier: MIT
 *
 * Statics of C++ functions, and pthread_once, whose initialisers wait or throw. The linker leads
 * the compiler's calls of the guards to the hooks (--wrap).
 */
#include "green.h"

#include <cstdio>
#include <cstdlib>
#include <pthread.h>
#include <stdexcept>

extern "C" {
int greenify___cxa_guard_acquire(long long *guard);
void greenify___cxa_guard_release(long long *guard);
void greenify___cxa_guard_abort(long long *guard);
int greenify_pthread_once(pthread_once_t *control, void (*routine)());

int __wrap___cxa_guard_acquire(long long *guard);
void __wrap___cxa_guard_release(long long *guard);
void __wrap___cxa_guard_abort(long long *guard);

int __wrap___cxa_guard_acquire(long long *guard)
{
    return greenify___cxa_guard_acquire(guard);
}

void __wrap___cxa_guard_release(long long *guard)
{
    greenify___cxa_guard_release(guard);
}

void __wrap___cxa_guard_abort(long long *guard)
{
    greenify___cxa_guard_abort(guard);
}
}

static int failures;

static void expect(bool right, const char *what)
{
    if (right)
        return;
    fprintf(stderr, "not so: %s\n", what);
    failures++;
}

static int constructed, thrown, caught;

struct Slow {
    int value;

    Slow()
    {
        green_sleep(0.01);
        value = __atomic_add_fetch(&constructed, 1, __ATOMIC_SEQ_CST);
    }
};

static void *use_slow(void *)
{
    static Slow slow;

    return slow.value == 1 ? &constructed : nullptr;
}

/* The first two tries fail. */
struct Moody {
    Moody()
    {
        green_sleep(0.005);
        if (thrown < 2) {
            thrown++;
            throw std::runtime_error("not in the mood");
        }
    }
};

static void *use_moody(void *)
{
    try {
        static Moody moody;
    } catch (const std::runtime_error &) {
        caught++;
    }
    return nullptr;
}

/* The same in threads that have no hub. */
struct Plain {
    static int tries;

    Plain()
    {
        if (tries++ < 2)
            throw std::runtime_error("not yet");
    }
};

int Plain::tries;

static void *use_plain(void *)
{
    try {
        static Plain plain;

        return &plain;
    } catch (const std::runtime_error &) {
        return nullptr;
    }
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int once_done;

static void fail_first()
{
    static int tries;

    green_sleep(0.005);
    if (tries++ == 0)
        throw std::runtime_error("once more");
    once_done++;
}

static void *use_once(void *)
{
    try {
        greenify_pthread_once(&once, fail_first);
    } catch (const std::runtime_error &) {
        caught++;
    }
    return nullptr;
}

/* Returns how many returned something. */
static int in_coroutines(void *(*entry)(void *))
{
    green_t *flows[10];
    int results = 0;

    for (green_t *&g : flows)
        g = green_spawn(entry, nullptr);
    for (green_t *g : flows) {
        void *result = nullptr;

        if (green_join(g, &result, 20) != 0)
            abort();
        results += result != nullptr;
    }
    return results;
}

static void *slow_in_thread(void *right)
{
    *static_cast<int *>(right) = in_coroutines(use_slow);
    return nullptr;
}

int main()
{
    pthread_t threads[3];
    int right[3];

    expect(use_plain(nullptr) == nullptr && use_plain(nullptr) == nullptr, "a try without a hub");
    expect(use_plain(nullptr) != nullptr && use_plain(nullptr) != nullptr, "the third is good");
    expect(Plain::tries == 3, "it is the last");
    for (int i = 0; i < 3; i++)
        pthread_create(&threads[i], nullptr, slow_in_thread, &right[i]);
    expect(in_coroutines(use_slow) == 10, "all coroutines see the static");
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], nullptr);
        expect(right[i] == 10, "the coroutines of other threads see it");
    }
    expect(constructed == 1, "it was constructed once");
    in_coroutines(use_moody);
    expect(thrown == 2 && caught == 2, "who throws leaves the static to the next");
    caught = 0;
    in_coroutines(use_once);
    expect(once_done == 1 && caught == 1, "so does who throws out of pthread_once");
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
