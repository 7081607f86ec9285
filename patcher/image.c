/* SPDX-License-Identifier: MIT
 *
 * Headers by libelf, tables by PT_DYNAMIC; nothing is believed before it was checked.
 */
#include "image.h"

#include "error.h"

#include <gelf.h>
#include <inttypes.h>
#include <libelf.h>
#include <stdlib.h>
#include <string.h>

/* Structures are copied out as they stand; hosts of the other byte order are not supported. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "little-endian hosts only");

/* Keeps look-ups by address cheap on hostile input; real files have about ten. */
enum { MOST_SEGMENTS = 1024 };

const char *const image_relocation_names[IMAGE_RELOCATION_TABLES] = {".rela.dyn", ".rela.plt"};

bool image_read(const struct image *image, uint64_t offset, void *to, size_t size)
{
    if (offset > image->size || size > image->size - offset)
        return false;
    memcpy(to, image->bytes + offset, size);
    return true;
}

bool image_offset(const struct image *image, uint64_t address, uint64_t size, uint64_t *offset)
{
    for (size_t i = 0; i < image->segment_count; i++) {
        const Elf64_Phdr *s = &image->segments[i];
        if (s->p_type != PT_LOAD || address < s->p_vaddr)
            continue;
        uint64_t distance = address - s->p_vaddr;
        if (distance > s->p_filesz || size > s->p_filesz - distance)
            continue;
        *offset = s->p_offset + distance;
        return true;
    }
    return false;
}

/* --- the ELF header ----------------------------------------------------------------------------
 */

static bool check_kind(const uint8_t *bytes, uint64_t size, struct patch_error *error)
{
    if (size == 0)
        return error_set(error, PATCH_NOT_ELF, "is empty");
    if (size >= 8 && memcmp(bytes, "!<arch>\n", 8) == 0)
        return error_set(error, PATCH_ARCHIVE, "is a static library");
    if (size >= 8 && memcmp(bytes, "!<thin>\n", 8) == 0)
        return error_set(error, PATCH_ARCHIVE, "is a thin static library");
    if (size >= 2 && memcmp(bytes, "#!", 2) == 0)
        return error_set(error, PATCH_NOT_ELF, "is a script");
    if (size < SELFMAG || memcmp(bytes, ELFMAG, SELFMAG) != 0)
        return error_set(error, PATCH_NOT_ELF, "is not an ELF file");
    if (size < sizeof(Elf64_Ehdr))
        return error_set_at(error, PATCH_TRUNCATED, "ELF header", 0,
                            "the file ends after %" PRIu64 " bytes", size);
    return true;
}

struct name_row {
    unsigned value;
    const char *name;
};

static const char *name_of(const struct name_row *rows, unsigned value, const char *otherwise)
{
    for (; rows->name != NULL; rows++)
        if (rows->value == value)
            return rows->name;
    return otherwise;
}

static const struct name_row machine_names[] = {
    {EM_386, "i386"},    {EM_ARM, "ARM"},
    {EM_PPC, "PowerPC"}, {EM_PPC64, "PowerPC64"},
    {EM_S390, "S/390"},  {EM_RISCV, "RISC-V"},
    {EM_MIPS, "MIPS"},   {EM_SPARCV9, "SPARC v9"},
    {EM_IA_64, "IA-64"}, {EM_LOONGARCH, "LoongArch"},
    {0, NULL},
};

static const struct name_row type_names[] = {
    {ET_REL, "a relocatable object"},
    {ET_EXEC, "an executable with fixed addresses"},
    {ET_CORE, "a core file"},
    {0, NULL},
};

