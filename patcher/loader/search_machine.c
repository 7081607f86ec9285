/* SPDX-License-Identifier: MIT
 *
 * The rows. Debian has the libraries of a machine that is not this one in the multiarch folders,
 * or, with its cross compilers, in /usr/TRIPLE/lib, which qemu's -L makes the root; so these come
 * last.
 */
#include "loader/search_machine.h"

#include <stddef.h>

/* EF_RISCV_FLOAT_ABI and EF_RISCV_RVE; EF_PPC64_ABI. */
enum { RISCV_ABI = 0xe, RISCV_DOUBLE = 4, PPC64_ABI = 3 };
enum { ARM_FLOAT = EF_ARM_ABI_FLOAT_HARD | EF_ARM_ABI_FLOAT_SOFT };

/* clang-format off */
#define FOLDERS(triple, old)                                                                       \
    "/lib/" triple, "/usr/lib/" triple, "/" old, "/usr/" old, "/lib", "/usr/lib"
#define FOREIGN(triple, cross, old) {FOLDERS(triple, old), "/usr/" cross "/lib", NULL}

static const struct search_machine machines[] = {
    {EM_X86_64, ELFCLASS64, ELFDATANONE, 0, 0, 0x0303,
     {FOLDERS("x86_64-linux-gnu", "lib64"), NULL},
     {{"lib/x86_64-linux-gnu", "haswell"}, {"lib/x86_64-linux-gnu", "xeon_phi"},
      {"lib/x86_64-linux-gnu", "x86_64"}, {"lib64", "haswell"}, {"lib64", "xeon_phi"},
      {"lib64", "x86_64"}, {NULL, NULL}}},
    {EM_AARCH64, ELFCLASS64, ELFDATANONE, 0, 0, 0x0a03,
     FOREIGN("aarch64-linux-gnu", "aarch64-linux-gnu", "lib64"),
     {{"lib/aarch64-linux-gnu", "aarch64"}, {"lib64", "aarch64"}, {NULL, NULL}}},
    {EM_386, ELFCLASS32, ELFDATANONE, 0, 0, 0x0003,
     FOREIGN("i386-linux-gnu", "i686-linux-gnu", "lib32"),
     {{"lib/i386-linux-gnu", "i686"}, {"lib/i386-linux-gnu", "i586"}, {"lib", "i686"},
      {"lib32", "i686"}, {NULL, NULL}}},
    {EM_ARM, ELFCLASS32, ELFDATANONE, ARM_FLOAT, EF_ARM_ABI_FLOAT_HARD, 0x0903,
     FOREIGN("arm-linux-gnueabihf", "arm-linux-gnueabihf", "lib"),
     {{"lib/arm-linux-gnueabihf", "v7l"}, {"lib/arm-linux-gnueabihf", "v8l"},
      {"lib/arm-linux-gnueabihf", "v6l"}, {"lib", "v7l"}, {"lib", "v8l"}, {"lib", "v6l"},
      {NULL, NULL}}},
    {EM_ARM, ELFCLASS32, ELFDATANONE, ARM_FLOAT, EF_ARM_ABI_FLOAT_SOFT, 0x0b03,
     FOREIGN("arm-linux-gnueabi", "arm-linux-gnueabi", "lib"),
     {{"lib/arm-linux-gnueabi", "v7l"}, {"lib/arm-linux-gnueabi", "v5l"},
      {"lib/arm-linux-gnueabi", "v6l"}, {"lib", "v7l"}, {"lib", "v5l"}, {"lib", "v6l"},
      {NULL, NULL}}},
    {EM_RISCV, ELFCLASS64, ELFDATANONE, RISCV_ABI, RISCV_DOUBLE, 0x1003,
     FOREIGN("riscv64-linux-gnu", "riscv64-linux-gnu", "lib64/lp64d"),
     {{"lib/riscv64-linux-gnu", ""}, {"lib64/lp64d", ""}, {NULL, NULL}}},
    {EM_PPC, ELFCLASS32, ELFDATANONE, 0, 0, 0x0003,
     FOREIGN("powerpc-linux-gnu", "powerpc-linux-gnu", "lib"),
     {{"lib/powerpc-linux-gnu", "power8"}, {"lib/powerpc-linux-gnu", "power9"}, {"lib", "power8"},
      {"lib", "power9"}, {NULL, NULL}}},
    {EM_PPC64, ELFCLASS64, ELFDATA2MSB, PPC64_ABI, 1, 0x0503,
     FOREIGN("powerpc64-linux-gnu", "powerpc64-linux-gnu", "lib64"),
     {{"lib/powerpc64-linux-gnu", "power8"}, {"lib/powerpc64-linux-gnu", "power9"},
      {"lib64", "power8"}, {"lib64", "power9"}, {NULL, NULL}}},
    {EM_PPC64, ELFCLASS64, ELFDATA2LSB, PPC64_ABI, 2, 0x0503,
     FOREIGN("powerpc64le-linux-gnu", "powerpc64le-linux-gnu", "lib64"),
     {{"lib/powerpc64le-linux-gnu", "power8"}, {"lib/powerpc64le-linux-gnu", "power9"},
      {"lib/powerpc64le-linux-gnu", "power10"}, {"lib64", "power8"}, {"lib64", "power9"},
      {"lib64", "power10"}, {NULL, NULL}}},
    {EM_S390, ELFCLASS64, ELFDATANONE, 0, 0, 0x0403,
     FOREIGN("s390x-linux-gnu", "s390x-linux-gnu", "lib64"),
     {{"lib/s390x-linux-gnu", "z13"}, {"lib/s390x-linux-gnu", "z14"},
      {"lib/s390x-linux-gnu", "z15"}, {"lib/s390x-linux-gnu", "z16"}, {"lib64", "z13"},
      {"lib64", "z14"}, {"lib64", "z15"}, {"lib64", "z16"}, {NULL, NULL}}},
    {EM_LOONGARCH, ELFCLASS64, ELFDATANONE, 0, 0, 0x1203,
     FOREIGN("loongarch64-linux-gnu", "loongarch64-linux-gnu", "lib64"),
     {{"lib/loongarch64-linux-gnu", "loongarch64"}, {"lib64", "loongarch64"}, {NULL, NULL}}},
};
/* clang-format on */

static int distance(const struct search_machine *row, const Elf64_Ehdr *header)
{
    unsigned char order = header->e_ident[EI_DATA];

    if (row->machine != header->e_machine || row->class != header->e_ident[EI_CLASS] ||
        (row->order != ELFDATANONE && row->order != order))
        return 2;
    return (header->e_flags & row->abi_mask) == row->abi ? 0 : 1;
}

const struct search_machine *search_machine_find(const Elf64_Ehdr *header)
{
    const struct search_machine *best = NULL;
    int least = 2;

    /* Files without the bits that tell (old assemblers leave them out) are of the first kind. */
    for (size_t i = 0; i < sizeof(machines) / sizeof(machines[0]); i++) {
        int now = distance(&machines[i], header);
        if (now < least) {
            least = now;
            best = &machines[i];
        }
    }
    return best;
}
