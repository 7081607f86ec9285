/* SPDX-License-Identifier: MIT
 *
 * All or none, with a patcher that only keeps a diary. This program defines patch_commit() and its
 * like itself, so it links neither the patcher nor the verbs.
 */
#include "capture.h"
#include "hooklist.h"
#include "report.h"
#include "run_suite.h"
#include "settings.h"
#include "transaction.h"

#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- the patcher of this test ----------------------------------------------------------------- */

struct patch_change {
    const char *input;
};

static struct report silent;

/* Shared with the child processes that the tests make. */
static char *diary;
enum { DIARY_SIZE = 4096 };

static void note(const char *what, const char *file)
{
    size_t used = strlen(diary);

    snprintf(diary + used, DIARY_SIZE - used, "%s %s; ", what, strrchr(file, '/') + 1);
}

/* File names tell what shall happen: ".../bad", ".../nothing", ".../late" (fails at commit),
 * ".../signal" (an interrupt arrives meanwhile). */
static bool is_named(const char *file, const char *name)
{
    return strcmp(strrchr(file, '/') + 1, name) == 0;
}

static enum patch_outcome prepare(const char *input, const char *output,
                                  const struct patch_options *options, struct patch_change **change,
                                  struct patch_report *report, struct patch_error *error)
{
    (void)options, (void)report;
    note("prepare", output != NULL ? output : input);
    if (is_named(input, "bad")) {
        error->code = PATCH_NOT_ELF;
        return PATCH_FAILED;
    }
    if (is_named(input, "nothing"))
        return PATCH_NOTHING;
    if (is_named(input, "signal"))
        raise(SIGTERM);
    if (change != NULL) {
        *change = malloc(sizeof(**change));
        (*change)->input = input;
    }
    return PATCH_READY;
}

bool patch_prepare_copy(const char *input, const char *output, const struct patch_options *options,
                        struct patch_change **change, struct patch_error *error)
{
    (void)output, (void)options, (void)error;
    note("copy", input);
    *change = malloc(sizeof(**change));
    (*change)->input = input;
    return true;
}

/* Noted only where it fails: it is done for all before the first commit. */
bool patch_sync(struct patch_change *change, struct patch_error *error)
{
    if (!is_named(change->input, "unsynced"))
        return true;
    note("sync", change->input);
    error->code = PATCH_SYSTEM;
    return false;
}

bool patch_commit(struct patch_change *change, struct patch_error *error)
{
    bool late = is_named(change->input, "late");

    note("commit", change->input);
    if (late)
        error->code = PATCH_SYSTEM;
    free(change);
    return !late;
}

void patch_discard(struct patch_change *change)
{
    if (change == NULL)
        return;
    note("discard", change->input);
    free(change);
}

void patch_report_finish(struct patch_report *report)
{
    (void)report;
}

/* --- the tests -------------------------------------------------------------------------------- */

static char folder[] = "/tmp/test_transaction.XXXXXX";

static char *place(const char *name)
{
    static char paths[16][PATH_MAX];
    static size_t next;
    char *path = paths[next++ % 16];

    snprintf(path, PATH_MAX, "%s/%s", folder, name);
    return path;
}

