/* SPDX-License-Identifier: MIT
 *
 * x86-64 and i386: which of their instructions carry constants to a system call. The rest only
 * loses what it writes.
 */
#include "scan/disasm_machine.h"

#include "arch/x86.h"

#include <string.h>

enum { REGISTERS = 16 };

/* Each register with its parts, in the order of the machine's own numbers. */
static const uint16_t parts[REGISTERS][5] = {
    {X86_REG_RAX, X86_REG_EAX, X86_REG_AX, X86_REG_AL, X86_REG_AH},
    {X86_REG_RCX, X86_REG_ECX, X86_REG_CX, X86_REG_CL, X86_REG_CH},
    {X86_REG_RDX, X86_REG_EDX, X86_REG_DX, X86_REG_DL, X86_REG_DH},
    {X86_REG_RBX, X86_REG_EBX, X86_REG_BX, X86_REG_BL, X86_REG_BH},
    {X86_REG_RSP, X86_REG_ESP, X86_REG_SP, X86_REG_SPL, 0},
    {X86_REG_RBP, X86_REG_EBP, X86_REG_BP, X86_REG_BPL, 0},
    {X86_REG_RSI, X86_REG_ESI, X86_REG_SI, X86_REG_SIL, 0},
    {X86_REG_RDI, X86_REG_EDI, X86_REG_DI, X86_REG_DIL, 0},
    {X86_REG_R8, X86_REG_R8D, X86_REG_R8W, X86_REG_R8B, 0},
    {X86_REG_R9, X86_REG_R9D, X86_REG_R9W, X86_REG_R9B, 0},
    {X86_REG_R10, X86_REG_R10D, X86_REG_R10W, X86_REG_R10B, 0},
    {X86_REG_R11, X86_REG_R11D, X86_REG_R11W, X86_REG_R11B, 0},
    {X86_REG_R12, X86_REG_R12D, X86_REG_R12W, X86_REG_R12B, 0},
    {X86_REG_R13, X86_REG_R13D, X86_REG_R13W, X86_REG_R13B, 0},
    {X86_REG_R14, X86_REG_R14D, X86_REG_R14W, X86_REG_R14B, 0},
    {X86_REG_R15, X86_REG_R15D, X86_REG_R15W, X86_REG_R15B, 0},
};

/* What a function may change: rax, rcx, rdx, rsi, rdi, r8 to r11 (i386: the first three, and what
 * it is given on the stack). */
static const uint64_t lost_by_calls = DISASM_BIT(X86_AX) | DISASM_BIT(X86_CX) | DISASM_BIT(X86_DX) |
                                      DISASM_BIT(X86_SI) | DISASM_BIT(X86_DI) | DISASM_BIT(8) |
                                      DISASM_BIT(9) | DISASM_BIT(10) | DISASM_BIT(11) |
                                      DISASM_BIT(ARCH_TOP);

static int value_of(unsigned reg)
{
    for (int i = 0; reg != X86_REG_INVALID && i < REGISTERS; i++)
        for (size_t k = 0; k < sizeof(parts[i]) / sizeof(parts[i][0]); k++)
            if (parts[i][k] == reg)
                return i;
    return ARCH_NOWHERE;
}

/* The bits that a write to a register of this width leaves of what is written; a write to a part
 * leaves the rest as it was, which is not followed. */
static uint64_t width_mask(const cs_x86_op *operand)
{
    return operand->size == 8 ? UINT64_MAX : operand->size == 4 ? UINT32_MAX : 0;
}

static bool is_top(const cs_x86_op *operand)
{
    return operand->type == X86_OP_MEM && value_of(operand->mem.base) == X86_SP &&
           operand->mem.index == X86_REG_INVALID && operand->mem.disp == 0;
}

/* An address at a fixed place: [rip + distance]. */
static bool is_word(const cs_x86_op *operand)
{
    return operand->type == X86_OP_MEM && operand->mem.base == X86_REG_RIP &&
           operand->mem.index == X86_REG_INVALID && operand->size == 8;
}

/* Where an operand keeps its value, if that is followed. */
static int place_of(const cs_x86_op *operand)
{
    if (operand->type == X86_OP_REG)
        return value_of(operand->reg);
    return is_top(operand) ? ARCH_TOP : ARCH_NOWHERE;
}

static void move(const cs_insn *instruction, const cs_x86_op *operands, struct disasm_step *step)
{
    int to = place_of(&operands[0]);
    uint64_t mask = width_mask(&operands[0]);
    int from = place_of(&operands[1]);

    if (to == ARCH_NOWHERE || mask == 0)
        return;
    if (operands[1].type == X86_OP_IMM)
        disasm_set(step, to, (uint64_t)operands[1].imm & mask);
    else if (is_word(&operands[1]))
        disasm_load(step, to, ARCH_NOWHERE,
                    instruction->address + instruction->size + (uint64_t)operands[1].mem.disp);
    else if (from != ARCH_NOWHERE)
        disasm_copy(step, to, from, mask, 0);
}

