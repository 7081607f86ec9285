/* SPDX-License-Identifier: MIT
 *
 * The sum of a file's bytes as a RECORD states it: "sha256=" and the digest in base64 for URLs,
 * without padding. The only user of nettle.
 */
#ifndef GREENIFY_DIGEST_H
#define GREENIFY_DIGEST_H

#include <nettle/sha2.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DIGEST_PREFIX "sha256="

enum { DIGEST_TEXT = sizeof(DIGEST_PREFIX) + 43 }; /* with the end of the string */

/* Plain data. */
struct digest {
    struct sha256_ctx context;
    uint64_t size; /* bytes so far */
};

void digest_init(struct digest *digest);
void digest_update(struct digest *digest, const void *bytes, size_t size);
void digest_finish(struct digest *digest, char text[DIGEST_TEXT]);

/* Of a whole file; false and errno when it cannot be read. */
bool digest_file(const char *path, char text[DIGEST_TEXT], uint64_t *size);

#endif