static bool check_identity(const uint8_t *bytes, struct image *image, struct patch_error *error)
{
    static const char where[] = "ELF header";

    if (bytes[EI_CLASS] != ELFCLASS64)
        return error_set_at(error, PATCH_UNSUPPORTED_CLASS, where, EI_CLASS, "%s is not supported",
                            bytes[EI_CLASS] == ELFCLASS32 ? "ELF32" : "this ELF class");
    if (bytes[EI_DATA] != ELFDATA2LSB)
        return error_set_at(error, PATCH_UNSUPPORTED_ORDER, where, EI_DATA, "%s is not supported",
                            bytes[EI_DATA] == ELFDATA2MSB ? "big-endian" : "this byte order");
    memcpy(&image->header, bytes, sizeof(image->header));
    const Elf64_Ehdr *h = &image->header;
    if (h->e_version != EV_CURRENT || bytes[EI_VERSION] != EV_CURRENT)
        return error_set_at(error, PATCH_MALFORMED, where, offsetof(Elf64_Ehdr, e_version),
                            "unknown ELF version");
    image->arch = arch_find(h->e_machine);
    if (image->arch == NULL)
        return error_set_at(error, PATCH_UNSUPPORTED_MACHINE, where,
                            offsetof(Elf64_Ehdr, e_machine), "%s (machine %u) is not supported",
                            name_of(machine_names, h->e_machine, "this one"), h->e_machine);
    if (h->e_type != ET_DYN)
        return error_set_at(error, PATCH_UNSUPPORTED_TYPE, where, offsetof(Elf64_Ehdr, e_type),
                            "%s is not supported",
                            name_of(type_names, h->e_type, "this kind of file"));
    return true;
}

static bool check_header_sizes(const struct image *image, struct patch_error *error)
{
    const Elf64_Ehdr *h = &image->header;

    if (h->e_phoff == 0 || h->e_phnum == 0)
        return error_set_at(error, PATCH_NOT_DYNAMIC, "ELF header", offsetof(Elf64_Ehdr, e_phoff),
                            "no program headers");
    if (h->e_phnum > MOST_SEGMENTS)
        return error_set_at(error, PATCH_MALFORMED, "ELF header", offsetof(Elf64_Ehdr, e_phnum),
                            "%u program headers are more than %u", h->e_phnum, MOST_SEGMENTS);
    if (h->e_phentsize != sizeof(Elf64_Phdr))
        return error_set_at(error, PATCH_MALFORMED, "ELF header", offsetof(Elf64_Ehdr, e_phentsize),
                            "program headers of %u bytes", h->e_phentsize);
    if (h->e_shoff != 0 && h->e_shentsize != sizeof(Elf64_Shdr))
        return error_set_at(error, PATCH_MALFORMED, "ELF header", offsetof(Elf64_Ehdr, e_shentsize),
                            "section headers of %u bytes", h->e_shentsize);
    return true;
}

static bool inside(const struct image *image, uint64_t offset, uint64_t count, uint64_t each)
{
    return offset <= image->size && count <= (image->size - offset) / each;
}

static bool check_header_bounds(const struct image *image, struct patch_error *error)
{
    const Elf64_Ehdr *h = &image->header;
    uint64_t sections = h->e_shnum != 0 ? h->e_shnum : 1;

    if (!inside(image, h->e_phoff, h->e_phnum, sizeof(Elf64_Phdr)))
        return error_set_at(error, PATCH_TRUNCATED, "program header table", h->e_phoff,
                            "%u entries do not fit into a file of %" PRIu64 " bytes", h->e_phnum,
                            image->size);
    if (h->e_shoff != 0 && !inside(image, h->e_shoff, sections, sizeof(Elf64_Shdr)))
        return error_set_at(error, PATCH_TRUNCATED, "section header table", h->e_shoff,
                            "%" PRIu64 " entries do not fit into a file of %" PRIu64 " bytes",
                            sections, image->size);
    return true;
}

/* --- program and section headers, by libelf ----------------------------------------------------
 */

static bool libelf_failed(struct patch_error *error, const char *table, uint64_t offset)
{
    const char *text = elf_errmsg(-1);

    return error_set_at(error, PATCH_MALFORMED, table, offset, "%s",
                        text != NULL ? text : "cannot be read");
}

static bool read_segments(Elf *elf, struct image *image, struct patch_error *error)
{
    size_t count;

    if (elf_getphdrnum(elf, &count) != 0)
        return libelf_failed(error, "program header table", image->header.e_phoff);
    image->segments = calloc(count + 1, sizeof(*image->segments));
    if (image->segments == NULL)
        return error_memory(error);
    for (size_t i = 0; i < count; i++)
        if (gelf_getphdr(elf, (int)i, &image->segments[i]) == NULL)
            return libelf_failed(error, "program header table", image->header.e_phoff);
    image->segment_count = count;
    return true;
}

