/* SPDX-License-Identifier: MIT
 *
 * Fixtures come from $FIXTURES, the folder that meson built them in.
 */
#include "fixture.h"

#include "io/in_memory.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const functions[] = {"send", "recv", "poll", NULL};

const struct patch_options fixture_options = {
    .functions = functions,
    .prefix = "greenify_",
    .runtime = "libgreen.so.1",
};

static char folder[256];

static const char *join(const char *directory, const char *name)
{
    static char paths[4][512];
    static unsigned next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof(paths[0]), "%s/%s", directory, name);
    return path;
}

const char *fixture_path(const char *name)
{
    const char *directory = getenv("FIXTURES");

    ck_assert_msg(directory != NULL, "FIXTURES is not set: run by `meson test`");
    return join(directory, name);
}

const char *fixture_temporary(const char *name)
{
    return join(folder, name);
}

bool fixture_exists(const char *name)
{
    const char *directory = getenv("FIXTURES");

    /* Asked before a test runs, where nothing may be asserted. */
    return directory != NULL && access(join(directory, name), R_OK) == 0;
}

void fixture_read(struct fixture *fixture, const char *path)
{
    FILE *stream = fopen(path, "rb");

    ck_assert_msg(stream != NULL, "cannot open %s", path);
    ck_assert_int_eq(fseek(stream, 0, SEEK_END), 0);
    fixture->size = (uint64_t)ftell(stream);
    rewind(stream);
    fixture->bytes = malloc(fixture->size + 1);
    ck_assert_ptr_nonnull(fixture->bytes);
    ck_assert_uint_eq(fread(fixture->bytes, 1, fixture->size, stream), fixture->size);
    fclose(stream);
}

void fixture_load(struct fixture *fixture, const char *name)
{
    fixture_read(fixture, fixture_path(name));
}

void fixture_write(const struct fixture *fixture, const char *path)
{
    FILE *stream = fopen(path, "wb");

    ck_assert_msg(stream != NULL, "cannot create %s", path);
    ck_assert_uint_eq(fwrite(fixture->bytes, 1, fixture->size, stream), fixture->size);
    ck_assert_int_eq(fclose(stream), 0);
}

const char *fixture_copy(const char *name, const char *as)
{
    struct fixture fixture;
    const char *path = fixture_temporary(as);

    fixture_load(&fixture, name);
    fixture_write(&fixture, path);
    fixture_finish(&fixture);
    return path;
}

void fixture_finish(struct fixture *fixture)
{
    free(fixture->bytes);
    fixture->bytes = NULL;
}

