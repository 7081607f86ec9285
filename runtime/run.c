/* SPDX-License-Identifier: MIT
 *
 * What greenify-run(1) asks of libgreen, by its environment: a hub for the program's first thread
 * before main() begins, and that the programs it starts are as if there were no greenify.
 */
#include "hub.h"
#include "list_text.h"
#include "lot.h"
#include "own.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- a hub from the start --------------------------------------------------------------------- */

static __thread bool attended; /* this thread's hub was made here */

static void create_hub(void)
{
    struct hub *hub;

    if (hub_current() != NULL)
        return;
    hub = hub_native();
    if (hub == NULL)
        return;
    own_add(hub->set.fd);
    own_add(hub->set.event);
    hub->hidden = true;
    hub->waits_forever = true;
    attended = true;
}

/* The hub's own descriptors stand above those that the program is going to get: it finds the
 * numbers that it would find without a hub. */
static void make_hub(void)
{
    int taken[OWN_FIRST], count = 0;
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    while (fd >= 0 && fd < OWN_FIRST) {
        taken[count++] = fd;
        fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    }
    if (fd >= 0)
        close(fd);
    create_hub();
    while (count > 0)
        close(taken[--count]);
}

/* The parent's was forgotten just before (hub.c). */
static void make_hub_in_child(void)
{
    int saved = errno;

    if (attended)
        make_hub();
    errno = saved;
}

/* --- programs that this one starts ------------------------------------------------------------ */

/* Takes `path` out of a list of paths that the loader reads. */
static void remove_path(const char *variable, const char *path)
{
    const char *list = getenv(variable);
    char *left, *next;

    if (list == NULL || path == NULL)
        return;
    left = next = malloc(strlen(list) + 1);
    if (left == NULL)
        return;
    while (*list != '\0') {
        size_t length = strcspn(list, ": ");

        if (length != strlen(path) || memcmp(list, path, length) != 0) {
            if (next != left)
                *next++ = ':';
            next = mempcpy(next, list, length);
        }
        list += length + (list[length] != '\0');
    }
    *next = '\0';
    if (next != left)
        setenv(variable, left, 1);
    else
        unsetenv(variable);
    free(left);
}

static void leave_no_trace(void)
{
    static const char *const settings[] = {
        "GREEN_RUN_RUNTIME", "GREEN_RUN_AUDIT",   "GREEN_RUN_HOOKS", "GREEN_RUN_LIBRARIES",
        "GREEN_RUN_HUB",     "GREEN_RUN_VERBOSE", "GREEN_RUN_ALONE",
    };

    remove_path("LD_PRELOAD", getenv("GREEN_RUN_RUNTIME"));
    remove_path("LD_AUDIT", getenv("GREEN_RUN_AUDIT"));
    remove_path("GLIBC_TUNABLES", "glibc.rtld.optional_static_tls=8192");
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
        unsetenv(settings[i]);
}

/* Programs have been seen that take each end of a wait for a condition variable for a signal. */
static bool redirects_all_signals(void)
{
    static const char *const functions[] = {"pthread_cond_signal", "pthread_cond_broadcast",
                                            "cnd_signal", "cnd_broadcast"};
    const char *hooks = secure_getenv("GREEN_RUN_HOOKS");
    bool all = hooks != NULL && secure_getenv("GREEN_RUN_LIBRARIES") == NULL;

    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++)
        all = all && list_text_has(hooks, ',', functions[i]);
    return all;
}

__attribute__((constructor)) static void begin(void)
{
    int saved = errno;
    bool wants_hub = secure_getenv("GREEN_RUN_HUB") != NULL;

    atomic_store(&lot_hears_signals, redirects_all_signals());
    if (secure_getenv("GREEN_RUN_ALONE") != NULL)
        leave_no_trace();
    if (wants_hub) {
        make_hub();
        pthread_atfork(NULL, NULL, make_hub_in_child);
    }
    errno = saved;
}
