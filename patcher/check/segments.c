/* SPDX-License-Identifier: MIT
 *
 * Program headers: what the loader maps, and what it is told about parts of that.
 */
#include "check/verify.h"
#include "elf/window.h"

#include <inttypes.h>

enum { PAGE = 4096, LARGE_PAGE = 65536, LONGEST_PATH = 4096 };

/* gABI: p_offset and p_vaddr are congruent modulo the page, or the loader cannot map the segment.
 */
enum patch_verdict check_congruence(const struct verify_subject *subject, char *detail)
{
    const struct image *image = subject->image;

    for (size_t i = 0; i < image->segment_count; i++) {
        const Elf64_Phdr *s = &image->segments[i];
        if (s->p_type == PT_LOAD && ((s->p_offset ^ s->p_vaddr) & (PAGE - 1)) != 0)
            return verify_fault(detail,
                                "program header[%zu]: offset 0x%" PRIx64 ", address 0x%" PRIx64, i,
                                (uint64_t)s->p_offset, (uint64_t)s->p_vaddr);
    }
    return PATCH_PASS;
}

/* glibc refuses a library whose p_align is no multiple of the page. */
enum patch_verdict check_alignment(const struct verify_subject *subject, char *detail)
{
    const struct image *image = subject->image;

    for (size_t i = 0; i < image->segment_count; i++) {
        const Elf64_Phdr *s = &image->segments[i];
        if (s->p_type == PT_LOAD && (s->p_align == 0 || s->p_align % PAGE != 0))
            return verify_fault(detail, "program header[%zu]: alignment 0x%" PRIx64, i,
                                (uint64_t)s->p_align);
    }
    return PATCH_PASS;
}

/* Machines whose kernels may have pages of up to 64 KiB. */
static const uint16_t large_page_machines[] = {EM_AARCH64, EM_PPC, EM_PPC64, EM_LOONGARCH};

/* The largest page that both segments are made for. */
static uint64_t common_page(const struct image *image, const Elf64_Phdr *a, const Elf64_Phdr *b)
{
    uint64_t align = a->p_align < b->p_align ? a->p_align : b->p_align;
    uint64_t page = PAGE;

    for (size_t i = 0; i < sizeof(large_page_machines) / sizeof(large_page_machines[0]); i++)
        if (image->header.e_machine == large_page_machines[i])
            page = LARGE_PAGE;
    if (align < page)
        page = align;
    return page < PAGE || (page & (page - 1)) != 0 ? PAGE : page;
}

/* The later of two segments is mapped over the page that they share: it must be the same page of
 * the file, with the same rights, and none of the first one's zeros may lie in it. */
static bool share_well(const Elf64_Phdr *a, const Elf64_Phdr *b)
{
    return a->p_vaddr - a->p_offset == b->p_vaddr - b->p_offset && a->p_flags == b->p_flags &&
           a->p_filesz == a->p_memsz;
}

enum patch_verdict check_overlap(const struct verify_subject *subject, char *detail)
{
    const struct image *image = subject->image;
    const Elf64_Phdr *last = NULL;
    size_t last_index = 0;

    for (size_t i = 0; i < image->segment_count; i++) {
        const Elf64_Phdr *s = &image->segments[i];
        if (s->p_type != PT_LOAD || s->p_memsz == 0)
            continue;
        uint64_t page = last != NULL ? s->p_vaddr & ~(common_page(image, last, s) - 1) : 0;
        if (last != NULL && last->p_vaddr + last->p_memsz > page && !share_well(last, s))
            return verify_fault(detail,
                                "program header[%zu] ends at 0x%" PRIx64
                                " in the page where program header[%zu] begins",
                                last_index, (uint64_t)(last->p_vaddr + last->p_memsz), i);
        last = s;
        last_index = i;
    }
    return PATCH_PASS;
}

/* Segments that describe a part of another one must show the same bytes. Of PT_GNU_RELRO only the
 * addresses count; mold lets it begin at a .tbss, with the offset 0, whether or not a PT_LOAD holds
 * something else at that address, and lld counts the padding behind it, which is not in the file,
 * as if it was. */
