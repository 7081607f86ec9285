/* SPDX-License-Identifier: MIT
 *
 * What the files findings*.c share.
 */
#ifndef PATCHER_FINDINGS_PRIVATE_H
#define PATCHER_FINDINGS_PRIVATE_H

#include "scan/disasm.h"
#include "scan/findings.h"
#include "scan/values.h"

struct collecting {
    const struct image *image;
    const struct survey *survey;
    struct findings *findings;
    struct disasm *disasm; /* NULL: the code is not decoded */
    bool looks_up;         /* by a name that is not known */
    struct patch_error *error;
};

/* What a finding at a place in the code, and one about an import, begins with. */
struct patch_finding findings_placed(enum patch_finding_kind kind,
                                     const struct function_place *place);
struct patch_finding findings_imported(enum patch_finding_kind kind, const char *waits);

/* Copies `what` (or NULL) and the name of the function. */
PATCH_MUST_CHECK bool findings_add(struct collecting *collecting, struct patch_finding finding,
                                   const char *what);

/* One about the system call whose number stands in `where`, if that is known. */
PATCH_MUST_CHECK bool findings_add_numbered(struct collecting *collecting,
                                            struct patch_finding finding, enum syscall_table table,
                                            const struct values *values, int where);

/* Whether a function with that role is imported. */
bool findings_has_role(const struct survey *survey, enum watched_role role);

/* The calls of functions that are told what to do, and whether one looks up a name that is not
 * known.
 */
PATCH_MUST_CHECK bool findings_collect_calls(struct collecting *collecting);

#endif
