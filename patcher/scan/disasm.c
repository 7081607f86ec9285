/* SPDX-License-Identifier: MIT
 *
 * Capstone behind two questions.
 */
#include "scan/disasm.h"

#include "error.h"
#include "scan/disasm_machine.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

struct disasm {
    csh handle;
    csh brief; /* without details, which cost more than the rest */
    cs_insn *instruction;
    const struct arch_mnemonic *mnemonics;
    disasm_describe *describe;
};

static const struct decoder {
    uint16_t machine;
    cs_arch arch;
    cs_mode mode;
    disasm_describe *describe;
} decoders[] = {
    {EM_X86_64, CS_ARCH_X86, CS_MODE_64, disasm_x86},
    {EM_386, CS_ARCH_X86, CS_MODE_32, disasm_x86},
    {EM_AARCH64, CS_ARCH_ARM64, CS_MODE_LITTLE_ENDIAN, disasm_arm64},
};

static bool open_decoder(struct disasm *disasm, uint16_t machine)
{
    for (size_t i = 0; i < sizeof(decoders) / sizeof(decoders[0]); i++) {
        const struct decoder *row = &decoders[i];
        if (row->machine != machine)
            continue;
        disasm->describe = row->describe;
        return capstone.open(row->arch, row->mode, &disasm->handle) == CS_ERR_OK &&
               capstone.open(row->arch, row->mode, &disasm->brief) == CS_ERR_OK &&
               capstone.option(disasm->handle, CS_OPT_DETAIL, CS_OPT_ON) == CS_ERR_OK;
    }
    return false;
}

bool disasm_create(const struct arch *arch, struct disasm **out, struct patch_error *error)
{
    struct disasm *disasm = calloc(1, sizeof(*disasm));

    *out = NULL;
    if (disasm == NULL)
        return error_memory(error);
    if (!capstone_load(error)) {
        disasm_destroy(disasm);
        return false;
    }
    if (!open_decoder(disasm, arch->machine)) {
        disasm_destroy(disasm);
        return error_set(error, PATCH_UNSUPPORTED_MACHINE, "no disassembler for %s", arch->name);
    }
    disasm->mnemonics = arch->code->mnemonics;
    disasm->instruction = capstone.malloc(disasm->handle);
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
        capstone.free(disasm->instruction, 1);
    if (disasm->handle != 0)
        capstone.close(&disasm->handle);
    if (disasm->brief != 0)
        capstone.close(&disasm->brief);
    free(disasm);
}

static bool decode(struct disasm *disasm, const uint8_t *code, size_t size, uint64_t address)
{
    return capstone.disasm_iter(disasm->handle, &code, &size, &address, disasm->instruction);
}

const char *disasm_kind(struct disasm *disasm, const uint8_t *code, size_t size, uint64_t address)
{
    if (!decode(disasm, code, size, address))
        return NULL;
    for (const struct arch_mnemonic *row = disasm->mnemonics; row->begins != NULL; row++)
        if (strncmp(disasm->instruction->mnemonic, row->begins, strlen(row->begins)) == 0)
            return row->kind;
    return NULL;
}

size_t disasm_size(struct disasm *disasm, const uint8_t *code, size_t size, uint64_t address)
{
    bool decoded = capstone.disasm_iter(disasm->brief, &code, &size, &address, disasm->instruction);

    return decoded ? disasm->instruction->size : 0;
}

bool disasm_step(struct disasm *disasm, const uint8_t *code, size_t size, uint64_t address,
                 struct disasm_step *step)
{
    if (!decode(disasm, code, size, address))
        return false;
    *step = (struct disasm_step){.size = disasm->instruction->size,
                                 .to = ARCH_NOWHERE,
                                 .from = ARCH_NOWHERE,
                                 .calls = ARCH_NOWHERE};
    step->forbidden = capstone.insn_group(disasm->handle, disasm->instruction, CS_GRP_PRIVILEGE);
    disasm->describe(disasm->handle, disasm->instruction, step);
    return true;
}

/* --- for the halves --------------------------------------------------------------------------- */

void disasm_lose_written(csh handle, const cs_insn *instruction, int (*value_of)(unsigned reg),
                         struct disasm_step *step)
{
    uint8_t read_count, written_count;
    cs_regs read, written;

    if (capstone.regs_access(handle, instruction, read, &read_count, written, &written_count) !=
        CS_ERR_OK) {
        step->lost = UINT64_MAX;
        return;
    }
    for (uint8_t i = 0; i < written_count; i++) {
        int value = value_of(written[i]);
        if (value != ARCH_NOWHERE)
            step->lost |= DISASM_BIT(value);
    }
}

void disasm_copy(struct disasm_step *step, int to, int from, uint64_t keep, uint64_t add)
{
    step->to = to;
    step->from = from;
    step->keep = keep;
    step->add = add;
}

void disasm_set(struct disasm_step *step, int to, uint64_t constant)
{
    disasm_copy(step, to, ARCH_NOWHERE, 0, constant);
}

void disasm_load(struct disasm_step *step, int to, int from, uint64_t add)
{
    disasm_copy(step, to, from, UINT64_MAX, add);
    step->loads = true;
}
