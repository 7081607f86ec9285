/* SPDX-License-Identifier: MIT
 *
 * Headers, by libelf; nothing is believed before it was checked.
 */
#include "elf/image.h"

#include "elf/tables.h"
#include "error.h"
#include "io/source.h"

#include <gelf.h>
#include <inttypes.h>
#include <libelf.h>
#include <stdlib.h>
#include <string.h>

/* Keep look-ups cheap and memory small on hostile input; real files have about ten and fifty. */
enum { MOST_SEGMENTS = 1024, MOST_SECTIONS = 1 << 16 };

/* --- the ELF header ----------------------------------------------------------------------------
 */

static bool too_short(uint64_t size, struct patch_error *error)
{
    return error_set_at(error, PATCH_TRUNCATED, "ELF header", 0,
                        "the file ends after %" PRIu64 " bytes", size);
}

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
    return size >= EI_NIDENT || too_short(size, error);
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

/* Those of which no variant is supported. */
static const struct name_row machine_names[] = {
    {EM_MIPS, "MIPS"},
    {EM_SPARC, "SPARC"},
    {EM_SPARCV9, "SPARC v9"},
    {EM_IA_64, "IA-64"},
    {EM_ALPHA, "Alpha"},
    {EM_PARISC, "PA-RISC"},
    {EM_68K, "m68k"},
    {EM_SH, "SuperH"},
    {EM_XTENSA, "Xtensa"},
    {EM_OPENRISC, "OpenRISC"},
    {EM_MICROBLAZE, "MicroBlaze"},
    {EM_CSKY, "C-SKY"},
    {EM_ARC_COMPACT, "ARC"},
    {EM_BPF, "BPF"},
    {EM_CUDA, "CUDA"},
    {0, NULL},
};

static const struct name_row type_names[] = {
    {ET_REL, "a relocatable object (an object file or a kernel module)"},
    {ET_EXEC, "an executable with fixed addresses"},
    {ET_CORE, "a core file"},
    {0, NULL},
};

static const char header_table[] = "ELF header";

static bool read_header(struct image *image, struct patch_error *error)
{
    const uint8_t *bytes = image->bytes;

    if (bytes[EI_CLASS] != ELFCLASS32 && bytes[EI_CLASS] != ELFCLASS64)
        return error_set_at(error, PATCH_UNSUPPORTED_CLASS, header_table, EI_CLASS,
                            "this ELF class is not supported");
    image->codec = codec_find(bytes[EI_CLASS], bytes[EI_DATA]);
    if (image->codec == NULL)
        return error_set_at(error, PATCH_UNSUPPORTED_ORDER, header_table, EI_DATA,
                            "this byte order is not supported");
    return image_read(image, CODEC_HEADER, 0, &image->header) || too_short(image->size, error);
}

/* The machine is known, but not with this class or this order. */
static bool refuse_variant(const struct image *image, const struct arch *variant,
                           struct patch_error *error)
{
    bool little = image->codec->order == ELFDATA2LSB;

    if (variant->class != image->codec->class)
        return error_set_at(error, PATCH_UNSUPPORTED_CLASS, header_table, EI_CLASS,
                            "%s as ELF%u is not supported", variant->name,
                            (unsigned)image->codec->word * 8);
    return error_set_at(error, PATCH_UNSUPPORTED_ORDER, header_table, EI_DATA,
                        "%s-endian %s is not supported", little ? "little" : "big", variant->name);
}

static bool find_arch(struct image *image, struct patch_error *error)
{
    uint16_t machine = image->header.e_machine;
    const struct arch *arch = arch_find(machine, image->codec->class);

    if (arch == NULL)
        return error_set_at(error, PATCH_UNSUPPORTED_MACHINE, header_table,
                            offsetof(Elf64_Ehdr, e_machine), "%s (machine %u) is not supported",
                            name_of(machine_names, machine, "this one"), machine);
    if (arch->class != image->codec->class || (arch->orders & ARCH_ORDER(image->codec->order)) == 0)
        return refuse_variant(image, arch, error);
    image->arch = arch;
    return true;
}

