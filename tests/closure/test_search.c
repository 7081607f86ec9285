/* SPDX-License-Identifier: MIT
 *
 * Where a needed library is looked for: each station of the loader, in its order.
 */
#include "loader/search.h"
#include "run_suite.h"

#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/test_search.XXXXXX";
static struct search search;
static Elf64_Ehdr own; /* of this program */

static const char *place(const char *name)
{
    static char paths[4][PATH_MAX];
    static size_t next;
    char *path = paths[next++ % 4];

    snprintf(path, PATH_MAX, "%s/%s", folder, name);
    return path;
}

static void put_bytes(const char *name, const void *bytes, size_t size)
{
    char path[PATH_MAX];
    int fd;

    snprintf(path, sizeof(path), "%s", place(name));
    for (char *at = path + strlen(folder) + 1; (at = strchr(at, '/')) != NULL; at++) {
        *at = '\0';
        mkdir(path, 0700);
        *at = '/';
    }
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, bytes, size), (ssize_t)size);
    close(fd);
}

/* A file that the loader would take, as far as its header goes. */
static void put_library(const char *name)
{
    put_bytes(name, &own, sizeof(own));
}

static void enter(void)
{
    int fd = open("/proc/self/exe", O_RDONLY);
    struct patch_error error;

    unsetenv("LD_LIBRARY_PATH");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(read(fd, &own, sizeof(own)), (ssize_t)sizeof(own));
    close(fd);
    ck_assert(search_init(&search, &own, "/nonexistent", &error));
}

static void leave(void)
{
    char command[PATH_MAX];

    search_finish(&search);
    snprintf(command, sizeof(command), "rm -r %s", folder);
    ck_assert_int_eq(system(command), 0);
}

/* What is found for `object`, as "PLACE station", with the folder of the test taken away. */
static void find(const struct search_object *object, const char *name, const char *expected)
{
    char text[PATH_MAX + 32];
    enum patch_found found;
    char *path;

    ck_assert(search_find(&search, object, name, &path, &found));
    snprintf(text, sizeof(text), "%s %s",
             path == NULL                                 ? "-"
             : strncmp(path, folder, strlen(folder)) == 0 ? path + strlen(folder) + 1
                                                          : path,
             patch_found_name(found));
    ck_assert_str_eq(text, expected);
    free(path);
}

START_TEST(run_path_of_the_object_with_origin)
{
    struct search_object object = {.folder = folder, .runpath = "$ORIGIN/a:${ORIGIN}/b"};

    put_library("b/libx.so");
    find(&object, "libx.so", "b/libx.so runpath");
    put_library("a/libx.so");
    find(&object, "libx.so", "a/libx.so runpath");
    find(&object, "liby.so", "- nowhere");
}
END_TEST

START_TEST(rpath_of_all_that_loaded_it)
{
    struct search_object first = {.folder = place("first"), .rpath = "$ORIGIN/r"};
    struct search_object middle = {.folder = place("middle"), .runpath = "/x", .loader = &first};
    struct search_object last = {.folder = place("last"), .loader = &middle};

    put_library("first/r/libx.so");
    find(&last, "libx.so", "first/r/libx.so rpath");
    find(&middle, "libx.so", "- nowhere");
    last.runpath = "$ORIGIN";
    find(&last, "libx.so", "- nowhere");
}
END_TEST

START_TEST(environment_stands_between_rpath_and_runpath)
{
    struct search_object object = {.folder = folder, .rpath = "$ORIGIN/r"};
    char list[2 * PATH_MAX];

    snprintf(list, sizeof(list), "/nonexistent;%s:%s", place("none"), place("e"));
    search.environment = list;
    put_library("e/libx.so");
    put_library("r/libx.so");
    put_library("u/libx.so");
    find(&object, "libx.so", "r/libx.so rpath");
    object.rpath = NULL;
    object.runpath = "$ORIGIN/u";
    find(&object, "libx.so", "e/libx.so environment");
    search.environment = NULL;
    find(&object, "libx.so", "u/libx.so runpath");
}
END_TEST

