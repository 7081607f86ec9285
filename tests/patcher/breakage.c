/* SPDX-License-Identifier: MIT
 *
 * Edits of a fixture's bytes, by the structures of <elf.h>, and the table of them.
 */
#include "breakage.h"

#include "io/in_memory.h"

#include <string.h>

/* --- segments ----------------------------------------------------------------------------------
 */

/* One more segment to load, in the place of a header that nothing else refers to. */
static Elf64_Phdr *add_load(struct fixture *f, uint64_t offset, uint64_t address, uint64_t align)
{
    Elf64_Phdr *s = fixture_segment(f, PT_GNU_STACK, 0);

    *s = (Elf64_Phdr){.p_type = PT_LOAD,
                      .p_flags = PF_R,
                      .p_offset = offset,
                      .p_vaddr = address,
                      .p_filesz = 8,
                      .p_memsz = 8,
                      .p_align = align};
    return s;
}

static void load_off_the_page(struct fixture *f)
{
    add_load(f, 0x10, 0x100008, 8);
}

static void load_of_small_alignment(struct fixture *f)
{
    add_load(f, 0, 0x100000, 8);
}

static Elf64_Phdr *last_load(struct fixture *f)
{
    Elf64_Phdr *last = fixture_segment(f, PT_LOAD, 0);

    for (Elf64_Phdr *s = last; s->p_type == PT_LOAD; s++)
        last = s;
    return last;
}

static void load_in_a_used_page(struct fixture *f)
{
    uint64_t end = last_load(f)->p_vaddr + last_load(f)->p_memsz;

    add_load(f, (end + 16) % 4096, end + 16, 4096);
}

/* Of 64 KiB, which AArch64 has; no page of 4 KiB is shared. */
static void load_in_a_used_large_page(struct fixture *f)
{
    uint64_t end = (last_load(f)->p_vaddr + last_load(f)->p_memsz + 4095) & ~4095ULL;

    ck_assert_uint_ne(end % 65536, 0);
    ck_assert_uint_lt(end % 65536, f->size - 8);
    add_load(f, end % 65536, end, 65536);
}

static void other_bytes_in_a_part(struct fixture *f)
{
    fixture_segment(f, PT_GNU_EH_FRAME, 0)->p_offset += 8;
}

static void table_that_is_not_the_table(struct fixture *f)
{
    fixture_segment(f, PT_PHDR, 0)->p_memsz -= sizeof(Elf64_Phdr);
}

static void interpreter_without_an_end(struct fixture *f)
{
    fixture_segment(f, PT_INTERP, 0)->p_filesz -= 1;
}

static void text_that_is_written_to(struct fixture *f)
{
    for (size_t i = 0;; i++) {
        Elf64_Phdr *s = fixture_segment(f, PT_LOAD, i);
        if ((s->p_flags & PF_X) == 0)
            continue;
        s->p_flags |= PF_W;
        return;
    }
}

static void relro_behind_its_segment(struct fixture *f)
{
    fixture_segment(f, PT_GNU_RELRO, 0)->p_memsz += 0x10000;
}

static void odd_thread_alignment(struct fixture *f)
{
    fixture_segment(f, PT_TLS, 0)->p_align = 3;
}

static void thread_symbol_behind_its_segment(struct fixture *f)
{
    struct image *image = fixture_parse(f);
    uint64_t place = image_symbol_offset(image, fixture_symbol(image, "calls_thread_zeroed"));
    image_destroy(image);
    ((Elf64_Sym *)(void *)(f->bytes + place))->st_value = 1 << 20;
}

static Elf64_Nhdr *first_note(struct fixture *f)
{
    return (Elf64_Nhdr *)(void *)(f->bytes + fixture_segment(f, PT_NOTE, 0)->p_offset);
}

static void note_with_a_long_name(struct fixture *f)
{
    first_note(f)->n_namesz = 0xfff;
}

/* --- sections ----------------------------------------------------------------------------------
 */

static void section_that_shows_other_bytes(struct fixture *f)
{
    fixture_section(f, ".text")->sh_offset += 1;
    fixture_section(f, ".text")->sh_size -= 1;
}

static void symbols_without_names(struct fixture *f)
{
    fixture_section(f, ".symtab")->sh_link = 0xfff;
}