static bool check_identity(struct image *image, struct patch_error *error)
{
    const Elf64_Ehdr *h = &image->header;

    if (h->e_version != EV_CURRENT || image->bytes[EI_VERSION] != EV_CURRENT)
        return error_set_at(error, PATCH_MALFORMED, header_table, offsetof(Elf64_Ehdr, e_version),
                            "unknown ELF version");
    if (!find_arch(image, error))
        return false;
    if (h->e_type != ET_DYN)
        return error_set_at(error, PATCH_UNSUPPORTED_TYPE, header_table,
                            offsetof(Elf64_Ehdr, e_type), "%s is not supported",
                            name_of(type_names, h->e_type, "this kind of file"));
    return true;
}
_Static_assert(offsetof(Elf64_Ehdr, e_version) == offsetof(Elf32_Ehdr, e_version),
               "type, machine and version stand at one place in both classes");

static uint64_t member_offset(const struct image *image, enum codec_member member)
{
    return codec_place(image->codec, member).offset;
}

static bool check_header_sizes(const struct image *image, struct patch_error *error)
{
    const Elf64_Ehdr *h = &image->header;

    if (h->e_phoff == 0 || h->e_phnum == 0)
        return error_set_at(error, PATCH_NOT_DYNAMIC, header_table,
                            member_offset(image, CODEC_E_PHOFF), "no program headers");
    if (h->e_phnum > MOST_SEGMENTS)
        return error_set_at(error, PATCH_MALFORMED, header_table,
                            member_offset(image, CODEC_E_PHNUM),
                            "%u program headers are more than %u", h->e_phnum, MOST_SEGMENTS);
    if (h->e_phentsize != image->codec->sizes[CODEC_SEGMENT])
        return error_set_at(error, PATCH_MALFORMED, header_table,
                            member_offset(image, CODEC_E_PHENTSIZE), "program headers of %u bytes",
                            h->e_phentsize);
    if (h->e_shoff != 0 && h->e_shentsize != image->codec->sizes[CODEC_SECTION])
        return error_set_at(error, PATCH_MALFORMED, header_table,
                            member_offset(image, CODEC_E_SHENTSIZE), "section headers of %u bytes",
                            h->e_shentsize);
    return true;
}

