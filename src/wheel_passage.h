/* SPDX-License-Identifier: MIT
 *
 * Two archives while one is made from the other: blocks and entries on their way. What RECORD says
 * of each entry is checked as it goes by: nothing that was tampered with gets a new hash.
 */
#ifndef GREENIFY_WHEEL_PASSAGE_H
#define GREENIFY_WHEEL_PASSAGE_H

#include "digest.h"
#include "wheel_file.h"
#include "wheel_list.h"

#include <sys/types.h>

enum { PASSAGE_BLOCK = 1 << 16 };

struct passage {
    struct wheel_file *from;
    struct archive *to;
    const struct wheel_list *list;
    uint64_t limit;    /* bytes that it may unpack to */
    uint64_t unpacked; /* so far */
    unsigned char block[PASSAGE_BLOCK];
    size_t size; /* bytes in the block; 0: the entry has no more */
};

/* The caller finishes it in either case. */
bool passage_init(struct passage *passage, const struct wheel_list *list, uint64_t limit,
                  const char *input, const char *output, struct patch_error *error);
/* The output is whole only when this was called. */
bool passage_complete(struct passage *passage, struct patch_error *error);
/* False and the error when the input could not be read. */
bool passage_finish(struct passage *passage, struct patch_error *error);

/* The next entry; NULL behind the last. */
bool passage_next(struct passage *passage, struct archive_entry **entry, struct patch_error *error);

/* The next block of the current entry. */
bool passage_read(struct passage *passage, const char *name, struct patch_error *error);

/* The block and the rest of the entry, as it is; or into a new file at `path`. */
bool passage_keep(struct passage *passage, struct archive_entry *entry, const char *name,
                  struct patch_error *error);
bool passage_unpack(struct passage *passage, struct archive_entry *entry, const char *name,
                    const char *path, struct patch_error *error);

/* An entry that the wheel did not have; NULL and the error. Free with archive_entry_free(). */
struct archive_entry *passage_new_entry(const char *name, mode_t mode, time_t time,
                                        struct patch_error *error);

/* Appends the file at `path`, or `size` bytes of text, as `entry`, whose size is set here. `sum`
 * becomes that of the file, *written its size. */
bool passage_put_file(struct passage *passage, struct archive_entry *entry, const char *path,
                      char sum[DIGEST_TEXT], uint64_t *written, struct patch_error *error);
bool passage_put_text(struct passage *passage, struct archive_entry *entry, const char *text,
                      size_t size, struct patch_error *error);

#endif