static bool read_sections(Elf *elf, struct image *image, struct patch_error *error)
{
    uint64_t place = image->header.e_shoff;
    size_t count;

    if (place == 0)
        return true;
    if (elf_getshdrnum(elf, &count) != 0)
        return libelf_failed(error, "section header table", place);
    if (!inside(image, place, count, sizeof(Elf64_Shdr)))
        return error_set_at(error, PATCH_TRUNCATED, "section header table", place,
                            "%zu entries do not fit into the file", count);
    image->sections = calloc(count + 1, sizeof(*image->sections));
    if (image->sections == NULL)
        return error_memory(error);
    for (size_t i = 0; i < count; i++) {
        Elf_Scn *section = elf_getscn(elf, i);
        if (section == NULL || gelf_getshdr(section, &image->sections[i]) == NULL)
            return libelf_failed(error, "section header table", place + i * sizeof(Elf64_Shdr));
    }
    image->section_count = count;
    return true;
}

static void find_section_names(Elf *elf, struct image *image)
{
    size_t index;

    if (image->section_count == 0 || elf_getshdrstrndx(elf, &index) != 0 ||
        index >= image->section_count)
        return;
    const Elf64_Shdr *names = &image->sections[index];
    if (names->sh_type != SHT_STRTAB || names->sh_size == 0 ||
        !inside(image, names->sh_offset, names->sh_size, 1) ||
        image->bytes[names->sh_offset + names->sh_size - 1] != '\0')
        return;
    image->section_names = (const char *)image->bytes + names->sh_offset;
    image->section_names_size = names->sh_size;
}

static bool read_headers(struct image *image, struct patch_error *error)
{
    bool done = false;

    elf_version(EV_CURRENT);
    /* libelf only reads, though its parameter is not const. */
    Elf *elf = elf_memory((char *)(uintptr_t)image->bytes, image->size);
    if (elf == NULL || elf_kind(elf) != ELF_K_ELF) {
        libelf_failed(error, "ELF header", 0);
        goto out;
    }
    if (!read_segments(elf, image, error) || !read_sections(elf, image, error))
        goto out;
    find_section_names(elf, image);
    done = true;
out:
    elf_end(elf);
    return done;
}

static bool check_segment(const struct image *image, size_t index, struct patch_error *error)
{
    const Elf64_Phdr *s = &image->segments[index];
    uint64_t place = image->header.e_phoff + index * sizeof(Elf64_Phdr);
    static const char table[] = "program header";

    if (!inside(image, s->p_offset, s->p_filesz, 1))
        return error_set_entry(error, PATCH_TRUNCATED, table, index, place,
                               "0x%" PRIx64 " bytes at 0x%" PRIx64
                               " do not lie inside a file of 0x%" PRIx64 " bytes",
                               (uint64_t)s->p_filesz, (uint64_t)s->p_offset, image->size);
    if (s->p_type != PT_LOAD)
        return true;
    if (s->p_filesz > s->p_memsz)
        return error_set_entry(error, PATCH_MALFORMED, table, index, place,
                               "larger in the file than in memory");
    if (s->p_vaddr + s->p_memsz < s->p_vaddr || s->p_memsz > (uint64_t)INT64_MAX)
        return error_set_entry(error, PATCH_MALFORMED, table, index, place,
                               "addresses wrap around");
    if (s->p_align > 1 && ((s->p_align & (s->p_align - 1)) != 0 ||
                           ((s->p_offset ^ s->p_vaddr) & (s->p_align - 1)) != 0))
        return error_set_entry(error, PATCH_MALFORMED, table, index, place,
                               "offset and address do not agree modulo the alignment");
    return true;
}

