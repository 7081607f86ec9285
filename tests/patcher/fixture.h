/* SPDX-License-Identifier: MIT
 *
 * What the patcher's tests share: fixtures in memory, to be broken, and files in a folder of their
 * own.
 */
#ifndef TESTS_FIXTURE_H
#define TESTS_FIXTURE_H

#include <check.h>

#include "elf/image.h"
#include "imports.h"
#include "patcher.h"
#include "plan.h"

/* recv, send and poll become greenify_..., which libgreen.so.1 provides. */
extern const struct patch_options fixture_options;

struct fixture {
    uint8_t *bytes;
    uint64_t size;
};

/* Whether the build could make this fixture (another machine's needs a compiler for it). */
bool fixture_exists(const char *name);

/* Exit status by which a test program says that it was skipped. */
enum { FIXTURE_SKIPPED = 77 };

/* Path of a fixture; of a file in the temporary folder. In static storage, good for four calls. */
const char *fixture_path(const char *name);
const char *fixture_temporary(const char *name);

void fixture_load(struct fixture *fixture, const char *name); /* a fixture by name */
void fixture_read(struct fixture *fixture, const char *path); /* any file */
void fixture_write(const struct fixture *fixture, const char *path);
void fixture_finish(struct fixture *fixture);

/* Copies a fixture into the temporary folder; the path in static storage, as above. */
const char *fixture_copy(const char *name, const char *as);

/* The folder is made for each test and removed with what is in it afterwards. */
void fixture_folder_make(void);
void fixture_folder_remove(void);
size_t fixture_folder_count(void); /* files in it */

/* Parses what must be sound. */
struct image *fixture_parse(const struct fixture *fixture);

/* Parses, collects, plans and rewrites in memory, which must work: *out is the patched file. */
void fixture_patch(const struct fixture *in, const struct patch_options *options,
                   struct fixture *out);

/* Plans and expects a refusal. */
struct patch_error fixture_refusal(const struct fixture *in, const struct patch_options *options);

/* Parses and expects a refusal. */
struct patch_error fixture_parse_error(const struct fixture *in);

/* Pointers into the bytes, to break them. */
Elf64_Ehdr *fixture_header(struct fixture *fixture);
Elf64_Phdr *fixture_segment(struct fixture *fixture, uint32_t type, size_t which);
Elf64_Shdr *fixture_section(struct fixture *fixture, const char *name);
Elf64_Dyn *fixture_dynamic(struct fixture *fixture, int64_t tag);
uint64_t fixture_offset(const struct fixture *fixture, const void *pointer);

/* Leaves no padding behind read-only segments, so that only the extension layout can serve. */
void fixture_fill_caves(struct fixture *fixture);

/* Takes the section headers away, and what stands behind the last segment. */
void fixture_drop_sections(struct fixture *fixture);

/* Copies the program header table to the end of the file and makes it `count` entries long. */
void fixture_move_headers(struct fixture *fixture, size_t count);

/* Index of the dynamic symbol with this name; fails the test without. */
uint32_t fixture_symbol(const struct image *image, const char *name);

/* Runs a suite with one test case; the exit status of the test program. */
int fixture_run(const char *module, const TTest *const *tests, size_t count, double timeout);

#define FIXTURE_RUN(module, tests) fixture_run(module, tests, sizeof(tests) / sizeof(*(tests)), 60)

#endif
