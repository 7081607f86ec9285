/* SPDX-License-Identifier: MIT
 *
 * Headers, by libelf; nothing is believed before it was checked.
 */
#include "image.h"

#include "error.h"
#include "tables.h"

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
        !check_segments(image, error) || !tables_find(image, error)) {
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
