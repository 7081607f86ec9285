/* SPDX-License-Identifier: MIT
 *
 * Deterministic mutations of small fixtures through everything that reads a file. Nothing may crash
 * (the sanitizers watch), and what comes out must be sound or refused.
 */
#include "check/proof.h"
#include "check/verify.h"
#include "error.h"
#include "fixture.h"
#include "io/in_memory.h"
#include "io/reader.h"
#include "scan/findings.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUNDS = 4000, BUDGET_SECONDS = 12 };

static uint64_t state;

/* xorshift64*: the same sequence everywhere. */
static uint32_t number(uint32_t below)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (uint32_t)((state * 0x2545f4914f6cdd1dULL) >> 32) % below;
}

/* Places where a change is likely to matter. */
static uint64_t pick_place(struct fixture *f, const struct image *sound)
{
    const size_t *sizes = sound->codec->sizes;
    const struct image_table tables[] = {
        sound->strings,  sound->symbols,        sound->versions,       sound->hash,
        sound->gnu_hash, sound->relocations[0], sound->relocations[1], sound->relocations[2],
    };
    uint32_t kind = number(12);

    if (kind < 2)
        return number((uint32_t)sizes[CODEC_HEADER]);
    if (kind < 4)
        return sound->header.e_phoff +
               number((uint32_t)(sound->segment_count * sizes[CODEC_SEGMENT]));
    if (kind < 6)
        return sound->dynamic_offset +
               number((uint32_t)(sound->dynamic_count * sizes[CODEC_DYNAMIC]));
    if (kind < 7 && sound->section_count != 0)
        return sound->header.e_shoff +
               number((uint32_t)(sound->section_count * sizes[CODEC_SECTION]));
    const struct image_table *table = &tables[number(sizeof(tables) / sizeof(tables[0]))];
    if (kind < 11 && table->size != 0)
        return table->offset + number((uint32_t)table->size);
    return number((uint32_t)f->size);
}

static void mutate_bytes(struct fixture *f, const struct image *sound)
{
    static const uint8_t values[] = {0, 1, 0x7f, 0x80, 0xff, 0xfe, 0x10, 0x40};
    uint32_t changes = 1 + number(4);

    for (uint32_t i = 0; i < changes; i++) {
        uint64_t place = pick_place(f, sound);
        if (place >= f->size)
            continue;
        uint32_t how = number(4);
        if (how == 0)
            f->bytes[place] = (uint8_t)number(256);
        else if (how == 1)
            f->bytes[place] ^= (uint8_t)(1u << number(8));
        else if (how == 2)
            f->bytes[place] = values[number(sizeof(values))];
        else
            memset(f->bytes + place, values[number(sizeof(values))],
                   f->size - place < 8 ? f->size - place : 8);
    }
}

static void mutate(struct fixture *f, const struct image *sound)
{
    mutate_bytes(f, sound);
    if (number(40) == 0)
        f->size = number((uint32_t)f->size + 1);
}

static void count_fault(void *context, const char *name, enum patch_verdict verdict,
                        const char *detail)
{
    (void)detail;
    if (verdict == PATCH_FAULT && strcmp(name, "redirected") != 0)
        ++*(size_t *)context;
}

/* Whether all checks of structure could be made, and none found a fault. */
static bool is_sound(const struct image *image)
{
    size_t faults = 0;
    bool sound;

    return verify_image(image, NULL, &fixture_options, count_fault, &faults, &sound, NULL) &&
           faults == 0;
}

/* What was written for a sound file can be proved to be that with the declared edits. */
static void prove(const struct image *original, const uint8_t *bytes, uint64_t size)
{
    char text[PROOF_TEXT];
    struct image *patched;

    ck_assert(image_parse(bytes, size, &patched, NULL));
    ck_assert_msg(proof_make(original, patched, &fixture_options, text), "%s", text);
    image_destroy(patched);
}

static void find(const struct image *image)
{
    struct findings findings;
    struct survey survey;
    struct patch_error error;

    if (!survey_make(image, &fixture_options, &survey, &error))
        return;
    if (findings_collect(image, &survey, &findings, &error))
        findings_finish(&findings);
    survey_finish(&survey);
}

/* Returns how far it got: 0 refused at once, 1 parsed, 2 patched. */
static int run(const struct fixture *f)
{
    struct image *image;
    struct imports imports;
    struct plan plan;
    struct undo undo;
    uint8_t *bytes;
    uint64_t size;
    int reached = 1;
    bool sound;

    if (!image_parse(f->bytes, f->size, &image, NULL))
        return 0;
    if (undo_find(image, &undo) && in_memory_restore(image, &undo, &bytes, &size, NULL))
        free(bytes);
    sound = is_sound(image);
    if (imports_collect(image, &fixture_options, &imports, NULL)) {
        find(image);
        if (plan_make(image, &imports, &fixture_options, &plan, NULL) == PATCH_READY) {
            /* Either it reads back and leads back, or it is refused. */
            if (in_memory_patch(image, &fixture_options, &plan, &bytes, &size, NULL)) {
                reached = 2;
                if (sound)
                    prove(image, bytes, size);
                free(bytes);
            }
            plan_finish(&plan);
        }
        imports_finish(&imports);
    }
    image_destroy(image);
    return reached;
}

