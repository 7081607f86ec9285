/* SPDX-License-Identifier: MIT
 *
 * Whether the imports go to the runtime, and whether there is a way back.
 */
#include "check/verify.h"
#include "plan.h"

#include <stdio.h>
#include <string.h>

enum patch_verdict check_redirected(const struct verify_subject *subject, char *detail)
{
    const struct imports *imports = subject->imports;
    struct patch_error error;

    if (imports->pending > 0 &&
        !plan_check_protected(subject->image, imports, subject->options, &error))
        return verify_skip(detail, "it must not be: %s", error.reason);
    for (size_t i = 0; i < imports->count; i++) {
        const struct import *import = &imports->items[i];
        if (import->wanted && !import->redirected)
            return verify_fault(detail, ".dynsym[%u]: %s is not redirected (%zu of %zu are not)",
                                import->symbol, import->name, imports->pending,
                                imports->pending + imports->redirected);
    }
    return verify_pass(detail, "%zu imports", imports->redirected);
}

enum patch_verdict check_unversioned(const struct verify_subject *subject, char *detail)
{
    const struct imports *imports = subject->imports;

    for (size_t i = 0; i < imports->count; i++) {
        const char *version =
            versions_name(subject->versions, subject->image, imports->items[i].symbol);
        /* A library that was linked with a versioned runtime has its version here. */
        if (imports->items[i].redirected && version != NULL && strncmp(version, "GLIBC_", 6) == 0)
            return verify_fault(detail, ".dynsym[%u]: %s%s still asks for version %s",
                                imports->items[i].symbol, subject->options->prefix,
                                imports->items[i].name, version);
    }
    return PATCH_PASS;
}

enum patch_verdict check_runtime(const struct verify_subject *subject, char *detail)
{
    if (subject->imports->redirected == 0)
        return verify_skip(detail, "nothing is redirected");
    if (!subject->imports->runtime_needed)
        return verify_fault(detail, ".dynamic: no DT_NEEDED for %s", subject->options->runtime);
    return PATCH_PASS;
}

enum patch_verdict check_undo(const struct verify_subject *subject, char *detail)
{
    const struct verify_undo *undo = subject->undo;

    if (undo == NULL)
        return verify_skip(detail, "was not followed");
    snprintf(detail, VERIFY_DETAIL, "%s", undo->detail);
    return undo->verdict;
}
