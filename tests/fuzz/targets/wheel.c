/* SPDX-License-Identifier: MIT
 *
 * A wheel: the list of its entries and, when that is accepted, the copy with patched libraries.
 */
#include "wheel_copy.h"

#include "fuzz.h"
#include "hooklist.h"
#include "settings.h"

#include <stdlib.h>
#include <unistd.h>

static void copy(struct wheel_list *list, const struct settings *settings, const char *input)
{
    struct transaction_hold hold;
    struct wheel_copy passage = {.settings = settings, .list = list, .folder = fuzz_path("")};
    struct patch_error error = {0};
    const char *output = fuzz_path("output");

    transaction_hold_signals(&hold);
    passage.hold = &hold;
    if (!wheel_copy_run(&passage, input, output, &error))
        FUZZ_REQUIRE(error.code != PATCH_OK && error.reason[0] != '\0', "failed without reason");
    wheel_copy_finish(&passage);
    transaction_release(&hold);
    unlink(output);
}

void fuzz_wheel(const uint8_t *bytes, size_t size)
{
    char reason[160];
    struct settings settings = {
        .runtime = SETTINGS_RUNTIME,
        .hooks = hooklist_parse("net,poll", reason, sizeof(reason)),
        .size_limit = 1 << 20,
        .unsign = size % 2 == 0,
        .verbosity = -1,
        .runtime_file = getenv("FUZZ_RUNTIME"), /* small, and in need of nothing */
    };
    const char *path = fuzz_write("input.whl", bytes, size);
    struct patch_error error = {0};
    struct wheel_list list;

    if (wheel_list_read(&list, path, &settings, &error))
        copy(&list, &settings, path);
    else
        fuzz_require_told(&error);
    wheel_list_finish(&list);
    settings_finish(&settings);
}