static void fuzz(const struct fixture *source, uint64_t seed)
{
    struct image *sound = fixture_parse(source);
    time_t start = time(NULL);
    size_t reached[3] = {0};

    state = seed;
    for (int i = 0; i < ROUNDS && time(NULL) - start < BUDGET_SECONDS; i++) {
        struct fixture mutant = {malloc(source->size), source->size};
        memcpy(mutant.bytes, source->bytes, source->size);
        mutate(&mutant, sound);
        /* Into a buffer of its very size, so that a sanitizer sees every read behind it. */
        mutant.bytes = realloc(mutant.bytes, mutant.size + (mutant.size == 0));
        reached[run(&mutant)]++;
        fixture_finish(&mutant);
    }
    /* Mutations that are all refused, or all harmless, would test nothing. */
    ck_assert_uint_gt(reached[0], 0);
    ck_assert_uint_gt(reached[2], 0);
    image_destroy(sound);
}

START_TEST(mutated_libraries_never_crash)
{
    static const char *const names[] = {"libboth_hashes.so", "libbss.so"};

    for (size_t i = 0; i < 2; i++) {
        struct fixture f;
        fixture_load(&f, names[i]);
        fuzz(&f, 88172645463325252ULL + i);
        fixture_finish(&f);
    }
}
END_TEST

START_TEST(mutated_libraries_without_section_headers_never_crash)
{
    struct fixture f;

    fixture_load(&f, "liblazy.so");
    fixture_drop_sections(&f);
    fuzz(&f, 1234567);
    fixture_finish(&f);
}
END_TEST

/* Here the mutant is a patched file; so it is not patched again, but read and reverted. */
START_TEST(mutated_patched_libraries_never_crash)
{
    struct fixture original, patched;
    time_t start = time(NULL);

    fixture_load(&original, "libboth_hashes.so");
    fixture_patch(&original, &fixture_options, &patched);
    struct image *sound = fixture_parse(&patched);
    state = 42;
    for (int i = 0; i < ROUNDS && time(NULL) - start < BUDGET_SECONDS; i++) {
        struct fixture mutant = {malloc(patched.size), patched.size};
        memcpy(mutant.bytes, patched.bytes, patched.size);
        mutate(&mutant, sound);
        mutant.bytes = realloc(mutant.bytes, mutant.size + (mutant.size == 0));
        run(&mutant);
        fixture_finish(&mutant);
    }
    image_destroy(sound);
    fixture_finish(&original);
    fixture_finish(&patched);
}
END_TEST

/* --- files that change -------------------------------------------------------------------------
 */

/* What a file has behind its content, so that it does not stay in memory as a small one does, and
 * that glances go round all buffers of a source (see io/source.c). */
enum { STRIDE = 1 << 14, STRIDES = 32, BEHIND = (1 << 20) + STRIDES * STRIDE };

/* A file that somebody else writes to while it is read. */
struct changing {
    struct fixture file;
    const struct image *sound;
    struct image *image;
    struct reader reader;
};

/* One of the bytes that say how long something is, which nobody may look at twice. */
static void change_extent(struct changing *changing)
{
    const struct image *sound = changing->sound;
    const struct image_table extents[] = {
        {.offset = 0, .size = sound->codec->sizes[CODEC_HEADER]},
        {.offset = sound->hash.offset, .size = 2ULL * sound->arch->hash_entry},
        {.offset = sound->gnu_hash.offset, .size = sound->gnu_head.filter_at},
        {.offset = sound->strings.offset + sound->strings.size - 1, .size = 1},
        {.offset = sound->section_names + sound->section_names_size - 1, .size = 1},
    };
    const struct image_table *extent = &extents[number(sizeof(extents) / sizeof(extents[0]))];

    changing->file.bytes[extent->offset + number((uint32_t)extent->size)] = (uint8_t)number(256);
}

/* Every third time the file is another one from here on, and nothing is remembered of what it was
 * but by who keeps it. */
static void change(struct changing *changing)
{
    uint64_t end = changing->file.size;

    if (number(3) != 0)
        return;
    if (number(2) == 0)
        change_extent(changing);
    else
        mutate_bytes(&changing->file, changing->sound);
    for (uint64_t i = 1; i <= STRIDES; i++)
        (void)image_number(changing->image, end - i * STRIDE, 1);
}

