/* SPDX-License-Identifier: MIT
 *
 * Spare entries first, then those that the loader does not need.
 */
#include "slots.h"

#include "edits.h"
#include "error.h"

/* One of several DT_NULL, so that the last still ends the table; NULL when none is left. */
static const Elf64_Dyn *take_spare(const struct image *image, struct plan *plan)
{
    size_t at = image->dynamic_count + plan->spare_used;

    if (at + 1 >= image->dynamic_capacity || image->dynamic[at + 1].d_tag != DT_NULL)
        return NULL;
    plan->spare_used++;
    return &image->dynamic[at];
}

static bool is_hint(const struct image *image, const Elf64_Dyn *entry)
{
    (void)image;
    (void)entry;
    return true;
}

/* DT_FLAGS asks for nothing but to bind at once, and DT_FLAGS_1 asks for that too. */
static bool is_said_twice(const struct image *image, const Elf64_Dyn *entry)
{
    const Elf64_Dyn *flags = image_dynamic(image, DT_FLAGS_1);

    return entry->d_un.d_val == DF_BIND_NOW && flags != NULL && (flags->d_un.d_val & DF_1_NOW) != 0;
}

static const struct dispensable {
    int64_t tag;
    const char *name;
    bool (*serves)(const struct image *image, const Elf64_Dyn *entry);
} dispensables[] = {
    {DT_RELACOUNT, "DT_RELACOUNT", is_hint},
    {DT_RELCOUNT, "DT_RELCOUNT", is_hint},
    {DT_FLAGS, "DT_FLAGS", is_said_twice},
};

/* NULL when none is left. */
static const Elf64_Dyn *take_dispensable(const struct image *image, struct plan *plan,
                                         const char **name)
{
    while (plan->dispensable_used < sizeof(dispensables) / sizeof(dispensables[0])) {
        const struct dispensable *row = &dispensables[plan->dispensable_used++];
        const Elf64_Dyn *entry = image_dynamic(image, row->tag);
        *name = row->name;
        if (entry != NULL && row->serves(image, entry))
            return entry;
    }
    return NULL;
}

bool slots_set(const struct image *image, const Elf64_Dyn *slot, int64_t tag, uint64_t value,
               struct plan *plan, struct patch_error *error)
{
    uint64_t offset = image_dynamic_offset(image, slot);

    return edits_add_member(image, plan, offset, CODEC_D_TAG, (uint64_t)tag, error) &&
           edits_add_member(image, plan, offset, CODEC_D_VAL, value, error);
}

bool slots_use(const struct image *image, int64_t tag, uint64_t value, const char *purpose,
               struct plan *plan, const char **name, struct patch_error *error)
{
    const char *was = "spare";
    const Elf64_Dyn *slot = take_spare(image, plan);

    if (slot == NULL)
        slot = take_dispensable(image, plan, &was);
    if (slot == NULL)
        return error_set_at(error, PATCH_NO_DYNAMIC_SLOT, ".dynamic",
                            image_dynamic_offset(image, &image->dynamic[image->dynamic_count]),
                            "no spare DT_NULL, and no entry that the loader goes without, to make "
                            "room for %s",
                            purpose);
    if (name != NULL)
        *name = was;
    return slots_set(image, slot, tag, value, plan, error);
}
