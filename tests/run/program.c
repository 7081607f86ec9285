/* SPDX-License-Identifier: MIT
 *
 * Loads a library and calls into it, in a coroutine beside one that counts, and prints who waited
 * how. Arguments: what to do, and the library.
 */
#include "green.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static const char *path;
static unsigned ticks;
static int over;

static void *tick(void *unused)
{
    while (!over) {
        green_sleep(0.005);
        ticks++;
    }
    return unused;
}

static void say_ticks(const char *what, unsigned before)
{
    printf("%s: %s\n", what, ticks != before ? "others ran" : "blocked");
}

static void call(void *library, const char *name)
{
    int (*function)(void);
    unsigned before = ticks;

    *(void **)&function = dlsym(library, name);
    if (function == NULL)
        return;
    printf("%s returned %d\n", name, function());
    say_ticks(name, before);
}

static void *load_and_call(void *unused)
{
    unsigned before = ticks;
    void *library = dlopen(path, RTLD_LAZY);

    say_ticks("constructor", before);
    if (library == NULL) {
        printf("%s\n", dlerror());
    } else {
        call(library, "wait_by_linkage");
        call(library, "wait_by_table");
        if (green_patch_loaded(path) < 0)
            perror("green_patch_loaded");
        call(library, "wait_after_all");
    }
    over = 1;
    return unused;
}

/* What an unmodified program sees of its hub. */
static void show_hub(void)
{
    struct green_hub_stats before = {0}, after = {0};
    int has_hub = green_hub_stats(&before) == 0;

    usleep(1000);
    green_hub_stats(&after);
    printf("hub %d, waits %lu, next descriptor %d\n", has_hub, after.parked - before.parked,
           socket(AF_UNIX, SOCK_STREAM, 0));
}

/* Whether memory stays bounded while a library comes and goes is seen by valgrind and the like;
 * here it is to stay sound. */
static void load_often(void)
{
    for (int i = 0; i < 100; i++) {
        void *library = dlopen(path, RTLD_NOW);

        if (library == NULL || dlclose(library) != 0)
            printf("%s\n", dlerror());
    }
    printf("loaded often\n");
}

/* A namespace of its own has no libgreen; its libraries stay as they are. */
static void load_apart(void)
{
    void *library = dlmopen(LM_ID_NEWLM, path, RTLD_NOW);

    printf("apart: %s\n", library != NULL ? "loaded" : dlerror());
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;

static void *signal_condition(void *unused)
{
    usleep(10000);
    pthread_mutex_lock(&mutex);
    pthread_cond_signal(&condition);
    pthread_mutex_unlock(&mutex);
    return unused;
}

/* How often a wait ends by itself, and whether one ends by a thread's signal. */
static void wait_for_condition(void)
{
    struct timespec until;
    pthread_t thread;
    int ends = 0;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec++;
    pthread_mutex_lock(&mutex);
    while (pthread_cond_timedwait(&condition, &mutex, &until) != ETIMEDOUT)
        ends++;
    printf("%d ends without a signal\n", ends);
    if (pthread_create(&thread, NULL, signal_condition, NULL) == 0 &&
        pthread_cond_wait(&condition, &mutex) == 0 && pthread_join(thread, NULL) == 0)
        printf("signalled\n");
    pthread_mutex_unlock(&mutex);
}

int main(int argc, char **argv)
{
    green_t *loads;

    path = argc > 2 ? argv[2] : "";
    if (argc > 1 && strcmp(argv[1], "hub") == 0) {
        show_hub();
    } else if (argc > 1 && strcmp(argv[1], "often") == 0) {
        load_often();
    } else if (argc > 1 && strcmp(argv[1], "apart") == 0) {
        load_apart();
    } else if (argc > 1 && strcmp(argv[1], "condition") == 0) {
        wait_for_condition();
    } else {
        green_spawn(tick, NULL);
        loads = green_spawn(load_and_call, NULL);
        green_join(loads, NULL, -1);
    }
    return 0;
}