static bool check_header_bounds(const struct image *image, struct patch_error *error)
{
    const Elf64_Ehdr *h = &image->header;
    uint64_t sections = h->e_shnum != 0 ? h->e_shnum : 1;

    if (!image_inside(image, h->e_phoff, h->e_phnum, image->codec->sizes[CODEC_SEGMENT]))
        return error_set_at(error, PATCH_TRUNCATED, "program header table", h->e_phoff,
                            "%u entries do not fit into a file of %" PRIu64 " bytes", h->e_phnum,
                            image->size);
    if (h->e_shoff != 0 &&
        !image_inside(image, h->e_shoff, sections, image->codec->sizes[CODEC_SECTION]))
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

/* e_shnum, or the size of section 0 where there are too many for it. */
static bool count_sections(const struct image *image, size_t *count, struct patch_error *error)
{
    uint64_t place = image->header.e_shoff;
    Elf64_Shdr first;

    *count = image->header.e_shnum;
    if (place == 0)
        *count = 0;
    else if (*count == 0 && image_read(image, CODEC_SECTION, place, &first))
        *count = first.sh_size;
    if (!image_inside(image, place, *count, image->codec->sizes[CODEC_SECTION]))
        return error_set_at(error, PATCH_TRUNCATED, "section header table", place,
                            "%zu entries do not fit into the file", *count);
    return *count <= MOST_SECTIONS ||
           error_set_at(error, PATCH_MALFORMED, "section header table", place,
                        "%zu section headers are more than %u", *count, (unsigned)MOST_SECTIONS);
}

static bool read_sections(Elf *elf, struct image *image, size_t count, struct patch_error *error)
{
    if (count == 0)
        return true;
    image->sections = calloc(count, sizeof(*image->sections));
    if (image->sections == NULL)
        return error_memory(error);
    for (size_t i = 0; i < count; i++) {
        Elf_Scn *section = elf_getscn(elf, i);
        if (section == NULL || gelf_getshdr(section, &image->sections[i]) == NULL)
            return libelf_failed(error, "section header table", image_section_offset(image, i));
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
        !image_inside(image, names->sh_offset, names->sh_size, 1) ||
        image_number(image, names->sh_offset + names->sh_size - 1, 1) != '\0')
        return;
    image->section_names = names->sh_offset;
    image->section_names_size = names->sh_size;
}

static bool read_by_libelf(struct image *image, size_t sections, struct patch_error *error)
{
    bool done = false;

    elf_version(EV_CURRENT);
    /* libelf only reads, though its parameter is not const. */
    Elf *elf = elf_memory((char *)(uintptr_t)image->bytes, image->size);
    if (elf == NULL || elf_kind(elf) != ELF_K_ELF) {
        libelf_failed(error, "ELF header", 0);
        goto out;
    }
    if (!read_segments(elf, image, error) || !read_sections(elf, image, sections, error))
        goto out;
    find_section_names(elf, image);
    done = true;
out:
    elf_end(elf);
    return done;
}

/* With the header and all program headers loaded. Section 0 is looked at by libelf too, so it stays
 * loaded from the first look on. */
static bool read_tables(struct image *image, struct patch_error *error)
{
    uint64_t place = image->header.e_shoff;
    uint64_t first = place != 0 ? image->codec->sizes[CODEC_SECTION] : 0;
    size_t count;
    bool done = false;

    if (!image_load(image, place, first, error))
        return false;
    if (count_sections(image, &count, error)) {
        uint64_t size = (uint64_t)count * image->codec->sizes[CODEC_SECTION];
        done = image_load(image, place, size, error);
        if (done) {
            done = read_by_libelf(image, count, error);
            image_release(image, place, size);
        }
    }
    image_release(image, place, first);
    return done;
}

/* libelf looks at the header, which is loaded, and at the two tables, and nowhere else. */
static bool read_headers(struct image *image, struct patch_error *error)
{
    uint64_t place = image->header.e_phoff;
    uint64_t size = (uint64_t)image->header.e_phnum * image->codec->sizes[CODEC_SEGMENT];

    if (!image_load(image, place, size, error))
        return false;
    bool done = read_tables(image, error);
    image_release(image, place, size);
    return done;
}

static bool check_segment(const struct image *image, size_t index, struct patch_error *error)
{
    const Elf64_Phdr *s = &image->segments[index];
    uint64_t place = image_segment_offset(image, index);
    static const char table[] = "program header";

    if (!image_inside(image, s->p_offset, s->p_filesz, 1))
        return error_set_entry(error, PATCH_TRUNCATED, table, index, place,
                               "0x%" PRIx64 " bytes at 0x%" PRIx64
                               " do not lie inside a file of 0x%" PRIx64 " bytes",
                               (uint64_t)s->p_filesz, (uint64_t)s->p_offset, image->size);
    if (s->p_type != PT_LOAD)
        return true;
    if (s->p_filesz > s->p_memsz)
        return error_set_entry(error, PATCH_MALFORMED, table, index, place,
                               "larger in the file than in memory");
    if (s->p_vaddr > image->codec->limit - s->p_memsz || s->p_memsz > (uint64_t)INT64_MAX)
        return error_set_entry(error, PATCH_MALFORMED, table, index, place,
                               "addresses wrap around");
    if (s->p_align > 1 && ((s->p_align & (s->p_align - 1)) != 0 ||
                           ((s->p_offset ^ s->p_vaddr) & (s->p_align - 1)) != 0))
        return error_set_entry(error, PATCH_MALFORMED, table, index, place,
                               "offset and address do not agree modulo the alignment");
    return true;
}

/* What strip put aside has the headers of the library, but not its contents. A .tbss takes no
 * addresses: the dynamic section may stand where it does. */
static bool check_debug_file(const struct image *image, struct patch_error *error)
{
    for (size_t i = 0; i < image->segment_count; i++) {
        const Elf64_Phdr *s = &image->segments[i];
        for (size_t k = 0; s->p_type == PT_DYNAMIC && k < image->section_count; k++)
            if (image->sections[k].sh_type == SHT_NOBITS && image->sections[k].sh_size != 0 &&
                (image->sections[k].sh_flags & SHF_TLS) == 0 &&
                image->sections[k].sh_addr == s->p_vaddr)
                return error_set_entry(error, PATCH_DEBUG_FILE, "section header", k,
                                       image_section_offset(image, k),
                                       "is the debug information of a library, put aside");
    }
    return true;
}

static bool check_segments(const struct image *image, struct patch_error *error)
{
    const Elf64_Phdr *last = NULL;

    if (!check_debug_file(image, error))
        return false;
    for (size_t i = 0; i < image->segment_count; i++) {
        const Elf64_Phdr *s = &image->segments[i];
        if (!check_segment(image, i, error))
            return false;
        if (s->p_type != PT_LOAD)
            continue;
        if (last != NULL && s->p_vaddr < last->p_vaddr + last->p_memsz)
            return error_set_entry(error, PATCH_MALFORMED, "program header", i,
                                   image_segment_offset(image, i),
                                   "PT_LOAD does not stand behind the one before it");
        last = s;
    }
    if (last == NULL)
        return error_set_at(error, PATCH_MALFORMED, "program header table", image->header.e_phoff,
                            "no PT_LOAD");
    return true;
}

static bool parse(struct image *image, struct patch_error *error)
{
    /* Enough to say what else the file may be. */
    uint64_t beginning = image->size < sizeof(Elf64_Ehdr) ? image->size : sizeof(Elf64_Ehdr);

    if (!image_load(image, 0, beginning, error))
        return false;
    bool done = check_kind(image->bytes, image->size, error) && read_header(image, error) &&
                check_identity(image, error) && check_header_sizes(image, error) &&
                check_header_bounds(image, error) && read_headers(image, error);
    image_release(image, 0, beginning);
    return done && check_segments(image, error) && tables_find(image, error) &&
           image_sound(image, error);
}

bool image_parse(const uint8_t *bytes, uint64_t size, struct image **out, struct patch_error *error)
{
    struct image *image = calloc(1, sizeof(*image));

    *out = NULL;
    if (image == NULL)
        return error_memory(error);
    image->bytes = bytes;
    image->size = size;
    image->memory = reader_of_memory(bytes, size);
    image->reader = &image->memory;
    image->file = &image->memory;
    if (!parse(image, error)) {
        image_destroy(image);
        return false;
    }
    *out = image;
    return true;
}

bool image_open_reader(const struct reader *reader, struct image **out, struct patch_error *error)
{
    struct image *image = calloc(1, sizeof(*image));

    *out = NULL;
    if (image == NULL)
        return error_memory(error);
    image->size = reader->size;
    image->file = reader;
    bool done = source_create(reader, &image->source, error);
    if (done) {
        image->bytes = source_bytes(image->source);
        image->reader = source_reader(image->source);
        done = parse(image, error);
        /* What could not be read is the reason for whatever else seems wrong. */
        done = source_sound(image->source, error) && done;
    }
    if (done)
        *out = image;
    else
        image_destroy(image);
    return done;
}

bool image_open(const struct file *file, struct image **out, struct patch_error *error)
{
    return image_open_reader(&file->reader, out, error);
}

void image_destroy(struct image *image)
{
    if (image == NULL)
        return;
    free(image->segments);
    free(image->sections);
    free(image->dynamic);
    source_destroy(image->source);
    free(image);
}
