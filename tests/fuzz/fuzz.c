/* SPDX-License-Identifier: MIT
 *
 * What libFuzzer calls, the table of targets, and the folder that they work in.
 */
#include "fuzz.h"

#include "elf_mutator.h"
#include "pair.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t size, size_t room, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *bytes, size_t size, size_t room); /* libFuzzer's own */

#define TARGET(name, mutator) void fuzz_##name(const uint8_t *bytes, size_t size);
#include "targets.def"
#undef TARGET

#define TARGET(name, mutator) {#name, fuzz_##name, mutator},
const struct fuzz_target fuzz_targets[] = {
#include "targets.def"
    {NULL, NULL, NULL},
};
#undef TARGET

static const struct fuzz_target *target;
static char folder[200];

/* --- for targets ------------------------------------------------------------------------------ */

void fuzz_fail(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fprintf(stderr, "fuzz %s: ", target->name);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    abort();
}

void fuzz_require_told(const struct patch_error *error)
{
    char text[512];

    FUZZ_REQUIRE(error->code != PATCH_OK, "failed, but the error says nothing");
    FUZZ_REQUIRE(error->reason[0] != '\0', "the error %s has no reason",
                 patch_code_name(error->code));
    FUZZ_REQUIRE(memchr(error->reason, '\0', sizeof(error->reason)) != NULL &&
                     memchr(error->table, '\0', sizeof(error->table)) != NULL,
                 "the error %s is not terminated", patch_code_name(error->code));
    /* Nothing fails here on its own: a system error is a bug that turned into a refusal. */
    FUZZ_REQUIRE(error->code != PATCH_SYSTEM && error->code != PATCH_MEMORY, "%s: %s",
                 patch_code_name(error->code), error->reason);
    patch_error_format(error, text, sizeof(text));
}

const char *fuzz_path(const char *name)
{
    static char paths[8][256];
    static unsigned next;
    char *path = paths[next++ % 8];

    snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
    return path;
}

const char *fuzz_write(const char *name, const uint8_t *bytes, size_t size)
{
    const char *path = fuzz_path(name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);

    FUZZ_REQUIRE(fd >= 0 && write(fd, bytes, size) == (ssize_t)size, "cannot write %s: %m", path);
    close(fd);
    return path;
}

uint8_t *fuzz_read(const char *path, size_t *size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    uint8_t *bytes;

    FUZZ_REQUIRE(fd >= 0 && fstat(fd, &status) == 0, "cannot read %s: %m", path);
    *size = (size_t)status.st_size;
    bytes = malloc(*size + 1);
    FUZZ_REQUIRE(read(fd, bytes, *size + 1) == (ssize_t)*size, "cannot read %s: %m", path);
    close(fd);
    return bytes;
}

bool fuzz_same(const char *path, const uint8_t *bytes, size_t size)
{
    size_t now_size;
    uint8_t *now = fuzz_read(path, &now_size);
    bool same = now_size == size && (size == 0 || memcmp(now, bytes, size) == 0);

    free(now);
    return same;
}

struct patch_options fuzz_options(const uint8_t *bytes, size_t size)
{
    static const char *const functions[] = {"poll", "read", "recv", "send", NULL};
    static const char *const none[] = {NULL};
    enum { UNUSED = 15, OVERLAY = 1, RUNPATH = 2, NO_BSS = 4, NO_FUNCTIONS = 8 };
    unsigned choice = size > UNUSED ? bytes[UNUSED] : 0;

    return (struct patch_options){
        .functions = (choice & NO_FUNCTIONS) != 0 && (choice & RUNPATH) != 0 ? none : functions,
        .prefix = "greenify_",
        .runtime = "libgreen.so.1",
        .bss_limit = (choice & NO_BSS) != 0 ? 1 : 1 << 20,
        .allow_overlay = (choice & OVERLAY) != 0,
        .runpath = (choice & RUNPATH) != 0 ? "$ORIGIN" : NULL,
    };
}

/* --- for libFuzzer ---------------------------------------------------------------------------- */

static void remove_folder(void)
{
    char command[256];

    snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    if (system(command) != 0)
        fputs("fuzz: the temporary folder stays\n", stderr);
}

static void make_folder(void)
{
    const char *memory = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    const char *given = getenv("FUZZ_FOLDER"); /* that the caller removes, also after a crash */

    if (given != NULL) {
        snprintf(folder, sizeof(folder), "%s/%d", given, (int)getpid());
        mkdir(folder, 0700);
        return;
    }
    snprintf(folder, sizeof(folder), "%s/greenify-fuzz-XXXXXX", memory);
    if (mkdtemp(folder) == NULL) {
        perror("fuzz: no temporary folder");
        exit(2);
    }
    atexit(remove_folder);
}

static const char *chosen_name(int argc, char **argv)
{
    static const char option[] = "--target="; /* libFuzzer lets such options be */

    for (int i = 1; i < argc; i++)
        if (strncmp(argv[i], option, sizeof(option) - 1) == 0)
            return argv[i] + sizeof(option) - 1;
    return getenv("FUZZ_TARGET");
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    const char *name = chosen_name(*argc, *argv);

    for (target = fuzz_targets; target->name != NULL; target++)
        if (name != NULL && strcmp(target->name, name) == 0)
            break;
    if (target->name == NULL) {
        fputs("fuzz: --target=NAME, one of:", stderr);
        for (const struct fuzz_target *one = fuzz_targets; one->name != NULL; one++)
            fprintf(stderr, " %s", one->name);
        fputc('\n', stderr);
        exit(2);
    }
    make_folder();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    target->run(bytes, size);
    return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t size, size_t room, unsigned seed)
{
    uint32_t state = seed | 1;
    size_t changed = 0;

    /* One in four is libFuzzer's: it learns from comparisons, which ours does not. */
    if (target->mutate != NULL && seed % 4 != 0)
        changed = target->mutate(bytes, size, room, &state);
    return changed != 0 ? changed : LLVMFuzzerMutate(bytes, size, room);
}