void fixture_folder_make(void)
{
    const char *base = getenv("TMPDIR");

    snprintf(folder, sizeof(folder), "%s/greenify-test-XXXXXX", base != NULL ? base : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

static size_t each_file(bool remove_it)
{
    DIR *directory = opendir(folder);
    size_t count = 0;

    if (directory == NULL)
        return 0;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        count++;
        if (remove_it)
            remove(fixture_temporary(entry->d_name));
    }
    closedir(directory);
    return count;
}

size_t fixture_folder_count(void)
{
    return each_file(false);
}

void fixture_folder_remove(void)
{
    each_file(true);
    rmdir(folder);
}

/* --- parsing and patching ----------------------------------------------------------------------
 */

static void expect(bool done, const struct patch_error *error)
{
    char text[400];

    patch_error_format(error, text, sizeof(text));
    ck_assert_msg(done, "%s: %s", patch_code_name(error->code), text);
}

struct image *fixture_parse(const struct fixture *fixture)
{
    struct patch_error error = {0};
    struct image *image;

    expect(image_parse(fixture->bytes, fixture->size, &image, &error), &error);
    return image;
}

struct patch_error fixture_parse_error(const struct fixture *in)
{
    struct patch_error error = {0};
    struct image *image;

    ck_assert_msg(!image_parse(in->bytes, in->size, &image, &error), "was accepted");
    ck_assert_ptr_null(image);
    return error;
}

void fixture_patch(const struct fixture *in, const struct patch_options *options,
                   struct fixture *out)
{
    struct patch_error error = {0};
    struct imports imports;
    struct plan plan;
    struct image *image = fixture_parse(in);

    expect(imports_collect(image, options, &imports, &error), &error);
    expect(plan_make(image, &imports, options, &plan, &error) == PATCH_READY, &error);
    expect(in_memory_patch(image, options, &plan, &out->bytes, &out->size, &error), &error);
    plan_finish(&plan);
    imports_finish(&imports);
    image_destroy(image);
}

struct patch_error fixture_refusal(const struct fixture *in, const struct patch_options *options)
{
    struct patch_error error = {0};
    struct imports imports;
    struct plan plan;
    struct image *image = fixture_parse(in);

    if (imports_collect(image, options, &imports, &error)) {
        ck_assert_int_eq(plan_make(image, &imports, options, &plan, &error), PATCH_FAILED);
        imports_finish(&imports);
    }
    image_destroy(image);
    return error;
}

/* --- places to break ---------------------------------------------------------------------------
 */

Elf64_Ehdr *fixture_header(struct fixture *fixture)
{
    return (Elf64_Ehdr *)(void *)fixture->bytes;
}

Elf64_Phdr *fixture_segment(struct fixture *fixture, uint32_t type, size_t which)
{
    const Elf64_Ehdr *header = fixture_header(fixture);
    Elf64_Phdr *segments = (Elf64_Phdr *)(void *)(fixture->bytes + header->e_phoff);

    for (size_t i = 0; i < header->e_phnum; i++)
        if (segments[i].p_type == type && which-- == 0)
            return &segments[i];
    ck_abort_msg("no such segment");
}

Elf64_Shdr *fixture_section(struct fixture *fixture, const char *name)
{
    const Elf64_Ehdr *header = fixture_header(fixture);
    Elf64_Shdr *sections = (Elf64_Shdr *)(void *)(fixture->bytes + header->e_shoff);
    const char *names = (const char *)fixture->bytes + sections[header->e_shstrndx].sh_offset;

    for (size_t i = 0; i < header->e_shnum; i++)
        if (strcmp(names + sections[i].sh_name, name) == 0)
            return &sections[i];
    ck_abort_msg("no section %s", name);
}

Elf64_Dyn *fixture_dynamic(struct fixture *fixture, int64_t tag)
{
    const Elf64_Phdr *segment = fixture_segment(fixture, PT_DYNAMIC, 0);
    Elf64_Dyn *entries = (Elf64_Dyn *)(void *)(fixture->bytes + segment->p_offset);

    for (size_t i = 0; i < segment->p_filesz / sizeof(*entries); i++)
        if (entries[i].d_tag == tag)
            return &entries[i];
    ck_abort_msg("no dynamic entry with tag %ld", (long)tag);
}

uint64_t fixture_offset(const struct fixture *fixture, const void *pointer)
{
    return (uint64_t)((const uint8_t *)pointer - fixture->bytes);
}

void fixture_fill_caves(struct fixture *fixture)
{
    struct image *image = fixture_parse(fixture);

    for (size_t i = 0; i < image->segment_count; i++) {
        const Elf64_Phdr *s = &image->segments[i];
        if (s->p_type == PT_LOAD && (s->p_flags & PF_W) == 0)
            fixture->bytes[s->p_offset + s->p_filesz] = 0x90;
    }
    image_destroy(image);
}

static void clear_member(struct fixture *fixture, const struct image *image,
                         enum codec_member member)
{
    struct codec_place place = codec_place(image->codec, member);

    memset(fixture->bytes + place.offset, 0, place.width);
}

void fixture_drop_sections(struct fixture *fixture)
{
    struct image *image = fixture_parse(fixture);
    uint64_t end = 0;

    clear_member(fixture, image, CODEC_E_SHOFF);
    clear_member(fixture, image, CODEC_E_SHNUM);
    clear_member(fixture, image, CODEC_E_SHSTRNDX);
    for (size_t i = 0; i < image->segment_count; i++) {
        const Elf64_Phdr *s = &image->segments[i];
        if (s->p_offset + s->p_filesz > end)
            end = s->p_offset + s->p_filesz;
    }
    image_destroy(image);
    fixture->size = end;
}

void fixture_move_headers(struct fixture *fixture, size_t count)
{
    const Elf64_Ehdr *header = fixture_header(fixture);
    uint64_t from = header->e_phoff;
    uint64_t to = (fixture->size + 7) & ~(uint64_t)7;
    uint64_t size = header->e_phnum * sizeof(Elf64_Phdr);

    fixture->bytes = realloc(fixture->bytes, to + count * sizeof(Elf64_Phdr));
    ck_assert_ptr_nonnull(fixture->bytes);
    memset(fixture->bytes + fixture->size, 0, to + count * sizeof(Elf64_Phdr) - fixture->size);
    memcpy(fixture->bytes + to, fixture->bytes + from, size);
    fixture_header(fixture)->e_phoff = to;
    fixture_header(fixture)->e_phnum = (Elf64_Half)count;
    fixture->size = to + count * sizeof(Elf64_Phdr);
}

uint32_t fixture_symbol(const struct image *image, const char *name)
{
    for (uint32_t i = 0; i < image->symbol_count; i++)
        if (strcmp(image_symbol_name(image, i), name) == 0)
            return i;
    ck_abort_msg("no symbol %s", name);
}

int fixture_run(const char *module, const TTest *const *tests, size_t count, double timeout)
{
    Suite *suite = suite_create(module);
    TCase *tests_case = tcase_create(module);
    SRunner *runner = srunner_create(suite);

    tcase_add_checked_fixture(tests_case, fixture_folder_make, fixture_folder_remove);
    tcase_set_timeout(tests_case, timeout);
    for (size_t i = 0; i < count; i++)
        tcase_add_test(tests_case, tests[i]);
    suite_add_tcase(suite, tests_case);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