static bool check_segments(const struct image *image, struct patch_error *error)
{
    const Elf64_Phdr *last = NULL;

    for (size_t i = 0; i < image->segment_count; i++) {
        const Elf64_Phdr *s = &image->segments[i];
        if (!check_segment(image, i, error))
            return false;
        if (s->p_type != PT_LOAD)
            continue;
        if (last != NULL && s->p_vaddr < last->p_vaddr + last->p_memsz)
            return error_set_entry(error, PATCH_MALFORMED, "program header", i,
                                   image->header.e_phoff + i * sizeof(*s),
                                   "PT_LOAD does not stand behind the one before it");
        last = s;
    }
    if (last == NULL)
        return error_set_at(error, PATCH_MALFORMED, "program header table", image->header.e_phoff,
                            "no PT_LOAD");
    return true;
}

/* --- the dynamic section -----------------------------------------------------------------------
 */

static bool read_dynamic(struct image *image, struct patch_error *error)
{
    const Elf64_Phdr *found = NULL;
    uint64_t mapped;

    for (size_t i = 0; i < image->segment_count; i++)
        if (image->segments[i].p_type == PT_DYNAMIC)
            found = &image->segments[i];
    if (found == NULL || found->p_filesz < sizeof(Elf64_Dyn))
        return error_set_at(error, PATCH_NOT_DYNAMIC, "program header table", image->header.e_phoff,
                            "no PT_DYNAMIC: nothing is imported");
    if (!image_offset(image, found->p_vaddr, found->p_filesz, &mapped) || mapped != found->p_offset)
        return error_set_at(error, PATCH_MALFORMED, "PT_DYNAMIC", found->p_offset,
                            "not where the loader would find it");
    image->dynamic_offset = found->p_offset;
    image->dynamic_capacity = found->p_filesz / sizeof(Elf64_Dyn);
    image->dynamic = calloc(image->dynamic_capacity, sizeof(Elf64_Dyn));
    if (image->dynamic == NULL)
        return error_memory(error);
    memcpy(image->dynamic, image->bytes + found->p_offset,
           image->dynamic_capacity * sizeof(Elf64_Dyn));
    while (image->dynamic_count < image->dynamic_capacity &&
           image->dynamic[image->dynamic_count].d_tag != DT_NULL)
        image->dynamic_count++;
    if (image->dynamic_count == image->dynamic_capacity)
        return error_set_at(error, PATCH_MALFORMED, ".dynamic", found->p_offset,
                            "no DT_NULL at its end");
    return true;
}

const Elf64_Dyn *image_dynamic(const struct image *image, int64_t tag)
{
    for (size_t i = image->dynamic_count; i-- > 0;)
        if (image->dynamic[i].d_tag == tag)
            return &image->dynamic[i];
    return NULL;
}

uint64_t image_dynamic_offset(const struct image *image, const Elf64_Dyn *entry)
{
    return image->dynamic_offset + (uint64_t)(entry - image->dynamic) * sizeof(*entry);
}

/* Finds a table by the tag of its address; `size` is known already. */
static bool locate(const struct image *image, int64_t tag, const char *name, uint64_t size,
                   struct image_table *table, struct patch_error *error)
{
    const Elf64_Dyn *entry = image_dynamic(image, tag);

    if (entry == NULL)
        return true;
    if (!image_offset(image, entry->d_un.d_ptr, size, &table->offset))
        return error_set_at(error, PATCH_MALFORMED, name, image_dynamic_offset(image, entry),
                            "0x%" PRIx64 " bytes at address 0x%" PRIx64
                            " are not in the file content of one segment",
                            size, (uint64_t)entry->d_un.d_ptr);
    table->address = entry->d_un.d_ptr;
    table->size = size;
    return true;
}

static bool locate_sized(const struct image *image, int64_t tag, int64_t size_tag, const char *name,
                         struct image_table *table, struct patch_error *error)
{
    const Elf64_Dyn *size = image_dynamic(image, size_tag);

    return size == NULL || size->d_un.d_val == 0 ||
           locate(image, tag, name, size->d_un.d_val, table, error);
}

