/* SPDX-License-Identifier: MIT
 *
 * What is found in one library that has everything, and that broken code and tables do no harm.
 * tests/command/test_scan.py knows the places; here is what a sanitizer should watch.
 */
#include "fixture.h"
#include "scan/findings.h"
#include "scan/strings.h"
#include "scan/values.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUNDS = 3000, BUDGET_SECONDS = 5 };

static const char *const others[] = {"pthread_mutex_lock", "connect", "poll", "sleep", NULL};

static struct patch_options options(void)
{
    struct patch_options options = fixture_options;

    options.others = others;
    return options;
}

static struct findings find(const struct image *image)
{
    struct patch_options wanted = options();
    struct findings findings;
    struct survey survey;
    struct patch_error error = {0};

    ck_assert_msg(survey_make(image, &wanted, &survey, &error), "%s", error.reason);
    ck_assert_msg(findings_collect(image, &survey, &findings, &error), "%s", error.reason);
    survey_finish(&survey);
    return findings;
}

static size_t count(const struct findings *findings, enum patch_finding_kind kind, bool certain)
{
    size_t number = 0;

    for (size_t i = 0; i < findings->count; i++)
        number += findings->items[i].kind == kind && findings->items[i].certain == certain;
    return number;
}

static bool has_call(const struct findings *findings, enum patch_finding_kind kind,
                     const char *what, const char *function)
{
    for (size_t i = 0; i < findings->count; i++) {
        const struct patch_finding *finding = &findings->items[i];
        if (finding->kind == kind && finding->what != NULL && finding->function != NULL &&
            strcmp(finding->what, what) == 0 && strcmp(finding->function, function) == 0)
            return true;
    }
    return false;
}

START_TEST(each_kind_is_found)
{
    struct fixture f;

    fixture_load(&f, "libwaits.so");
    struct image *image = fixture_parse(&f);
    struct findings findings = find(image);
    ck_assert_uint_gt(count(&findings, PATCH_FINDING_TRAP, true), 5);
    ck_assert_uint_eq(count(&findings, PATCH_FINDING_TRAP, false), 0);
    ck_assert_uint_eq(count(&findings, PATCH_FINDING_SYSCALL, true), 3);
    ck_assert_uint_eq(count(&findings, PATCH_FINDING_LOOKUP, true), 1);
    ck_assert_uint_eq(count(&findings, PATCH_FINDING_LOOKUP, false), 3);
    ck_assert_uint_eq(count(&findings, PATCH_FINDING_OPENED, true), 2);
    ck_assert_uint_eq(count(&findings, PATCH_FINDING_STREAM, false), 2);
    ck_assert_uint_eq(count(&findings, PATCH_FINDING_COPY, true), 1);
    ck_assert_uint_eq(count(&findings, PATCH_FINDING_COPY, false), 1);
    ck_assert_uint_eq(count(&findings, PATCH_FINDING_NOT_CHOSEN, true), 1);
    ck_assert_uint_eq(count(&findings, PATCH_FINDING_NOT_HOOKED, true), 1);
    ck_assert(has_call(&findings, PATCH_FINDING_TRAP, "read", "trap_read"));
    ck_assert(has_call(&findings, PATCH_FINDING_SYSCALL, "futex", "waits_by_syscall"));
    ck_assert(has_call(&findings, PATCH_FINDING_LOOKUP, "connect", "waits_found"));
    ck_assert(has_call(&findings, PATCH_FINDING_OPENED, "libother.so.1", "waits_opened"));
    findings_finish(&findings);
    image_destroy(image);
    fixture_finish(&f);
}
END_TEST

/* Sorted by kind, so that reports group them. */
START_TEST(kinds_come_in_their_order)
{
    struct fixture f;

    fixture_load(&f, "libwaits.so");
    struct image *image = fixture_parse(&f);
    struct findings findings = find(image);
    for (size_t i = 1; i < findings.count; i++)
        ck_assert_int_le(findings.items[i - 1].kind, findings.items[i].kind);
    for (size_t i = 0; i < findings.count; i++) {
        ck_assert_ptr_nonnull(patch_finding_name(findings.items[i].kind));
        ck_assert_ptr_nonnull(patch_finding_reason(findings.items[i].kind));
    }
    findings_finish(&findings);
    image_destroy(image);
    fixture_finish(&f);
}
END_TEST

static uint64_t state = 88172645463325252ULL;

static uint64_t number(uint64_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % below;
}

static void spoil(struct fixture *mutant, const struct fixture *f, const char *section)
{
    const Elf64_Shdr *s = fixture_section((struct fixture *)(uintptr_t)f, section);

    for (uint64_t n = 1 + number(8); n > 0; n--)
        mutant->bytes[s->sh_offset + number(s->sh_size)] = (uint8_t)number(256);
}

/* Code, constants and tables that nothing checks beforehand. */
START_TEST(broken_contents_do_no_harm)
{
    static const char *const sections[] = {".text", ".rodata", ".eh_frame", ".eh_frame_hdr",
                                           ".plt",  ".symtab", ".strtab",   ".rela.plt"};
    time_t start = time(NULL);
    struct fixture f;

    fixture_load(&f, "libwaits.so");
    for (int i = 0; i < ROUNDS && time(NULL) - start < BUDGET_SECONDS; i++) {
        struct fixture mutant = {malloc(f.size), f.size};
        struct patch_options wanted = options();
        struct patch_error error;
        struct image *image;
        struct survey survey;
        struct findings findings;

        memcpy(mutant.bytes, f.bytes, f.size);
        spoil(&mutant, &f, sections[number(sizeof(sections) / sizeof(sections[0]))]);
        if (image_parse(mutant.bytes, mutant.size, &image, &error)) {
            if (survey_make(image, &wanted, &survey, &error)) {
                if (findings_collect(image, &survey, &findings, &error))
                    findings_finish(&findings);
                survey_finish(&survey);
            }
            image_destroy(image);
        }
        fixture_finish(&mutant);
    }
    fixture_finish(&f);
}
END_TEST

static bool note(void *context, const char *name, uint64_t address)
{
    (void)address;
    if (strcmp(name, "libother.so.1") == 0 || strcmp(name, "no_hook") == 0)
        ++*(int *)context;
    return true;
}

START_TEST(strings_stand_between_two_ends)
{
    static const char *const names[] = {"hook", "libother.so.1", "no_hook", "other.so.1"};
    struct fixture f;
    struct patch_error error;
    int found = 0;

    fixture_load(&f, "libwaits.so");
    struct image *image = fixture_parse(&f);
    ck_assert(strings_search(image, names, 4, note, &found, &error));
    ck_assert_int_eq(found, 2);
    ck_assert(strings_search(image, names, 0, note, &found, &error));
    ck_assert_int_eq(found, 2);
    image_destroy(image);
    fixture_finish(&f);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        each_kind_is_found,
        kinds_come_in_their_order,
        broken_contents_do_no_harm,
        strings_stand_between_two_ends,
    };
    return fixture_exists("libwaits.so") ? FIXTURE_RUN("findings", tests) : FIXTURE_SKIPPED;
}
