/* SPDX-License-Identifier: MIT
 *
 * Things that one flow of the process does at a time: who has claimed one does it, the others see
 * that they have to wait, or have no business there.
 */
#ifndef GREEN_CLAIMS_H
#define GREEN_CLAIMS_H

#include <stdbool.h>

/* false: it is claimed already. Without memory the claim is granted and not recorded. */
bool claim_take(const void *thing);

/* Does nothing where there is no claim. */
void claim_drop(const void *thing);

#endif