START_TEST(files_of_other_machines_are_passed_over)
{
    struct search_object object = {.folder = folder, .runpath = "$ORIGIN/a:$ORIGIN/b"};
    Elf64_Ehdr wrong[4] = {own, own, own, own};

    wrong[0].e_machine = EM_SPARC;
    wrong[1].e_ident[EI_CLASS] = ELFCLASS32;
    wrong[2].e_ident[EI_DATA] = ELFDATA2MSB;
    wrong[3].e_ident[0] = 'x';
    put_library("b/libx.so");
    for (size_t i = 0; i < 4; i++) {
        put_bytes("a/libx.so", &wrong[i], sizeof(wrong[i]));
        find(&object, "libx.so", "b/libx.so runpath");
    }
    put_bytes("a/libx.so", &own, 19);
    find(&object, "libx.so", "b/libx.so runpath");
    put_bytes("a/libx.so", "", 0);
    find(&object, "libx.so", "b/libx.so runpath");
}
END_TEST

START_TEST(what_is_no_file_is_passed_over)
{
    struct search_object object = {.folder = folder, .runpath = "$ORIGIN/a:$ORIGIN/b:$ORIGIN/c"};

    put_library("c/libx.so");
    ck_assert_int_eq(mkdir(place("a"), 0700), 0);
    ck_assert_int_eq(mkdir(place("b"), 0700), 0);
    ck_assert_int_eq(mkfifo(place("a/libx.so"), 0600), 0);
    ck_assert_int_eq(symlink("libx.so", place("b/libx.so")), 0);
    find(&object, "libx.so", "c/libx.so runpath");
}
END_TEST

START_TEST(path_is_opened_as_it_is)
{
    struct search_object object = {.folder = folder, .runpath = "$ORIGIN/a"};

    put_library("a/libx.so");
    put_library("b/libx.so");
    find(&object, "$ORIGIN/b/libx.so", "b/libx.so path");
    find(&object, place("b/libx.so"), "b/libx.so path");
    find(&object, "b/libx.so", "- nowhere");
}
END_TEST

START_TEST(tokens_end_where_names_end)
{
    struct search_object object = {
        .folder = folder, .runpath = "$ORIGINAL:$ORIGIN_X:${ORIGIN:$:${}:$LIBX:$ORIGIN/a$"};

    find(&object, "libx.so", "- nowhere");
    put_library("a$/libx.so");
    find(&object, "libx.so", "a$/libx.so runpath");
}
END_TEST

START_TEST(lib_and_platform_have_the_values_of_the_machine)
{
    struct search_object object = {.folder = folder, .runpath = "$ORIGIN/$LIB/$PLATFORM"};
    const char *name =
        own.e_machine == EM_X86_64 ? "lib64/x86_64/libx.so" : "lib64/aarch64/libx.so";
    char expected[80];

    put_library(name);
    snprintf(expected, sizeof(expected), "%s runpath", name);
    find(&object, "libx.so", expected);
}
END_TEST

START_TEST(empty_part_of_a_list_is_the_folder_one_is_in)
{
    struct search_object object = {.folder = "/", .runpath = "/nonexistent:"};

    put_library("libx.so");
    ck_assert_int_eq(chdir(folder), 0);
    find(&object, "libx.so", "./libx.so runpath");
    ck_assert_int_eq(chdir("/"), 0);
    object.runpath = "";
    find(&object, "libx.so", "- nowhere");
}
END_TEST

START_TEST(default_folders_come_last_unless_forbidden)
{
    struct search_object object = {.folder = folder};
    enum patch_found found;
    char *path;

    ck_assert(search_find(&search, &object, "libc.so.6", &path, &found));
    ck_assert_ptr_nonnull(path);
    ck_assert_int_eq(found, PATCH_FOUND_DEFAULT);
    free(path);
    object.no_default = true;
    find(&object, "libc.so.6", "- nowhere");
}
END_TEST

/* A header of either class, as it stands in a file of this machine's order. */
static void put_foreign(const char *name, const Elf64_Ehdr *header)
{
    Elf64_Ehdr file = *header;
    Elf32_Ehdr small = {.e_machine = header->e_machine, .e_flags = header->e_flags};

    memcpy(small.e_ident, header->e_ident, EI_NIDENT);
    if (header->e_ident[EI_CLASS] == ELFCLASS32)
        memcpy(&file, &small, sizeof(small));
    put_bytes(name, &file, sizeof(file));
}

