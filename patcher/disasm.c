/* SPDX-License-Identifier: MIT
 *
 * Capstone behind one question.
 */
#include "disasm.h"

#include "error.h"

#include <capstone/capstone.h>
#include <elf.h>
#include <stdlib.h>
#include <string.h>

struct disasm {
    csh handle;
    cs_insn *instruction;
    const struct arch_mnemonic *mnemonics;
};

static const struct {
    uint16_t machine;
    cs_arch arch;
    cs_mode mode;
} decoders[] = {
    {EM_X86_64, CS_ARCH_X86, CS_MODE_64},
    {EM_AARCH64, CS_ARCH_ARM64, CS_MODE_LITTLE_ENDIAN},
};

static bool open_decoder(struct disasm *disasm, uint16_t machine)
{
    for (size_t i = 0; i < sizeof(decoders) / sizeof(decoders[0]); i++)
        if (decoders[i].machine == machine)
            return cs_open(decoders[i].arch, decoders[i].mode, &disasm->handle) == CS_ERR_OK;
    return false;
}

bool disasm_create(const struct arch *arch, struct disasm **out, struct patch_error *error)
{
    struct disasm *disasm = calloc(1, sizeof(*disasm));

    *out = NULL;
    if (disasm == NULL)
        return error_memory(error);
    if (!open_decoder(disasm, arch->machine)) {
        free(disasm);
        return error_set(error, PATCH_UNSUPPORTED_MACHINE, "no disassembler for %s", arch->name);
    }
    disasm->mnemonics = arch->code->mnemonics;
    disasm->instruction = cs_malloc(disasm->handle);
    if (disasm->instruction == NULL) {
        disasm_destroy(disasm);
        return error_memory(error);
    }
    *out = disasm;
    return true;
}

void disasm_destroy(struct disasm *disasm)
{
    if (disasm == NULL)
        return;
    if (disasm->instruction != NULL)
        cs_free(disasm->instruction, 1);
    cs_close(&disasm->handle);
    free(disasm);
}

const char *disasm_kind(struct disasm *disasm, const uint8_t *code, size_t size, uint64_t address)
{
    if (!cs_disasm_iter(disasm->handle, &code, &size, &address, disasm->instruction))
        return NULL;
    for (const struct arch_mnemonic *row = disasm->mnemonics; row->begins != NULL; row++)
        if (strncmp(disasm->instruction->mnemonic, row->begins, strlen(row->begins)) == 0)
            return row->kind;
    return NULL;
}
