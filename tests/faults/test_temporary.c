/* SPDX-License-Identifier: MIT
 *
 * What a run that was killed left is removed by the next; what a living one holds is not.
 */
#include "fixture.h"
#include "io/temporary.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int folder;
static char name[TEMPORARY_NAME];

static int make_nameless(void)
{
    int fd = openat(folder, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    ck_assert_int_ge(fd, 0);
    return fd;
}

/* A temporary file with a name for lib.so; its descriptor, which locks it. */
static int make_named(void)
{
    struct patch_error error;
    int fd = make_nameless();

    ck_assert(temporary_name(folder, "lib.so", fd, name, &error));
    ck_assert_int_eq(faccessat(folder, name, F_OK, 0), 0);
    return fd;
}

static void open_folder(void)
{
    char path[512];

    strcpy(path, fixture_temporary(""));
    folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ck_assert_int_ge(folder, 0);
}

START_TEST(what_a_dead_run_left_is_removed)
{
    char before[TEMPORARY_NAME];

    open_folder();
    close(make_named());
    strcpy(before, name);
    int fd = make_named();
    ck_assert_str_eq(name, before);
    ck_assert_uint_eq(fixture_folder_count(), 1);
    close(fd);
    close(folder);
}
END_TEST

START_TEST(what_a_living_run_holds_is_not)
{
    char first_name[TEMPORARY_NAME];
    struct stat before;
    struct stat after;

    open_folder();
    int first = make_named();
    strcpy(first_name, name);
    ck_assert_int_eq(fstatat(folder, first_name, &before, 0), 0);
    int second = make_named();
    ck_assert_str_ne(name, first_name);
    ck_assert_int_eq(fstatat(folder, first_name, &after, 0), 0);
    ck_assert_uint_eq(before.st_ino, after.st_ino);
    ck_assert_uint_eq(fixture_folder_count(), 2);
    close(first);
    close(second);
    close(folder);
}
END_TEST

START_TEST(another_destination_has_another_name)
{
    struct patch_error error;
    char other[TEMPORARY_NAME];

    open_folder();
    close(make_named());
    int fd = make_nameless();
    ck_assert(temporary_name(folder, "other.so", fd, other, &error));
    ck_assert_str_ne(name, other);
    ck_assert_uint_eq(fixture_folder_count(), 2);
    close(fd);
    close(folder);
}
END_TEST

/* Somebody else may put anything there. */
START_TEST(what_is_no_file_is_left_alone)
{
    char taken[TEMPORARY_NAME];
    struct stat status;

    open_folder();
    close(make_named());
    strcpy(taken, name);
    ck_assert_int_eq(unlinkat(folder, taken, 0), 0);
    ck_assert_int_eq(mkfifoat(folder, taken, 0600), 0);
    close(make_named());
    ck_assert_str_ne(name, taken);
    ck_assert_int_eq(fstatat(folder, taken, &status, AT_SYMLINK_NOFOLLOW), 0);
    ck_assert(S_ISFIFO(status.st_mode));
    ck_assert_int_eq(unlinkat(folder, name, 0), 0);

    ck_assert_int_eq(unlinkat(folder, taken, 0), 0);
    ck_assert_int_eq(symlinkat("victim", folder, taken), 0);
    close(openat(folder, "victim", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    close(make_named());
    ck_assert_str_ne(name, taken);
    ck_assert_int_eq(faccessat(folder, "victim", F_OK, 0), 0);
    ck_assert_int_eq(faccessat(folder, taken, F_OK, AT_SYMLINK_NOFOLLOW), 0);
    close(folder);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        what_a_dead_run_left_is_removed,
        what_a_living_run_holds_is_not,
        another_destination_has_another_name,
        what_is_no_file_is_left_alone,
    };
    return FIXTURE_RUN("temporary", tests);
}