static bool locate_strings(struct image *image, struct patch_error *error)
{
    struct image_table *strings = &image->strings;

    if (!locate_sized(image, DT_STRTAB, DT_STRSZ, ".dynstr", strings, error))
        return false;
    if (strings->size == 0)
        return error_set_at(error, PATCH_MALFORMED, ".dynamic", image->dynamic_offset,
                            "no DT_STRTAB and DT_STRSZ");
    if (strings->size > UINT32_MAX / 2)
        return error_set_at(error, PATCH_MALFORMED, ".dynstr", strings->offset, "too large");
    if (image->bytes[strings->offset + strings->size - 1] != '\0')
        return error_set_at(error, PATCH_MALFORMED, ".dynstr", strings->offset + strings->size - 1,
                            "the last string has no end");
    return true;
}

struct entry_size {
    int64_t tag;
    uint64_t size;
    const char *name;
};

static bool check_entry_sizes(const struct image *image, struct patch_error *error)
{
    static const struct entry_size rows[] = {
        {DT_SYMENT, sizeof(Elf64_Sym), "DT_SYMENT"},
        {DT_RELAENT, sizeof(Elf64_Rela), "DT_RELAENT"},
        {DT_PLTREL, DT_RELA, "DT_PLTREL"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const Elf64_Dyn *entry = image_dynamic(image, rows[i].tag);
        if (entry != NULL && entry->d_un.d_val != rows[i].size)
            return error_set_at(error, PATCH_MALFORMED, ".dynamic",
                                image_dynamic_offset(image, entry), "%s is %" PRIu64, rows[i].name,
                                (uint64_t)entry->d_un.d_val);
    }
    const Elf64_Dyn *rel = image_dynamic(image, DT_REL);
    if (rel != NULL)
        return error_set_at(error, PATCH_UNSUPPORTED_RELOCATION, ".dynamic",
                            image_dynamic_offset(image, rel),
                            "relocations without addends (DT_REL)");
    return true;
}

static bool locate_relocations(struct image *image, struct patch_error *error)
{
    static const int64_t tags[IMAGE_RELOCATION_TABLES][2] = {
        {DT_RELA, DT_RELASZ},
        {DT_JMPREL, DT_PLTRELSZ},
    };

    for (size_t i = 0; i < IMAGE_RELOCATION_TABLES; i++) {
        struct image_table *table = &image->relocations[i];
        if (!locate_sized(image, tags[i][0], tags[i][1], image_relocation_names[i], table, error))
            return false;
        if (table->size % sizeof(Elf64_Rela) != 0)
            return error_set_at(error, PATCH_MALFORMED, image_relocation_names[i], table->offset,
                                "0x%" PRIx64 " bytes are no whole number of entries", table->size);
    }
    /* Some linkers count the PLT's relocations into DT_RELASZ as well. */
    struct image_table *all = &image->relocations[0];
    const struct image_table *plt = &image->relocations[1];
    if (plt->size != 0 && all->size >= plt->size &&
        plt->offset == all->offset + all->size - plt->size)
        all->size -= plt->size;
    return true;
}

/* --- symbols -----------------------------------------------------------------------------------
 */

static uint32_t word_at(const struct image *image, uint64_t offset)
{
    uint32_t value;

    memcpy(&value, image->bytes + offset, sizeof(value));
    return value;
}

static bool locate_hash(struct image *image, uint32_t *count, struct patch_error *error)
{
    struct image_table *hash = &image->hash;

    if (!locate(image, DT_HASH, ".hash", 8, hash, error) || hash->size == 0)
        return hash->size == 0 && image_dynamic(image, DT_HASH) == NULL;
    uint64_t buckets = word_at(image, hash->offset);
    uint64_t chains = word_at(image, hash->offset + 4);
    if (buckets == 0)
        return error_set_at(error, PATCH_MALFORMED, ".hash", hash->offset, "no buckets");
    if (!locate(image, DT_HASH, ".hash", (2 + buckets + chains) * 4, hash, error))
        return false;
    *count = (uint32_t)chains;
    return true;
}

/* The end of the chain that begins with symbol `index`. */
static bool walk_chain(const struct image *image, uint64_t chains, uint64_t index, uint64_t base,
                       uint64_t *end, struct patch_error *error)
{
    uint64_t offset;

    for (;; index++) {
        if (!image_offset(image, chains + (index - base) * 4, 4, &offset))
            return error_set_at(error, PATCH_MALFORMED, ".gnu.hash", image->gnu_hash.offset,
                                "the chain of symbol %" PRIu64 " has no end", index);
        if ((word_at(image, offset) & 1) != 0)
            break;
    }
    *end = index + 1;
    return true;
}

/* Layout: nbuckets, first hashed symbol, bloom words, shift; bloom (8 bytes each); buckets; chains.
 */
static bool locate_gnu_hash(struct image *image, uint32_t *count, struct patch_error *error)
{
    struct image_table *hash = &image->gnu_hash;

    if (!locate(image, DT_GNU_HASH, ".gnu.hash", 16, hash, error) || hash->size == 0)
        return hash->size == 0 && image_dynamic(image, DT_GNU_HASH) == NULL;
    uint64_t buckets = word_at(image, hash->offset);
    uint64_t base = word_at(image, hash->offset + 4);
    uint64_t head = 16 + (uint64_t)word_at(image, hash->offset + 8) * 8;
    uint64_t size = head + buckets * 4;
    if (!locate(image, DT_GNU_HASH, ".gnu.hash", size, hash, error))
        return false;
    uint64_t last = 0;
    for (uint64_t i = 0; i < buckets; i++) {
        uint32_t first = word_at(image, hash->offset + head + i * 4);
        last = first > last ? first : last;
    }
    uint64_t end = 0;
    if (last != 0) {
        if (last < base)
            return error_set_at(error, PATCH_MALFORMED, ".gnu.hash", hash->offset,
                                "a bucket begins before the first hashed symbol");
        if (!walk_chain(image, hash->address + size, last, base, &end, error))
            return false;
        if (!locate(image, DT_GNU_HASH, ".gnu.hash", size + (end - base) * 4, hash, error))
            return false;
    }
    if (end > *count)
        *count = (uint32_t)end;
    return true;
}

/* What the relocations name exists too; a linker that hashes no undefined symbol needs this. */
static void count_relocated(const struct image *image, uint32_t *count)
{
    for (size_t t = 0; t < IMAGE_RELOCATION_TABLES; t++) {
        for (size_t i = 0; i < image_relocation_count(image, t); i++) {
            uint64_t symbol = ELF64_R_SYM(image_relocation(image, t, i).r_info);
            if (symbol >= *count && symbol < UINT32_MAX)
                *count = (uint32_t)symbol + 1;
        }
    }
}

static void count_in_section(const struct image *image, uint32_t *count)
{
    const Elf64_Dyn *entry = image_dynamic(image, DT_SYMTAB);

    for (size_t i = 0; entry != NULL && i < image->section_count; i++) {
        const Elf64_Shdr *s = &image->sections[i];
        uint64_t offset;
        uint64_t symbols = s->sh_size / sizeof(Elf64_Sym);
        if (s->sh_type == SHT_DYNSYM && s->sh_addr == entry->d_un.d_ptr && symbols > *count &&
            symbols < UINT32_MAX && image_offset(image, s->sh_addr, s->sh_size, &offset))
            *count = (uint32_t)symbols;
    }
}

static bool locate_symbols(struct image *image, struct patch_error *error)
{
    uint32_t count = 0;

    if (!locate_hash(image, &count, error))
        return false;
    bool exact = image->hash.size != 0;
    if (!locate_gnu_hash(image, &count, error))
        return false;
    if (!exact) {
        count_relocated(image, &count);
        count_in_section(image, &count);
    }
    if (image_dynamic(image, DT_SYMTAB) == NULL)
        return error_set_at(error, PATCH_MALFORMED, ".dynamic", image->dynamic_offset,
                            "no DT_SYMTAB");
    image->symbol_count = count;
    return locate(image, DT_SYMTAB, ".dynsym", (uint64_t)count * sizeof(Elf64_Sym), &image->symbols,
                  error) &&
           locate(image, DT_VERSYM, ".gnu.version", (uint64_t)count * sizeof(Elf64_Half),
                  &image->versions, error);
}

bool image_parse(const uint8_t *bytes, uint64_t size, struct image **out, struct patch_error *error)
{
    *out = NULL;
    if (!check_kind(bytes, size, error))
        return false;
    struct image *image = calloc(1, sizeof(*image));
    if (image == NULL)
        return error_memory(error);
    image->bytes = bytes;
    image->size = size;
    if (!check_identity(bytes, image, error) || !check_header_sizes(image, error) ||
        !check_header_bounds(image, error) || !read_headers(image, error) ||
        !check_segments(image, error) || !read_dynamic(image, error) ||
        !locate_strings(image, error) || !check_entry_sizes(image, error) ||
        !locate_relocations(image, error) || !locate_symbols(image, error)) {
        image_destroy(image);
        return false;
    }
    *out = image;
    return true;
}

void image_destroy(struct image *image)
{
    if (image == NULL)
        return;
    free(image->segments);
    free(image->sections);
    free(image->dynamic);
    free(image);
}

/* --- looking things up -------------------------------------------------------------------------
 */

const char *image_string(const struct image *image, uint64_t offset)
{
    if (offset >= image->strings.size)
        return NULL;
    return (const char *)image->bytes + image->strings.offset + offset;
}

uint64_t image_symbol_offset(const struct image *image, uint32_t index)
{
    return image->symbols.offset + (uint64_t)index * sizeof(Elf64_Sym);
}

Elf64_Sym image_symbol(const struct image *image, uint32_t index)
{
    Elf64_Sym symbol;

    memcpy(&symbol, image->bytes + image_symbol_offset(image, index), sizeof(symbol));
    return symbol;
}

const char *image_symbol_name(const struct image *image, uint32_t index)
{
    return image_string(image, image_symbol(image, index).st_name);
}

size_t image_relocation_count(const struct image *image, size_t table)
{
    return image->relocations[table].size / sizeof(Elf64_Rela);
}

uint64_t image_relocation_offset(const struct image *image, size_t table, size_t index)
{
    return image->relocations[table].offset + index * sizeof(Elf64_Rela);
}

Elf64_Rela image_relocation(const struct image *image, size_t table, size_t index)
{
    Elf64_Rela relocation;

    memcpy(&relocation, image->bytes + image_relocation_offset(image, table, index),
           sizeof(relocation));
    return relocation;
}

const char *image_soname(const struct image *image)
{
    const Elf64_Dyn *entry = image_dynamic(image, DT_SONAME);

    return entry == NULL ? NULL : image_string(image, entry->d_un.d_val);
}

const char *image_section_name(const struct image *image, size_t index)
{
    uint64_t name = image->sections[index].sh_name;

    return name < image->section_names_size ? image->section_names + name : "";
}

const Elf64_Shdr *image_string_section(const struct image *image)
{
    for (size_t i = 0; i < image->section_count; i++) {
        const Elf64_Shdr *s = &image->sections[i];
        if (s->sh_type == SHT_STRTAB && (s->sh_flags & SHF_ALLOC) != 0 &&
            s->sh_addr == image->strings.address)
            return s;
    }
    return NULL;
}

uint64_t image_end(const struct image *image)
{
    uint64_t end = image->header.e_phoff + image->segment_count * sizeof(Elf64_Phdr);
    uint64_t headers = image->header.e_shoff + image->section_count * sizeof(Elf64_Shdr);

    end = headers > end ? headers : end;
    for (size_t i = 0; i < image->segment_count; i++) {
        const Elf64_Phdr *s = &image->segments[i];
        if (s->p_offset + s->p_filesz > end)
            end = s->p_offset + s->p_filesz;
    }
    for (size_t i = 0; i < image->section_count; i++) {
        const Elf64_Shdr *s = &image->sections[i];
        if (s->sh_type != SHT_NOBITS && s->sh_type != SHT_NULL && s->sh_offset <= image->size &&
            s->sh_size <= image->size - s->sh_offset && s->sh_offset + s->sh_size > end)
            end = s->sh_offset + s->sh_size;
    }
    return end;
}
