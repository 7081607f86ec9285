/* SPDX-License-Identifier: MIT
 *
 * AArch64: which of its instructions carry constants to a system call. The rest only loses what it
 * writes.
 */
#include "scan/disasm_machine.h"

enum { FRAME = 29, LINK = 30, LAST_LOST = 18 /* the first that a function preserves is x19 */ };

static int value_of(unsigned reg)
{
    if (reg >= ARM64_REG_X0 && reg <= ARM64_REG_X28)
        return (int)(reg - ARM64_REG_X0);
    if (reg >= ARM64_REG_W0 && reg <= ARM64_REG_W30)
        return (int)(reg - ARM64_REG_W0);
    if (reg == ARM64_REG_X29)
        return FRAME;
    return reg == ARM64_REG_X30 ? LINK : ARCH_NOWHERE;
}

static uint64_t width_mask(unsigned reg)
{
    return reg >= ARM64_REG_W0 && reg <= ARM64_REG_W30 ? UINT32_MAX : UINT64_MAX;
}

static bool is_zero(const cs_arm64_op *operand)
{
    return operand->type == ARM64_OP_REG &&
           (operand->reg == ARM64_REG_XZR || operand->reg == ARM64_REG_WZR);
}

static uint64_t shifted(const cs_arm64_op *operand)
{
    uint64_t value = (uint64_t)operand->imm;

    return operand->shift.type == ARM64_SFT_LSL ? value << (operand->shift.value & 63) : value;
}

typedef void describe(const cs_arm64_op *operands, uint8_t count, struct disasm_step *step);

static void move(const cs_arm64_op *operands, uint8_t count, struct disasm_step *step)
{
    int to = value_of(operands[0].reg);
    uint64_t mask = width_mask(operands[0].reg);

    if (count != 2 || to == ARCH_NOWHERE)
        return;
    if (operands[1].type == ARM64_OP_IMM)
        disasm_set(step, to, shifted(&operands[1]) & mask);
    else if (is_zero(&operands[1]))
        disasm_set(step, to, 0);
    else if (operands[1].type == ARM64_OP_REG && value_of(operands[1].reg) != ARCH_NOWHERE)
        disasm_copy(step, to, value_of(operands[1].reg), mask, 0);
}

static void move_inverted(const cs_arm64_op *operands, uint8_t count, struct disasm_step *step)
{
    if (count == 2 && operands[1].type == ARM64_OP_IMM)
        disasm_set(step, value_of(operands[0].reg),
                   ~shifted(&operands[1]) & width_mask(operands[0].reg));
}

/* movk: sixteen bits of what is there. */
static void move_part(const cs_arm64_op *operands, uint8_t count, struct disasm_step *step)
{
    if (count != 2 || operands[1].type != ARM64_OP_IMM)
        return;
    uint64_t part = (uint64_t)0xffff << (operands[1].shift.value & 63);
    int to = value_of(operands[0].reg);
    disasm_copy(step, to, to, ~part, shifted(&operands[1]) & part);
}

/* adr, adrp: capstone gives the address itself. */
static void load_address(const cs_arm64_op *operands, uint8_t count, struct disasm_step *step)
{
    if (count == 2 && operands[1].type == ARM64_OP_IMM)
        disasm_set(step, value_of(operands[0].reg), (uint64_t)operands[1].imm);
}

static void add(const cs_arm64_op *operands, uint8_t count, struct disasm_step *step)
{
    if (count != 3 || operands[2].type != ARM64_OP_IMM ||
        value_of(operands[1].reg) == ARCH_NOWHERE || width_mask(operands[0].reg) != UINT64_MAX)
        return;
    disasm_copy(step, value_of(operands[0].reg), value_of(operands[1].reg), UINT64_MAX,
                shifted(&operands[2]));
}

/* ldr xT, [xN, #distance], without writing back */
static void load(const cs_arm64_op *operands, uint8_t count, struct disasm_step *step)
{
    if (count != 2 || operands[1].type != ARM64_OP_MEM ||
        operands[1].mem.index != ARM64_REG_INVALID ||
        value_of(operands[1].mem.base) == ARCH_NOWHERE || width_mask(operands[0].reg) != UINT64_MAX)
        return;
    disasm_load(step, value_of(operands[0].reg), value_of(operands[1].mem.base),
                (uint64_t)(int64_t)operands[1].mem.disp);
}

static void call(const cs_arm64_op *operands, uint8_t count, struct disasm_step *step)
{
    if (count == 1 && operands[0].type == ARM64_OP_REG)
        step->calls = value_of(operands[0].reg);
    step->lost |= (DISASM_BIT(LAST_LOST + 1) - 1) | DISASM_BIT(LINK);
}

static void enter_kernel(const cs_arm64_op *operands, uint8_t count, struct disasm_step *step)
{
    (void)operands;
    (void)count;
    step->lost |= DISASM_BIT(0);
}

static void stop(const cs_arm64_op *operands, uint8_t count, struct disasm_step *step)
{
    if (count == 1 && operands[0].type == ARM64_OP_REG)
        step->calls = value_of(operands[0].reg);
    step->flow = DISASM_STOP;
}

static const struct {
    unsigned id;
    describe *describe;
} rows[] = {
    {ARM64_INS_MOV, move},         {ARM64_INS_MOVZ, move},        {ARM64_INS_MOVN, move_inverted},
    {ARM64_INS_MOVK, move_part},   {ARM64_INS_ADR, load_address}, {ARM64_INS_ADRP, load_address},
    {ARM64_INS_ADD, add},          {ARM64_INS_BL, call},          {ARM64_INS_BLR, call},
    {ARM64_INS_SVC, enter_kernel}, {ARM64_INS_BR, stop},          {ARM64_INS_RET, stop},
    {ARM64_INS_BRK, stop},         {ARM64_INS_LDR, load},
};

/* b, b.cond, cbz, tbnz: the target is the last operand. */
static void branch(const cs_insn *instruction, const cs_arm64 *detail, struct disasm_step *step)
{
    bool always = instruction->id == ARM64_INS_B &&
                  (detail->cc == ARM64_CC_INVALID || detail->cc == ARM64_CC_AL);

    if (detail->op_count == 0 || detail->operands[detail->op_count - 1].type != ARM64_OP_IMM)
        return;
    step->flow = always ? DISASM_JUMP : DISASM_BRANCH;
    step->target = (uint64_t)detail->operands[detail->op_count - 1].imm;
}

void disasm_arm64(csh handle, const cs_insn *instruction, struct disasm_step *step)
{
    const cs_arm64 *detail = &instruction->detail->arm64;

    step->padding = instruction->id == ARM64_INS_NOP;
    disasm_lose_written(handle, instruction, value_of, step);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].id == instruction->id) {
            rows[i].describe(detail->operands, detail->op_count, step);
            return;
        }
    }
    if (capstone.insn_group(handle, instruction, CS_GRP_JUMP))
        branch(instruction, detail, step);
}