static bool shows_its_bytes(const struct image *image, const Elf64_Phdr *s)
{
    uint64_t offset;

    if (s->p_type == PT_GNU_RELRO)
        return s->p_offset == 0 || !image_offset(image, s->p_vaddr, 1, &offset) ||
               offset == s->p_offset;
    return image_offset(image, s->p_vaddr, s->p_filesz, &offset) && offset == s->p_offset;
}

enum patch_verdict check_segments(const struct verify_subject *subject, char *detail)
{
    const struct image *image = subject->image;
    static const uint32_t parts[] = {PT_DYNAMIC, PT_INTERP, PT_GNU_EH_FRAME,
                                     PT_TLS,     PT_PHDR,   PT_GNU_RELRO};

    for (size_t i = 0; i < image->segment_count; i++) {
        const Elf64_Phdr *s = &image->segments[i];
        for (size_t k = 0; k < sizeof(parts) / sizeof(parts[0]); k++)
            if (s->p_type == parts[k] && s->p_filesz != 0 && !shows_its_bytes(image, s))
                return verify_fault(detail,
                                    "program header[%zu]: offset 0x%" PRIx64
                                    " is not what is mapped at 0x%" PRIx64,
                                    i, (uint64_t)s->p_offset, (uint64_t)s->p_vaddr);
    }
    return PATCH_PASS;
}

/* The only segment of its type, or NULL; `*count` of them. */
static const Elf64_Phdr *find(const struct image *image, uint32_t type, size_t *count)
{
    const Elf64_Phdr *found = NULL;

    *count = 0;
    for (size_t i = 0; i < image->segment_count; i++) {
        if (image->segments[i].p_type != type)
            continue;
        found = &image->segments[i];
        ++*count;
    }
    return found;
}

/* gABI: PT_PHDR stands before every PT_LOAD and describes the whole table. */
enum patch_verdict check_program_headers(const struct verify_subject *subject, char *detail)
{
    const struct image *image = subject->image;
    uint64_t size = (uint64_t)image->segment_count * image->codec->sizes[CODEC_SEGMENT];
    size_t count;
    const Elf64_Phdr *table = find(image, PT_PHDR, &count);

    if (table == NULL)
        return verify_skip(detail, "no PT_PHDR");
    if (count > 1)
        return verify_fault(detail, "%zu PT_PHDR", count);
    if (table->p_offset != image->header.e_phoff || table->p_filesz != size ||
        table->p_memsz != size)
        return verify_fault(detail,
                            "PT_PHDR has 0x%" PRIx64 " bytes at 0x%" PRIx64
                            ", the table has 0x%" PRIx64 " at 0x%" PRIx64,
                            (uint64_t)table->p_filesz, (uint64_t)table->p_offset, size,
                            (uint64_t)image->header.e_phoff);
    for (const Elf64_Phdr *s = image->segments; s < table; s++)
        if (s->p_type == PT_LOAD)
            return verify_fault(detail, "PT_PHDR stands behind a PT_LOAD");
    return PATCH_PASS;
}

enum patch_verdict check_interpreter(const struct verify_subject *subject, char *detail)
{
    const struct image *image = subject->image;
    struct window window = {.image = image};
    struct patch_error error;
    size_t count;
    const Elf64_Phdr *s = find(image, PT_INTERP, &count);

    if (s == NULL)
        return verify_skip(detail, "no PT_INTERP");
    if (count > 1)
        return verify_fault(detail, "%zu PT_INTERP", count);
    if (s->p_filesz < 2 || s->p_filesz > LONGEST_PATH)
        return verify_fault(detail, "PT_INTERP has %" PRIu64 " bytes", (uint64_t)s->p_filesz);
    const uint8_t *text = window_at(&window, s->p_offset, s->p_filesz, &error);
    if (text == NULL)
        return verify_unreadable(detail, &error);
    bool ended = text[0] != '\0' && text[s->p_filesz - 1] == '\0';
    window_close(&window);
    return ended ? PATCH_PASS : verify_fault(detail, "PT_INTERP is no string that ends");
}