/* ARM has two conventions for floating point numbers, in folders of their own. */
START_TEST(libraries_agree_in_how_they_are_called)
{
    struct search_object object = {.folder = folder, .runpath = "$ORIGIN/first:$ORIGIN/second"};
    static const uint32_t floats[] = {EF_ARM_ABI_FLOAT_HARD, EF_ARM_ABI_FLOAT_SOFT};
    static const char *const folders[] = {"/lib/arm-linux-gnueabihf", "/lib/arm-linux-gnueabi"};
    struct search native = search;
    struct patch_error error;
    Elf64_Ehdr header = own;

    header.e_machine = EM_ARM;
    header.e_ident[EI_CLASS] = ELFCLASS32;
    header.e_flags = EF_ARM_ABI_FLOAT_SOFT;
    put_foreign("first/libx.so", &header);
    header.e_flags = EF_ARM_ABI_FLOAT_HARD;
    put_foreign("second/libx.so", &header);
    for (size_t i = 0; i < 2; i++) {
        header.e_flags = floats[i];
        ck_assert(search_init(&search, &header, "/nonexistent", &error));
        ck_assert_str_eq(search.machine->folders[0], folders[i]);
        find(&object, "libx.so", i == 0 ? "second/libx.so runpath" : "first/libx.so runpath");
        search_finish(&search);
    }
    search = native;
}
END_TEST

START_TEST(each_machine_has_folders_of_its_own)
{
    static const struct {
        uint16_t machine;
        unsigned char class, order;
        uint32_t flags;
        const char *folder;
    } rows[] = {
        {EM_X86_64, ELFCLASS64, ELFDATA2LSB, 0, "/lib/x86_64-linux-gnu"},
        {EM_AARCH64, ELFCLASS64, ELFDATA2LSB, 0, "/lib/aarch64-linux-gnu"},
        {EM_386, ELFCLASS32, ELFDATA2LSB, 0, "/lib/i386-linux-gnu"},
        {EM_RISCV, ELFCLASS64, ELFDATA2LSB, 5, "/lib/riscv64-linux-gnu"},
        {EM_PPC, ELFCLASS32, ELFDATA2MSB, 0, "/lib/powerpc-linux-gnu"},
        {EM_PPC64, ELFCLASS64, ELFDATA2MSB, 1, "/lib/powerpc64-linux-gnu"},
        {EM_PPC64, ELFCLASS64, ELFDATA2LSB, 2, "/lib/powerpc64le-linux-gnu"},
        {EM_S390, ELFCLASS64, ELFDATA2MSB, 0, "/lib/s390x-linux-gnu"},
        {EM_LOONGARCH, ELFCLASS64, ELFDATA2LSB, 0x43, "/lib/loongarch64-linux-gnu"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        Elf64_Ehdr header = {.e_machine = rows[i].machine, .e_flags = rows[i].flags};
        header.e_ident[EI_CLASS] = rows[i].class;
        header.e_ident[EI_DATA] = rows[i].order;
        const struct search_machine *found = search_machine_find(&header);
        ck_assert_ptr_nonnull(found);
        ck_assert_str_eq(found->folders[0], rows[i].folder);
        header.e_ident[EI_CLASS] = ELFCLASSNONE;
        ck_assert_ptr_null(search_machine_find(&header));
    }
}
END_TEST

START_TEST(machine_that_is_not_known_is_refused)
{
    struct search other;
    struct patch_error error;
    Elf64_Ehdr header = own;

    header.e_machine = EM_SPARC;
    ck_assert(!search_init(&other, &header, "/nonexistent", &error));
    ck_assert_int_eq(error.code, PATCH_UNSUPPORTED_MACHINE);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        run_path_of_the_object_with_origin,
        rpath_of_all_that_loaded_it,
        environment_stands_between_rpath_and_runpath,
        files_of_other_machines_are_passed_over,
        what_is_no_file_is_passed_over,
        path_is_opened_as_it_is,
        tokens_end_where_names_end,
        lib_and_platform_have_the_values_of_the_machine,
        empty_part_of_a_list_is_the_folder_one_is_in,
        default_folders_come_last_unless_forbidden,
        libraries_agree_in_how_they_are_called,
        each_machine_has_folders_of_its_own,
        machine_that_is_not_known_is_refused,
    };

    return run_suite("search", tests, sizeof(tests) / sizeof(tests[0]), enter, leave);
}