static void enter(void)
{
    static const char *const names[] = {"one", "two", "bad", "nothing", "late", "signal"};

    diary = mmap(NULL, DIARY_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(diary, MAP_FAILED);
    ck_assert_ptr_nonnull(mkdtemp(folder));
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        ck_assert_int_eq(mknod(place(names[i]), S_IFREG | 0600, 0), 0);
    ck_assert_int_eq(symlink("one", place("link")), 0);
    ck_assert_int_eq(mkdir(place("copies"), 0700), 0);
}

static void leave(void)
{
    char command[PATH_MAX];

    snprintf(command, sizeof(command), "rm -r %s", folder);
    ck_assert_int_eq(system(command), 0);
}

/* The caller finishes them. */
static struct settings files(char **paths, size_t count)
{
    char reason[80];

    return (struct settings){
        .files = paths,
        .file_count = count,
        .runtime = SETTINGS_RUNTIME,
        .hooks = hooklist_parse(HOOKLIST_DEFAULT, reason, sizeof(reason)),
    };
}

/* Runs and compares the diary; the caller looks at the states and finishes. */
static struct transaction run(const struct settings *settings, const char *expected)
{
    struct transaction transaction;

    ck_assert(transaction_init(&transaction, settings, &silent));
    transaction_run(&transaction, settings, prepare);
    ck_assert_str_eq(diary, expected);
    return transaction;
}

START_TEST(every_file_is_prepared_before_one_is_written)
{
    char *paths[] = {place("one"), place("two")};
    struct settings settings = files(paths, 2);
    struct transaction transaction =
        run(&settings, "prepare one; prepare two; commit one; commit two; ");

    ck_assert_uint_eq(transaction_count(&transaction, TRANSACTION_WRITTEN), 2);
    transaction_finish(&transaction);
    settings_finish(&settings);
}
END_TEST

START_TEST(one_failure_discards_all)
{
    char *paths[] = {place("one"), place("bad"), place("two")};
    struct settings settings = files(paths, 3);
    struct transaction transaction =
        run(&settings, "prepare one; prepare bad; prepare two; discard one; discard two; ");

    ck_assert_int_eq(transaction.files[0].state, TRANSACTION_DISCARDED);
    ck_assert_int_eq(transaction.files[1].state, TRANSACTION_FAILED);
    ck_assert_int_eq(transaction.files[2].state, TRANSACTION_DISCARDED);
    transaction_finish(&transaction);
    settings_finish(&settings);
}
END_TEST

START_TEST(failed_commit_discards_the_rest)
{
    char *paths[] = {place("one"), place("late"), place("two")};
    struct settings settings = files(paths, 3);
    struct transaction transaction =
        run(&settings,
            "prepare one; prepare late; prepare two; commit one; commit late; discard two; ");

    ck_assert_int_eq(transaction.files[0].state, TRANSACTION_WRITTEN);
    ck_assert_int_eq(transaction.files[1].state, TRANSACTION_FAILED);
    ck_assert_int_eq(transaction.files[2].state, TRANSACTION_DISCARDED);
    transaction_finish(&transaction);
    settings_finish(&settings);
}
END_TEST

START_TEST(failed_sync_writes_none)
{
    char *paths[] = {place("one"), place("unsynced"), place("two")};
    struct settings settings = files(paths, 3);
    struct transaction transaction =
        run(&settings, "prepare one; prepare unsynced; prepare two; sync unsynced; "
                       "discard unsynced; discard one; discard two; ");

    ck_assert_int_eq(transaction.files[0].state, TRANSACTION_DISCARDED);
    ck_assert_int_eq(transaction.files[1].state, TRANSACTION_FAILED);
    ck_assert_int_eq(transaction.files[2].state, TRANSACTION_DISCARDED);
    transaction_finish(&transaction);
    settings_finish(&settings);
}
END_TEST

START_TEST(nothing_to_do_hinders_no_other)
{
    char *paths[] = {place("nothing"), place("one")};
    struct settings settings = files(paths, 2);
    struct transaction transaction = run(&settings, "prepare nothing; prepare one; commit one; ");

    ck_assert_int_eq(transaction.files[0].state, TRANSACTION_NOTHING);
    ck_assert_int_eq(transaction.files[1].state, TRANSACTION_WRITTEN);
    transaction_finish(&transaction);
    settings_finish(&settings);
}
END_TEST

START_TEST(copies_that_go_with_others_are_made_unchanged)
{
    struct settings settings = files(NULL, 0);
    struct transaction transaction;

    settings.folder = place("copies");
    ck_assert(transaction_begin(&transaction, &settings, 2, &silent));
    ck_assert(transaction_add(&transaction, &settings, place("nothing"), "new", &silent));
    ck_assert(transaction_add(&transaction, &settings, place("nothing"), "nothing", &silent));
    transaction.files[0].runpath = "$ORIGIN";
    transaction_run(&transaction, &settings, prepare);
    ck_assert_str_eq(diary, "prepare new; copy nothing; prepare nothing; commit nothing; ");
    ck_assert_int_eq(transaction.files[0].state, TRANSACTION_WRITTEN);
    ck_assert_int_eq(transaction.files[1].state, TRANSACTION_NOTHING);
    transaction_finish(&transaction);
    settings_finish(&settings);
}
END_TEST

START_TEST(dry_run_makes_no_change)
{
    char *paths[] = {place("one")};
    struct settings settings = files(paths, 1);
    struct transaction transaction;

    settings.dry_run = true;
    transaction = run(&settings, "prepare one; ");
    ck_assert_int_eq(transaction.files[0].state, TRANSACTION_READY);
    ck_assert_ptr_null(transaction.files[0].change);
    transaction_finish(&transaction);
    settings_finish(&settings);
}
END_TEST

START_TEST(link_to_a_file_is_the_same_file)
{
    char *paths[] = {place("one"), place("link")};
    struct settings settings = files(paths, 2);
    struct transaction transaction = run(&settings, "prepare one; commit one; ");

    ck_assert_int_eq(transaction.files[1].state, TRANSACTION_REPEATED);
    transaction_finish(&transaction);
    settings_finish(&settings);
}
END_TEST

START_TEST(copies_of_file_and_link_are_two)
{
    char *paths[] = {place("one"), place("link")};
    struct settings settings = files(paths, 2);
    struct transaction transaction;

    settings.folder = place("copies");
    transaction = run(&settings, "prepare one; prepare link; commit one; commit link; ");
    ck_assert_uint_eq(transaction_count(&transaction, TRANSACTION_WRITTEN), 2);
    transaction_finish(&transaction);
    settings_finish(&settings);
}
END_TEST

/* transaction_init() says no, and says why. */
static void refuse(const struct settings *settings, const char *text)
{
    struct capture capture = capture_begin(stderr);
    struct transaction transaction;
    bool begun = transaction_init(&transaction, settings, &silent);
    char *messages = capture_end(&capture);

    ck_assert(!begun);
    ck_assert_msg(strstr(messages, text) != NULL, "%s", messages);
    free(messages);
}

START_TEST(targets_that_cannot_be_are_refused)
{
    char *twice[] = {place("one"), place("one")};
    struct settings settings = files(twice, 2);

    settings.folder = place("copies");
    refuse(&settings, "would be written to");
    settings.file_count = 1;
    settings.folder = place("one");
    refuse(&settings, "is no folder");
    settings.folder = place("missing");
    refuse(&settings, "is no folder");
    settings.folder = folder;
    refuse(&settings, "is the file that the copy would go to");
    settings.folder = NULL;
    settings.output = place("copies");
    refuse(&settings, "is a folder");
    settings.output = place("fifo");
    ck_assert_int_eq(mkfifo(settings.output, 0600), 0);
    refuse(&settings, "is no regular file");
    settings.output = place("one");
    refuse(&settings, "is the file that the copy would go to");
    settings_finish(&settings);
}
END_TEST

START_TEST(targets_that_a_link_makes_one_are_refused)
{
    char *paths[] = {place("one"), place("two")};
    struct settings settings = files(paths, 2);

    ck_assert_int_eq(mknod(place("copies/one"), S_IFREG | 0600, 0), 0);
    ck_assert_int_eq(symlink("one", place("copies/two")), 0);
    settings.folder = place("copies");
    refuse(&settings, "would be written to");
    settings_finish(&settings);
}
END_TEST

START_TEST(link_to_the_input_as_target_is_refused)
{
    char *paths[] = {place("one")};
    struct settings settings = files(paths, 1);

    settings.output = place("link");
    refuse(&settings, "is the file that the copy would go to");
    ck_assert_int_eq(symlink("../one", place("copies/one")), 0);
    settings.output = NULL;
    settings.folder = place("copies");
    refuse(&settings, "is the file that the copy would go to");
    settings_finish(&settings);
}
END_TEST

START_TEST(folder_in_the_place_of_a_copy_is_seen_before_anything_is_written)
{
    char *paths[] = {place("one"), place("two")};
    struct settings settings = files(paths, 2);

    ck_assert_int_eq(mkdir(place("copies/two"), 0700), 0);
    settings.folder = place("copies");
    refuse(&settings, "is no regular file");
    ck_assert_str_eq(diary, "");
    settings_finish(&settings);
}
END_TEST

/* Runs a transaction, in a child, of which the second file raises SIGTERM. Returns how it ended. */
static int run_interrupted(void (*disposition)(int))
{
    char *paths[] = {place("one"), place("signal"), place("two")};
    struct settings settings = files(paths, 3);
    pid_t child = fork();
    int status;

    ck_assert_int_ge(child, 0);
    if (child == 0) {
        struct transaction transaction;

        signal(SIGTERM, disposition);
        if (transaction_init(&transaction, &settings, &silent))
            transaction_run(&transaction, &settings, prepare);
        note("survived", "/signal");
        _exit(0);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    settings_finish(&settings);
    return status;
}

START_TEST(signal_ends_the_process_after_the_discard)
{
    int status = run_interrupted(SIG_DFL);

    ck_assert(WIFSIGNALED(status));
    ck_assert_int_eq(WTERMSIG(status), SIGTERM);
    ck_assert_str_eq(diary, "prepare one; prepare signal; discard one; discard signal; ");
}
END_TEST

START_TEST(ignored_signal_stays_ignored)
{
    int status = run_interrupted(SIG_IGN);

    ck_assert(WIFEXITED(status));
    ck_assert_str_eq(diary, "prepare one; prepare signal; prepare two; commit one; commit signal; "
                            "commit two; survived signal; ");
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        every_file_is_prepared_before_one_is_written,
        one_failure_discards_all,
        failed_commit_discards_the_rest,
        failed_sync_writes_none,
        nothing_to_do_hinders_no_other,
        copies_that_go_with_others_are_made_unchanged,
        dry_run_makes_no_change,
        link_to_a_file_is_the_same_file,
        copies_of_file_and_link_are_two,
        targets_that_cannot_be_are_refused,
        targets_that_a_link_makes_one_are_refused,
        link_to_the_input_as_target_is_refused,
        folder_in_the_place_of_a_copy_is_seen_before_anything_is_written,
        signal_ends_the_process_after_the_discard,
        ignored_signal_stays_ignored,
    };

    return run_suite("transaction", tests, sizeof(tests) / sizeof(tests[0]), enter, leave);
}