/* The 32-bit PowerPC ABI of old has its procedure linkage table in such a segment. */
enum patch_verdict check_write_execute(const struct verify_subject *subject, char *detail)
{
    const struct image *image = subject->image;

    if (image->header.e_machine == EM_PPC)
        return verify_skip(detail, "this machine's procedure linkage table needs it");
    for (size_t i = 0; i < image->segment_count; i++) {
        const Elf64_Phdr *s = &image->segments[i];
        if (s->p_type == PT_LOAD && (s->p_flags & (PF_W | PF_X)) == (PF_W | PF_X))
            return verify_fault(detail, "program header[%zu] is writable and executable", i);
    }
    return PATCH_PASS;
}

static uint64_t page_down(uint64_t address)
{
    return address & ~(uint64_t)(PAGE - 1);
}

static uint64_t page_up(uint64_t address)
{
    return page_down(address + PAGE - 1);
}

/* The loader protects whole pages: from the one that holds the start to the last that is filled. */
enum patch_verdict check_relro(const struct verify_subject *subject, char *detail)
{
    const struct image *image = subject->image;
    size_t count;
    const Elf64_Phdr *relro = find(image, PT_GNU_RELRO, &count);

    if (relro == NULL || relro->p_memsz == 0)
        return verify_skip(detail, "no PT_GNU_RELRO");
    if (count > 1)
        return verify_fault(detail, "%zu PT_GNU_RELRO", count);
    for (size_t i = 0; i < image->segment_count; i++) {
        const Elf64_Phdr *s = &image->segments[i];
        if (s->p_type == PT_LOAD && (s->p_flags & PF_W) != 0 &&
            page_down(relro->p_vaddr) >= page_down(s->p_vaddr) &&
            relro->p_memsz <= page_up(s->p_vaddr + s->p_memsz) - relro->p_vaddr &&
            relro->p_vaddr < s->p_vaddr + s->p_memsz)
            return PATCH_PASS;
    }
    return verify_fault(
        detail, "0x%" PRIx64 " bytes at address 0x%" PRIx64 " do not lie in one writable segment",
        (uint64_t)relro->p_memsz, (uint64_t)relro->p_vaddr);
}

static enum patch_verdict check_thread_symbols(const struct image *image, const Elf64_Phdr *tls,
                                               char *detail)
{
    for (uint32_t i = 0; i < image->symbol_count; i++) {
        Elf64_Sym symbol = image_symbol(image, i);
        if (ELF64_ST_TYPE(symbol.st_info) != STT_TLS || symbol.st_shndx == SHN_UNDEF)
            continue;
        if (tls == NULL)
            return verify_fault(detail, ".dynsym[%u] is thread-local, but there is no PT_TLS", i);
        if (symbol.st_value > tls->p_memsz)
            return verify_fault(detail,
                                ".dynsym[%u] lies 0x%" PRIx64 " bytes into a PT_TLS of 0x%" PRIx64,
                                i, (uint64_t)symbol.st_value, (uint64_t)tls->p_memsz);
    }
    return PATCH_PASS;
}

enum patch_verdict check_tls(const struct verify_subject *subject, char *detail)
{
    const struct image *image = subject->image;
    size_t count;
    const Elf64_Phdr *tls = find(image, PT_TLS, &count);

    if (tls != NULL) {
        if (count > 1)
            return verify_fault(detail, "%zu PT_TLS", count);
        if (tls->p_align != 0 && (tls->p_align & (tls->p_align - 1)) != 0)
            return verify_fault(detail, "PT_TLS: alignment 0x%" PRIx64 " is no power of two",
                                (uint64_t)tls->p_align);
        if (tls->p_filesz > tls->p_memsz)
            return verify_fault(detail, "PT_TLS: larger in the file than in memory");
    }
    enum patch_verdict verdict = check_thread_symbols(image, tls, detail);
    return verdict == PATCH_PASS && tls == NULL ? verify_skip(detail, "no PT_TLS") : verdict;
}