static void sections_that_overlap(struct fixture *f)
{
    fixture_section(f, ".comment")->sh_offset = fixture_section(f, ".symtab")->sh_offset;
}

/* --- the dynamic section -----------------------------------------------------------------------
 */

static void dynamic_section_elsewhere(struct fixture *f)
{
    Elf64_Shdr *s = fixture_section(f, ".dynamic");

    s->sh_offset += sizeof(Elf64_Dyn);
    s->sh_addr += sizeof(Elf64_Dyn);
    s->sh_size -= sizeof(Elf64_Dyn);
}

static void dynamic_section_cut_off(struct fixture *f)
{
    fixture_section(f, ".dynamic")->sh_size = sizeof(Elf64_Dyn);
}

static void name_behind_dynstr(struct fixture *f)
{
    fixture_dynamic(f, DT_SONAME)->d_un.d_val = 1 << 20;
}

/* The last is the one that was added. */
static Elf64_Dyn *runtime_entry(struct fixture *f)
{
    Elf64_Dyn *found = NULL;

    for (Elf64_Dyn *entry = fixture_dynamic(f, DT_NEEDED); entry->d_tag != DT_NULL; entry++)
        if (entry->d_tag == DT_NEEDED)
            found = entry;
    return found;
}

static void runtime_twice(struct fixture *f)
{
    *fixture_dynamic(f, DT_SONAME) = *runtime_entry(f);
}

static void part_of_an_entry(struct fixture *f)
{
    fixture_dynamic(f, DT_INIT_ARRAYSZ)->d_un.d_val += 1;
}

static void table_outside_the_file(struct fixture *f)
{
    fixture_dynamic(f, DT_FINI_ARRAY)->d_un.d_ptr = 0x70000000;
}

static void entries_without_a_size(struct fixture *f)
{
    fixture_dynamic(f, DT_RELAENT)->d_tag = DT_DEBUG;
}

static void initialiser_without_code(struct fixture *f)
{
    fixture_dynamic(f, DT_INIT)->d_un.d_ptr = 0;
}

/* --- symbols -----------------------------------------------------------------------------------
 */

static Elf64_Sym *symbol_named(struct fixture *f, const char *name)
{
    struct image *image = fixture_parse(f);
    uint64_t place = image_symbol_offset(image, fixture_symbol(image, name));

    image_destroy(image);
    return (Elf64_Sym *)(void *)(f->bytes + place);
}

static void string_section_left_behind(struct fixture *f)
{
    fixture_section(f, ".dynstr")->sh_size -= 1;
}

static void wrong_count_of_local_symbols(struct fixture *f)
{
    fixture_section(f, ".dynsym")->sh_info += 1;
}

static void function_nowhere(struct fixture *f)
{
    symbol_named(f, "calls_poll")->st_value = 0x70000000;
}

static void stale_hash(struct fixture *f)
{
    struct fixture original;
    const Elf64_Shdr *hash = fixture_section(f, ".hash");

    fixture_load(&original, "libsysv_hash.so");
    memcpy(f->bytes + hash->sh_offset, original.bytes + hash->sh_offset, hash->sh_size);
    fixture_finish(&original);
}

static void empty_bucket(struct fixture *f)
{
    uint32_t *words = (uint32_t *)(void *)(f->bytes + fixture_section(f, ".hash")->sh_offset);

    for (uint32_t b = 0; b < words[0]; b++)
        words[2 + b] = 0;
}

static void name_that_is_not_hashed(struct fixture *f)
{
    symbol_named(f, "calls_poll")->st_name += 1;
}

static uint32_t *gnu_words(struct fixture *f)
{
    return (uint32_t *)(void *)(f->bytes + fixture_section(f, ".gnu.hash")->sh_offset);
}

static void filter_that_hides_all(struct fixture *f)
{
    uint32_t *words = gnu_words(f);

    memset(words + 4, 0, words[2] * sizeof(uint64_t));
}

static void empty_gnu_bucket(struct fixture *f)
{
    uint32_t *words = gnu_words(f);
    uint32_t *buckets = words + 4 + 2 * words[2];

    for (uint32_t b = 0; b < words[0]; b++)
        if (buckets[b] == words[1])
            buckets[b] = 0;
}

static uint16_t *version_of(struct fixture *f, const char *name)
{
    struct image *image = fixture_parse(f);
    uint64_t place = image->versions.offset + 2 * fixture_symbol(image, name);

    image_destroy(image);
    return (uint16_t *)(void *)(f->bytes + place);
}

