/* SPDX-License-Identifier: MIT
 *
 * The line about long work: on a terminal, when it takes its time, and nowhere else.
 */
#include "progress.h"
#include "run_suite.h"
#include "settings.h"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int terminal; /* what is written to stderr can be read here */
static int saved;

static void enter(void)
{
    int child;

    ck_assert_int_eq(openpty(&terminal, &child, NULL, NULL, NULL), 0);
    fcntl(terminal, F_SETFL, O_NONBLOCK);
    fflush(stderr);
    saved = dup(STDERR_FILENO);
    dup2(child, STDERR_FILENO);
    close(child);
}

static void leave(void)
{
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(terminal);
}

/* As if the work had begun long ago. */
static void wait_long(struct progress *progress)
{
    progress->last.tv_sec -= 1;
}

/* A terminal hands on what was written a moment later, and in parts. */
static void check_shown(const char *expected)
{
    struct pollfd readable = {.fd = terminal, .events = POLLIN};
    char text[256] = "";
    size_t used = 0;

    fflush(stderr);
    while (poll(&readable, 1, used < strlen(expected) ? 5000 : 50) == 1) {
        ssize_t n = read(terminal, text + used, sizeof(text) - 1 - used);

        if (n <= 0)
            break;
        used += (size_t)n;
    }
    text[used] = '\0';
    ck_assert_str_eq(text, expected);
}

START_TEST(line_is_written_over_itself_and_taken_away)
{
    struct settings settings = {0};
    struct progress progress = progress_begin(&settings, 12);

    wait_long(&progress);
    progress_show(&progress, 3, "a/file.so");
    check_shown("\r\033[K3 of 12  a/file.so");
    progress_end(&progress);
    check_shown("\r\033[K");
}
END_TEST

START_TEST(quick_work_shows_nothing)
{
    struct settings settings = {0};
    struct progress progress = progress_begin(&settings, 12);

    progress_show(&progress, 3, "a/file.so");
    progress_end(&progress);
    check_shown("");
}
END_TEST

START_TEST(names_cannot_drive_the_terminal)
{
    struct settings settings = {0};
    struct progress progress = progress_begin(&settings, 1);

    wait_long(&progress);
    progress_show(&progress, 0, "\033[2J\n\x7f");
    check_shown("\r\033[K0 of 1  ?[2J??");
    progress_end(&progress);
}
END_TEST

START_TEST(end_of_a_long_name_is_shown)
{
    struct settings settings = {0};
    struct progress progress = progress_begin(&settings, 1);
    char name[301];

    memset(name, 'x', 300);
    memcpy(name + 292, "/file.so", 9);
    wait_long(&progress);
    progress_show(&progress, 0, name);
    check_shown("\r\033[K0 of 1  xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx/file.so");
    progress_end(&progress);
}
END_TEST

START_TEST(json_quiet_and_files_show_nothing)
{
    struct settings json = {.json = true};
    struct settings quiet = {.verbosity = -1};
    struct settings plain = {0};
    struct progress progress = progress_begin(&json, 1);

    ck_assert(!progress.wanted);
    progress = progress_begin(&quiet, 1);
    ck_assert(!progress.wanted);
    progress = progress_begin(&plain, 1);
    ck_assert(progress.wanted);
    dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
    progress = progress_begin(&plain, 1);
    ck_assert(!progress.wanted);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        line_is_written_over_itself_and_taken_away,
        quick_work_shows_nothing,
        names_cannot_drive_the_terminal,
        end_of_a_long_name_is_shown,
        json_quiet_and_files_show_nothing,
    };

    return run_suite("progress", tests, sizeof(tests) / sizeof(tests[0]), enter, leave);
}