static void load_address(const cs_insn *instruction, const cs_x86_op *operands,
                         struct disasm_step *step)
{
    const x86_op_mem *memory = &operands[1].mem;
    int from = value_of(memory->base);

    if (operands[0].size < 4 || memory->index != X86_REG_INVALID)
        return;
    if (memory->base == X86_REG_RIP)
        disasm_set(step, value_of(operands[0].reg),
                   instruction->address + instruction->size + (uint64_t)memory->disp);
    else if (from != ARCH_NOWHERE && operands[0].size == 8)
        disasm_copy(step, value_of(operands[0].reg), from, UINT64_MAX, (uint64_t)memory->disp);
}

/* xor reg, reg; sub reg, reg */
static void clear(const cs_insn *instruction, const cs_x86_op *operands, struct disasm_step *step)
{
    (void)instruction;
    if (operands[0].type == X86_OP_REG && operands[1].type == X86_OP_REG &&
        operands[0].reg == operands[1].reg && width_mask(&operands[0]) != 0)
        disasm_set(step, value_of(operands[0].reg), 0);
}

static void push(const cs_insn *instruction, const cs_x86_op *operands, struct disasm_step *step)
{
    int from = place_of(&operands[0]);

    (void)instruction;
    if (operands[0].type == X86_OP_IMM)
        disasm_set(step, ARCH_TOP, (uint64_t)operands[0].imm);
    else if (from != ARCH_NOWHERE)
        disasm_copy(step, ARCH_TOP, from, UINT64_MAX, 0);
}

static void pop(const cs_insn *instruction, const cs_x86_op *operands, struct disasm_step *step)
{
    (void)instruction;
    if (operands[0].type == X86_OP_REG && width_mask(&operands[0]) != 0)
        disasm_copy(step, value_of(operands[0].reg), ARCH_TOP, UINT64_MAX, 0);
}

static void jump(const cs_insn *instruction, const cs_x86_op *operands, struct disasm_step *step)
{
    (void)instruction;
    if (operands[0].type == X86_OP_REG)
        step->calls = value_of(operands[0].reg);
    step->flow = operands[0].type == X86_OP_IMM ? DISASM_JUMP : DISASM_STOP;
    step->target = (uint64_t)operands[0].imm;
}

static void stop(const cs_insn *instruction, const cs_x86_op *operands, struct disasm_step *step)
{
    (void)instruction;
    (void)operands;
    step->flow = DISASM_STOP;
}

static void call(const cs_insn *instruction, const cs_x86_op *operands, struct disasm_step *step)
{
    (void)instruction;
    if (operands[0].type == X86_OP_REG)
        step->calls = value_of(operands[0].reg);
    step->lost |= lost_by_calls;
}

/* The kernel's answer; `syscall` itself writes rcx and r11. */
static void enter_kernel(const cs_insn *instruction, const cs_x86_op *operands,
                         struct disasm_step *step)
{
    (void)instruction;
    (void)operands;
    step->lost |= DISASM_BIT(X86_AX) | DISASM_BIT(X86_CX) | DISASM_BIT(11);
}

static const struct {
    unsigned id;
    void (*describe)(const cs_insn *, const cs_x86_op *, struct disasm_step *);
} rows[] = {
    {X86_INS_MOV, move},         {X86_INS_MOVABS, move},
    {X86_INS_LEA, load_address}, {X86_INS_XOR, clear},
    {X86_INS_SUB, clear},        {X86_INS_PUSH, push},
    {X86_INS_POP, pop},          {X86_INS_CALL, call},
    {X86_INS_LCALL, call},       {X86_INS_JMP, jump},
    {X86_INS_LJMP, stop},        {X86_INS_RET, stop},
    {X86_INS_RETF, stop},        {X86_INS_HLT, stop},
    {X86_INS_UD2, stop},         {X86_INS_SYSCALL, enter_kernel},
    {X86_INS_INT, enter_kernel}, {X86_INS_SYSENTER, enter_kernel},
};

void disasm_x86(csh handle, const cs_insn *instruction, struct disasm_step *step)
{
    const cs_x86 *detail = &instruction->detail->x86;

    step->padding = instruction->id == X86_INS_NOP || instruction->id == X86_INS_INT3 ||
                    (instruction->size == 2 && memcmp(instruction->bytes, "\x66\x90", 2) == 0);
    disasm_lose_written(handle, instruction, value_of, step);
    if ((step->lost & DISASM_BIT(X86_SP)) != 0 ||
        (detail->op_count > 0 && is_top(&detail->operands[0])))
        step->lost |= DISASM_BIT(ARCH_TOP);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].id == instruction->id) {
            rows[i].describe(instruction, detail->operands, step);
            return;
        }
    }
    /* the rest that jumps does so on a condition, or a count: loop, jrcxz */
    if (capstone.insn_group(handle, instruction, CS_GRP_JUMP) && detail->op_count == 1 &&
        detail->operands[0].type == X86_OP_IMM) {
        step->flow = DISASM_BRANCH;
        step->target = (uint64_t)detail->operands[0].imm;
    }
}