static void version_that_does_not_exist(struct fixture *f)
{
    *version_of(f, "greenify_recv") = 77;
}

static void version_of_libc(struct fixture *f)
{
    *version_of(f, "greenify_recv") = 2;
}

static void wrong_hash_of_a_need(struct fixture *f)
{
    Elf64_Verneed *need =
        (Elf64_Verneed *)(void *)(f->bytes + fixture_section(f, ".gnu.version_r")->sh_offset);

    ((Elf64_Vernaux *)(void *)((uint8_t *)need + need->vn_aux))->vna_hash ^= 1;
}

static void need_of_another_file(struct fixture *f)
{
    Elf64_Verneed *need =
        (Elf64_Verneed *)(void *)(f->bytes + fixture_section(f, ".gnu.version_r")->sh_offset);

    need->vn_file += 1;
}

static void one_need_too_many(struct fixture *f)
{
    fixture_dynamic(f, DT_VERNEEDNUM)->d_un.d_val += 1;
}

static void wrong_hash_of_a_definition(struct fixture *f)
{
    Elf64_Verdef *definition =
        (Elf64_Verdef *)(void *)(f->bytes + fixture_section(f, ".gnu.version_d")->sh_offset);

    definition->vd_hash ^= 1;
}

/* --- relocations -------------------------------------------------------------------------------
 */

static Elf64_Rela *relocations_of(struct fixture *f, const char *section)
{
    return (Elf64_Rela *)(void *)(f->bytes + fixture_section(f, section)->sh_offset);
}

static void slot_nowhere(struct fixture *f)
{
    relocations_of(f, ".rela.plt")[0].r_offset = 0x70000000;
}

static void relocation_of_text(struct fixture *f)
{
    relocations_of(f, ".rela.dyn")[0].r_offset = fixture_section(f, ".text")->sh_addr;
}

static void relocation_of_an_unknown_type(struct fixture *f)
{
    Elf64_Rela *first = relocations_of(f, ".rela.dyn");
    struct image *image = fixture_parse(f);

    first->r_info = ELF64_R_INFO((uint64_t)fixture_symbol(image, "getpid"), 0xfff);
    image_destroy(image);
}

static void packed_relocation_nowhere(struct fixture *f)
{
    *(uint64_t *)(void *)(f->bytes + fixture_section(f, ".relr.dyn")->sh_offset) = 0x70000000;
}

/* --- the redirection ---------------------------------------------------------------------------
 */

static void nothing(struct fixture *f)
{
    (void)f;
}

static void no_runtime(struct fixture *f)
{
    runtime_entry(f)->d_tag = DT_DEBUG;
}

/* The sum of the original that the record has is another one; its own checksum is right. */
static void record_of_another_original(struct fixture *f)
{
    struct image *image = fixture_parse(f);
    struct undo undo;
    enum { ORIGINAL_HASH = 64 };

    ck_assert(undo_find(image, &undo));
    image_destroy(image);
    f->bytes[undo.offset + ORIGINAL_HASH] ^= 1;
    ck_assert(in_memory_seal(f->bytes, f->size, undo.offset));
}

/* --- against the original ----------------------------------------------------------------------
 */

static void one_byte_of_text(struct fixture *f)
{
    f->bytes[fixture_section(f, ".text")->sh_offset + 5] ^= 0x10;
}

static void executable_stack(struct fixture *f)
{
    fixture_segment(f, PT_GNU_STACK, 0)->p_flags |= PF_X;
}

static void smaller_relro(struct fixture *f)
{
    fixture_segment(f, PT_GNU_RELRO, 0)->p_memsz -= 0x100;
}

static void another_build_id(struct fixture *f)
{
    f->bytes[fixture_section(f, ".note.gnu.build-id")->sh_offset + 20] ^= 1;
}

static void more_thread_storage(struct fixture *f)
{
    fixture_segment(f, PT_TLS, 0)->p_memsz += 16;
}

static void larger_function(struct fixture *f)
{
    symbol_named(f, "calls_poll")->st_size += 1;
}