/* Whether it could be patched. */
static bool patch_changing(struct changing *changing, const struct patch_options *options,
                           const struct imports *imports)
{
    struct plan plan;
    uint8_t *bytes;
    uint64_t size;

    change(changing);
    if (plan_make(changing->image, imports, options, &plan, NULL) != PATCH_READY)
        return false;
    change(changing);
    bool done = in_memory_patch(changing->image, options, &plan, &bytes, &size, NULL);
    if (done)
        free(bytes);
    plan_finish(&plan);
    return done;
}

/* How far it got, as run(). */
static int run_changing(struct changing *changing)
{
    struct patch_options options = fixture_options;
    struct imports imports;
    struct undo undo;
    uint8_t *bytes;
    uint64_t size;
    int reached = 1;

    options.allow_overlay = true;
    if (!image_open_reader(&changing->reader, &changing->image, NULL))
        return 0;
    change(changing);
    bool recorded = undo_find(changing->image, &undo);
    change(changing);
    if (recorded && in_memory_restore(changing->image, &undo, &bytes, &size, NULL))
        free(bytes);
    change(changing);
    (void)is_sound(changing->image);
    change(changing);
    if (imports_collect(changing->image, &options, &imports, NULL)) {
        change(changing);
        find(changing->image);
        reached += patch_changing(changing, &options, &imports);
        imports_finish(&imports);
    }
    image_destroy(changing->image);
    return reached;
}

static void fuzz_changing(const struct fixture *source, uint64_t seed)
{
    struct changing changing = {.file = {calloc(1, source->size + BEHIND), source->size + BEHIND},
                                .sound = fixture_parse(source)};
    time_t start = time(NULL);
    size_t reached[3] = {0};

    state = seed;
    changing.reader = reader_of_memory(changing.file.bytes, changing.file.size);
    for (int i = 0; i < ROUNDS && time(NULL) - start < BUDGET_SECONDS / 3; i++) {
        memcpy(changing.file.bytes, source->bytes, source->size);
        reached[run_changing(&changing)]++;
    }
    ck_assert_uint_eq(reached[0], 0); /* it changes later than it is opened */
    ck_assert_uint_gt(reached[1], 0);
    image_destroy((struct image *)(uintptr_t)changing.sound);
    fixture_finish(&changing.file);
}

START_TEST(files_that_change_while_they_are_read_never_crash)
{
    struct fixture library, patched, program;

    fixture_load(&library, "libboth_hashes.so");
    fixture_load(&program, "program_hashed"); /* what it imports is hashed too */
    fixture_patch(&library, &fixture_options, &patched);
    fuzz_changing(&library, 2862933555777941757ULL);
    fuzz_changing(&program, 1181783497276652981ULL);
    fuzz_changing(&patched, 3037000493ULL);
    fixture_finish(&library);
    fixture_finish(&program);
    fixture_finish(&patched);
}
END_TEST

/* --- other machines ----------------------------------------------------------------------------
 */

/* Of other machines: both classes, both orders, entries of DT_HASH of both sizes. */
static const char *const machines[] = {
    "libarm_sysv_hash.so",     "libi386_extension.so",  "libppc_extension.so",
    "libppc64_sysv_hash.so",   "libs390x_sysv_hash.so", "libs390x_extension.so",
    "libriscv64_extension.so",
};
enum { MACHINES = sizeof(machines) / sizeof(machines[0]) };

START_TEST(mutated_libraries_of_other_machines_never_crash)
{
    for (size_t i = 0; i < MACHINES; i++) {
        struct fixture f;
        if (!fixture_exists(machines[i]))
            continue;
        fixture_load(&f, machines[i]);
        fuzz(&f, 362436069362436069ULL + i);
        fixture_finish(&f);
    }
}
END_TEST

static int run_machines(void)
{
    const TTest *const tests[] = {mutated_libraries_of_other_machines_never_crash};
    size_t present = 0;

    for (size_t i = 0; i < MACHINES; i++)
        present += fixture_exists(machines[i]);
    return present > 0 ? fixture_run("fuzz machines", tests, 1, MACHINES * BUDGET_SECONDS + 60)
                       : FIXTURE_SKIPPED;
}

int main(int argc, char **argv)
{
    const TTest *const tests[] = {
        mutated_libraries_never_crash,
        mutated_libraries_without_section_headers_never_crash,
        mutated_patched_libraries_never_crash,
        files_that_change_while_they_are_read_never_crash,
    };
    if (argc > 1 && strcmp(argv[1], "machines") == 0)
        return run_machines();
    return FIXTURE_RUN("fuzz", tests);
}