const struct breakage breakages[] = {
    {"load-congruence", "liblazy.so", load_off_the_page, "load-alignment ", PATCHED},
    {"load-alignment", "liblazy.so", load_of_small_alignment, "", PATCHED},
    {"load-overlap", "liblazy.so", load_in_a_used_page, "", PATCHED},
    {"load-overlap", "libaarch64.so", load_in_a_used_large_page, "", PATCHED},
    {"segments", "liblazy.so", other_bytes_in_a_part, "", PATCHED},
    {"program-headers", "program_pie", table_that_is_not_the_table, "", PATCHED},
    {"interpreter", "program_pie", interpreter_without_an_end, "", PATCHED},
    {"write-execute", "liblazy.so", text_that_is_written_to, "", PATCHED},
    {"relro", "libnow.so", relro_behind_its_segment, "", PATCHED},
    {"tls", "libtls_bss.so", odd_thread_alignment, "", PATCHED},
    {"tls", "libtls_bss.so", thread_symbol_behind_its_segment, "", PATCHED},
    {"notes", "liblazy.so", note_with_a_long_name, "", PATCHED},
    {"sections", "liblazy.so", section_that_shows_other_bytes, "", PATCHED},
    {"section-links", "liblazy.so", symbols_without_names, "", PATCHED},
    {"section-overlap", "liblazy.so", sections_that_overlap, "", PATCHED},
    {"dynamic", "liblazy.so", dynamic_section_elsewhere, "", PATCHED},
    {"dynamic-end", "liblazy.so", dynamic_section_cut_off, "", PATCHED},
    {"dynamic-names", "liblazy.so", name_behind_dynstr, "", PATCHED},
    {"needed", "liblazy.so", runtime_twice, "", PATCHED},
    {"tables", "liblazy.so", part_of_an_entry, "", PATCHED},
    {"tables", "liblazy.so", table_outside_the_file, "", PATCHED},
    {"entry-sizes", "liblazy.so", entries_without_a_size, "", PATCHED},
    {"initialisers", "liblazy.so", initialiser_without_code, "", PATCHED},
    {"string-table", "liblazy.so", string_section_left_behind, "", PATCHED},
    {"symbol-table", "liblazy.so", wrong_count_of_local_symbols, "", PATCHED},
    {"symbol-table", "liblazy.so", function_nowhere, "", PATCHED},
    {"hash", "libsysv_hash.so", stale_hash, "", PATCHED},
    {"hash", "libsysv_hash.so", empty_bucket, "", PATCHED},
    {"gnu-hash", "liblazy.so", name_that_is_not_hashed, "", PATCHED},
    {"gnu-hash", "liblazy.so", filter_that_hides_all, "", PATCHED},
    {"gnu-hash", "liblazy.so", empty_gnu_bucket, "", PATCHED},
    {"symbol-versions", "liblazy.so", version_that_does_not_exist, "", PATCHED},
    {"version-needs", "liblazy.so", wrong_hash_of_a_need, "", PATCHED},
    {"version-needs", "liblazy.so", need_of_another_file, "", PATCHED},
    {"version-needs", "liblazy.so", one_need_too_many, "", PATCHED},
    {"version-definitions", "libversioned.so", wrong_hash_of_a_definition, "", PATCHED},
    {"relocations", "liblazy.so", slot_nowhere, "", PATCHED},
    {"relocations", "liblazy.so", relocation_of_text, "", PATCHED},
    {"relocations", "liblazy.so", relocation_of_an_unknown_type, "", PATCHED},
    {"relr", "librelr.so", packed_relocation_nowhere, "", PATCHED},
    {"redirected", "liblazy.so", nothing, "", UNPATCHED},
    {"unversioned", "liblazy.so", version_of_libc, "", PATCHED},
    {"runtime-needed", "liblazy.so", no_runtime, "", PATCHED},
    {"undo-record", "liblazy.so", record_of_another_original, "", PATCHED},
    {"original", "liblazy.so", one_byte_of_text, "", COMPARED},
    {"original-protection", "liblazy.so", executable_stack, "original ", COMPARED},
    {"original-protection", "libnow.so", smaller_relro, "original ", COMPARED},
    {"original-notes", "liblazy.so", another_build_id, "original ", COMPARED},
    {"original-tls", "libtls_bss.so", more_thread_storage, "original ", COMPARED},
    {"original-exports", "liblazy.so", larger_function, "original ", COMPARED},
    {NULL, NULL, NULL, NULL, PATCHED},
};
