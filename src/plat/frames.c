/* SPDX-License-Identifier: MIT */
/*
 * Call frame information, as the Linux Standard Base has it (.eh_frame and
 * .eh_frame_hdr) after DWARF 4, section 6.4: for each address in a program, a
 * row of rules that say where the caller's registers are.
 *
 * Everything about one frame is done in one callback of dl_iterate_phdr(),
 * during which no library can be unloaded.
 */
#define _GNU_SOURCE
#include "plat/frames.h"

#include "plat/switch.h"
#include "plat/watch.h"

#include <link.h>
#include <string.h>

#if defined(__x86_64__)
enum { REGISTERS = 17, BASE = 3, FP = 6, SP = 7, PC = 16 };
#elif defined(__aarch64__)
enum { REGISTERS = 33, BASE = 19, FP = 29, SP = 31, PC = 32 };
#endif

enum { ROWS = 4, OPERANDS = 8 };

typedef struct {
	uintptr_t value[REGISTERS];
	uintptr_t cfa;
} frame;

/* How a register of the caller is found. */
typedef struct {
	enum {
		SAME,
		UNDEFINED,
		AT,		/* at CFA + n */
		IS,		/* CFA + n */
		IN_REGISTER,	/* n */
		AT_EXPRESSION,
		IS_EXPRESSION,
	} how;
	int64_t n;
	const unsigned char *expression;
} rule;

typedef struct {
	uint64_t cfa_register;
	int64_t cfa_offset;
	const unsigned char *cfa_expression;
	rule rules[REGISTERS];
} row;

typedef struct {
	const unsigned char *at;
	const unsigned char *end;
	bool bad;
} reader;

/* One description, of a function or what several have in common. */
typedef struct {
	reader instructions;
	uint64_t code_factor;
	int64_t data_factor;
	uint64_t return_register;
	unsigned char encoding;
	bool has_augmentation;
	bool is_signal_frame;
	uintptr_t begin;
	uintptr_t end;
} description;

typedef struct {
	const weft__frames_copy *copy;
	frame frame;
	uintptr_t pc;	/* an address in the function, not after its call */
	bool found;
} walk;

/* ---- reading tables ---- */

static uint64_t read_bytes(reader *r, size_t n)
{
	uint64_t value = 0;

	if ((size_t)(r->end - r->at) < n) {
		r->bad = true;
		r->at = r->end;
		return 0;
	}
	memcpy(&value, r->at, n);
	r->at += n;
	return value;
}

static uint64_t read_uleb(reader *r)
{
	uint64_t value = 0, byte;
	int shift = 0;

	do {
		byte = read_bytes(r, 1);
		if (shift < 64)
			value |= (byte & 0x7f) << shift;
		shift += 7;
	} while (byte & 0x80);
	return value;
}

static int64_t read_sleb(reader *r)
{
	int64_t value = 0;
	uint64_t byte;
	int shift = 0;

	do {
		byte = read_bytes(r, 1);
		if (shift < 64)
			value |= (int64_t)((byte & 0x7f) << shift);
		shift += 7;
	} while (byte & 0x80);
	if (shift < 64 && (byte & 0x40))
		value |= -((int64_t)1 << shift);
	return value;
}

static const unsigned char *read_block(reader *r)
{
	const unsigned char *block = r->at;
	uint64_t size = read_uleb(r);

	if (size > (size_t)(r->end - r->at))
		r->bad = true;
	else
		r->at += size;
	return block;
}

/* DW_EH_PE_*: the format in the low half, what it is relative to above. */
static uintptr_t read_encoded(reader *r, unsigned char encoding)
{
	uintptr_t here = (uintptr_t)r->at, value;

	switch (encoding & 0x0f) {
	case 0x1:
		value = read_uleb(r);
		break;
	case 0x2:
		value = read_bytes(r, 2);
		break;
	case 0x3:
		value = read_bytes(r, 4);
		break;
	case 0x9:
		value = (uintptr_t)read_sleb(r);
		break;
	case 0xa:
		value = (uintptr_t)(int16_t)read_bytes(r, 2);
		break;
	case 0xb:
		value = (uintptr_t)(int32_t)read_bytes(r, 4);
		break;
	default:
		value = read_bytes(r, 8);
	}
	return (encoding & 0x70) == 0x10 ? here + value : value;
}

/* The entry of .eh_frame at at: its contents after the length. */
static reader entry_at(const unsigned char *at)
{
	uint32_t size;

	memcpy(&size, at, sizeof size);
	if (size == UINT32_MAX)	/* 64 bits: nobody has such */
		size = 0;
	return (reader){at + 4, at + 4 + size, false};
}

static void read_augmentation(reader *r, const char *letters, description *d)
{
	if (*letters != 'z')
		return;
	d->has_augmentation = true;
	(void)read_uleb(r);
	while (*++letters != 0) {
		if (*letters == 'R')
			d->encoding = (unsigned char)read_bytes(r, 1);
		else if (*letters == 'P')
			(void)read_encoded(r, (unsigned char)read_bytes(r, 1));
		else if (*letters == 'L')
			(void)read_bytes(r, 1);
		else if (*letters == 'S')
			d->is_signal_frame = true;
	}
}

static bool read_common(const unsigned char *at, description *d)
{
	reader r = entry_at(at);
	const char *letters;
	uint64_t version;

	if (read_bytes(&r, 4) != 0)
		return false;
	version = read_bytes(&r, 1);
	letters = (const char *)r.at;
	while (read_bytes(&r, 1) != 0)
		;
	*d = (description){.code_factor = read_uleb(&r)};
	d->data_factor = read_sleb(&r);
	d->return_register = version == 1 ? read_bytes(&r, 1) : read_uleb(&r);
	read_augmentation(&r, letters, d);
	d->instructions = r;
	return !r.bad && d->return_register < REGISTERS;
}

static bool read_function(const unsigned char *at, description *common,
			  description *d)
{
	reader r = entry_at(at);
	const unsigned char *here = r.at;
	uint64_t back = read_bytes(&r, 4);

	if (back == 0 || r.bad || !read_common(here - back, common))
		return false;
	*d = *common;
	d->begin = read_encoded(&r, common->encoding);
	d->end = d->begin + read_encoded(&r, common->encoding & 0x0f);
	if (common->has_augmentation)
		(void)read_block(&r);
	d->instructions = r;
	return !r.bad;
}

/* ---- the row of an address ---- */

static void set(row *w, uint64_t reg, int how, int64_t n,
		const unsigned char *expression)
{
	if (reg < REGISTERS)
		w->rules[reg] = (rule){how, n, expression};
}

static void reset(row *w, uint64_t reg, const row *initial)
{
	if (reg < REGISTERS)
		w->rules[reg] = initial->rules[reg];
}

/* An instruction whose operand is in its low six bits, or one that moves on. */
static bool run_short(reader *r, uint64_t op, const description *d,
		      const row *initial, row *w, uintptr_t *pc)
{
	switch (op & 0xc0) {
	case 0x40:	/* advance_loc */
		*pc += (op & 0x3f) * d->code_factor;
		return true;
	case 0x80:	/* offset */
		set(w, op & 0x3f, AT, (int64_t)read_uleb(r) * d->data_factor,
		    NULL);
		return true;
	case 0xc0:	/* restore */
		reset(w, op & 0x3f, initial);
		return true;
	}
	switch (op) {
	case 0x01:	/* set_loc */
		*pc = read_encoded(r, d->encoding);
		return true;
	case 0x02:	/* advance_loc1, 2, 4 */
	case 0x03:
	case 0x04:
		*pc += read_bytes(r, (size_t)1 << (op - 2)) * d->code_factor;
		return true;
	}
	return false;
}

static bool run_cfa(reader *r, uint64_t op, const description *d, row *w)
{
	switch (op) {
	case 0x0c:	/* def_cfa */
	case 0x12:	/* def_cfa_sf */
		w->cfa_register = read_uleb(r);
		w->cfa_offset = op == 0x0c ? (int64_t)read_uleb(r)
					   : read_sleb(r) * d->data_factor;
		w->cfa_expression = NULL;
		return true;
	case 0x0d:	/* def_cfa_register */
		w->cfa_register = read_uleb(r);
		w->cfa_expression = NULL;
		return true;
	case 0x0e:	/* def_cfa_offset */
		w->cfa_offset = (int64_t)read_uleb(r);
		return true;
	case 0x13:	/* def_cfa_offset_sf */
		w->cfa_offset = read_sleb(r) * d->data_factor;
		return true;
	case 0x0f:	/* def_cfa_expression */
		w->cfa_expression = read_block(r);
		return true;
	}
	return false;
}

static bool run_rule(reader *r, uint64_t op, const description *d,
		     const row *initial, row *w)
{
	uint64_t reg = read_uleb(r);

	switch (op) {
	case 0x05:	/* offset_extended */
	case 0x14:	/* val_offset */
		set(w, reg, op == 0x05 ? AT : IS,
		    (int64_t)read_uleb(r) * d->data_factor, NULL);
		return true;
	case 0x11:	/* offset_extended_sf */
	case 0x15:	/* val_offset_sf */
		set(w, reg, op == 0x11 ? AT : IS, read_sleb(r) * d->data_factor,
		    NULL);
		return true;
	case 0x06:	/* restore_extended */
		reset(w, reg, initial);
		return true;
	case 0x07:	/* undefined */
	case 0x08:	/* same_value */
		set(w, reg, op == 0x07 ? UNDEFINED : SAME, 0, NULL);
		return true;
	case 0x09:	/* register */
		set(w, reg, IN_REGISTER, (int64_t)read_uleb(r), NULL);
		return true;
	case 0x10:	/* expression */
	case 0x16:	/* val_expression */
		set(w, reg, op == 0x10 ? AT_EXPRESSION : IS_EXPRESSION, 0,
		    read_block(r));
		return true;
	}
	return false;
}

/* Run d's instructions up to the row that pc is in. */
static bool run(const description *d, uintptr_t pc, const row *initial, row *w)
{
	reader r = d->instructions;
	uintptr_t at = d->begin;
	row rows[ROWS];
	size_t remembered = 0;

	while (r.at < r.end && at <= pc) {
		uint64_t op = read_bytes(&r, 1);

		if (op == 0x00 || op == 0x2d)	/* nop, negate_ra_state */
			continue;
		if (op == 0x0a) {		/* remember_state */
			if (remembered == ROWS)
				return false;
			rows[remembered++] = *w;
		} else if (op == 0x0b) {	/* restore_state */
			if (remembered == 0)
				return false;
			*w = rows[--remembered];
		} else if (op == 0x2e) {	/* GNU_args_size */
			(void)read_uleb(&r);
		} else if (!run_short(&r, op, d, initial, w, &at) &&
			   !run_cfa(&r, op, d, w) &&
			   !run_rule(&r, op, d, initial, w)) {
			return false;
		}
	}
	return !r.bad;
}

/* ---- by the row to the caller ---- */

static bool load(const weft__frames_copy *c, uintptr_t address,
		 uintptr_t *value)
{
	size_t offset = address - c->address;

	if (offset > c->size_bytes || c->size_bytes - offset < sizeof *value)
		return false;
	memcpy(value, c->bytes + offset, sizeof *value);
	return true;
}

/* What compilers use where a function aligns its stack, and the PLT has. */
static bool operate(reader *r, uint64_t op, const walk *k, uintptr_t *top,
		    size_t *depth)
{
	uintptr_t *a, b = top[*depth - 1];

	if (op == 0x06)	/* deref */
		return load(k->copy, b, &top[*depth - 1]);
	if (op == 0x23) {	/* plus_uconst */
		top[*depth - 1] += read_uleb(r);
		return true;
	}
	if (*depth < 2)
		return false;
	a = &top[--*depth - 1];
	switch (op) {
	case 0x1a:
		*a &= b;
		return true;
	case 0x1c:
		*a -= b;
		return true;
	case 0x22:
		*a += b;
		return true;
	case 0x24:
		*a <<= b & 63;
		return true;
	case 0x2a:
		*a = (intptr_t)*a >= (intptr_t)b;
		return true;
	}
	return false;
}

static bool evaluate(const unsigned char *expression, const walk *k,
		     uintptr_t start, bool has_start, uintptr_t *value)
{
	uintptr_t operands[OPERANDS + 1] = {start};
	size_t depth = has_start;
	reader r = {expression, expression + 16, false};
	uint64_t size = read_uleb(&r);

	r.end = r.at + size;
	while (r.at < r.end && !r.bad) {
		uint64_t op = read_bytes(&r, 1);

		if (depth == OPERANDS)
			return false;
		if (op >= 0x30 && op <= 0x4f)	/* lit0 … lit31 */
			operands[depth++] = op - 0x30;
		else if (op >= 0x70 && op < 0x70 + REGISTERS && op <= 0x8f)
			operands[depth++] = k->frame.value[op - 0x70] +
					    (uintptr_t)read_sleb(&r);
		else if (op == 0x08)		/* const1u */
			operands[depth++] = read_bytes(&r, 1);
		else if (depth == 0 || !operate(&r, op, k, operands, &depth))
			return false;
	}
	if (depth != 1 || r.bad)
		return false;
	*value = operands[0];
	return true;
}

static bool find_cfa(const walk *k, const row *w, uintptr_t *cfa)
{
	if (w->cfa_expression != NULL)
		return evaluate(w->cfa_expression, k, 0, false, cfa);
	if (w->cfa_register >= REGISTERS)
		return false;
	*cfa = k->frame.value[w->cfa_register] + (uintptr_t)w->cfa_offset;
	return true;
}

static bool apply(const walk *k, const rule *u, uintptr_t cfa, uintptr_t *value)
{
	uintptr_t at = cfa + (uintptr_t)u->n;

	switch (u->how) {
	case SAME:
		return true;
	case AT:
		return load(k->copy, at, value);
	case IS:
		*value = at;
		return true;
	case IN_REGISTER:
		if (u->n < 0 || u->n >= REGISTERS)
			return false;
		*value = k->frame.value[u->n];
		return true;
	case AT_EXPRESSION:
		return evaluate(u->expression, k, cfa, true, &at) &&
		       load(k->copy, at, value);
	case IS_EXPRESSION:
		return evaluate(u->expression, k, cfa, true, value);
	default:
		*value = 0;
		return true;
	}
}

/* Without the signature of aarch64's pointer authentication. */
static uintptr_t strip(uintptr_t address)
{
#if defined(__aarch64__)
	return address & (((uintptr_t)1 << 48) - 1);
#else
	return address;
#endif
}

/* False: there is no caller. */
static bool step(walk *k, const description *d, const row *w)
{
	frame caller = k->frame;
	uintptr_t cfa;

	if (!find_cfa(k, w, &cfa) ||
	    w->rules[d->return_register].how == UNDEFINED)
		return false;
	if (cfa <= k->frame.value[SP])	/* frames lie one above the other */
		return false;
	for (size_t i = 0; i < REGISTERS; i++)
		if (!apply(k, &w->rules[i], cfa, &caller.value[i]))
			return false;
	caller.value[SP] = cfa;
	caller.value[PC] = strip(caller.value[d->return_register]);
	k->frame = caller;
	k->pc = caller.value[PC] - 1;
	return caller.value[PC] != 0;
}

/* ---- the description of an address ---- */

/* .eh_frame_hdr: a sorted table of where functions begin, and are described. */
static const unsigned char *search(const unsigned char *header, uintptr_t pc)
{
	uintptr_t base = (uintptr_t)header;
	reader r = {header, header + 24, false};
	size_t low = 0, high;
	const int32_t *table;

	if (read_bytes(&r, 1) != 1 || header[3] != 0x3b)
		return NULL;
	r.at = header + 4;
	(void)read_encoded(&r, header[1]);
	high = read_encoded(&r, header[2]);
	table = (const void *)r.at;
	while (low < high) {
		size_t middle = (low + high) / 2;

		if (base + (uintptr_t)(intptr_t)table[2 * middle] <= pc)
			low = middle + 1;
		else
			high = middle;
	}
	return low == 0 ? NULL
			: header + table[2 * (low - 1) + 1];
}

static const unsigned char *header_for(const struct dl_phdr_info *info,
				       uintptr_t pc)
{
	const unsigned char *header = NULL;
	bool holds = false;

	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		uintptr_t start = info->dlpi_addr + p->p_vaddr;

		if (p->p_type == PT_LOAD && pc - start < p->p_memsz)
			holds = true;
		if (p->p_type == PT_GNU_EH_FRAME)
			header = (const void *)start;
	}
	return holds ? header : NULL;
}

static int visit(struct dl_phdr_info *info, size_t size, void *walk_)
{
	walk *k = walk_;
	const unsigned char *header = header_for(info, k->pc), *at;
	description common, d;
	row initial = {0}, w;

	(void)size;
	if (header == NULL)
		return 0;
	at = search(header, k->pc);
	if (at == NULL || !read_function(at, &common, &d) || k->pc >= d.end)
		return 1;
	common.begin = 0;
	if (!run(&common, UINTPTR_MAX, &initial, &initial))
		return 1;
	w = initial;
	k->found = run(&d, k->pc, &initial, &w) && step(k, &d, &w);
	return 1;
}

size_t weft__frames_of(const weft__frames_copy *c, void **addresses, size_t most)
{
	walk k = {.copy = c};
	uintptr_t at = c->address;
	size_t count = 0;

	/* As weft__switch() has left them: all that its caller needs. */
	if (!load(c, at, &k.frame.value[BASE]) ||
	    !load(c, at + sizeof at, &k.frame.value[FP]) ||
	    !load(c, at + 2 * sizeof at, &k.frame.value[PC]))
		return 0;
	k.frame.value[SP] = at + WEFT__SWITCH_WORDS * sizeof at;
	k.pc = k.frame.value[PC] - 1;
	while (count < most) {
		addresses[count++] = (void *)k.frame.value[PC];
		k.found = false;
		dl_iterate_phdr(visit, &k);
		if (!k.found)
			break;
	}
	return count;
}

/* ---- copying ---- */

__attribute__((no_sanitize("address"))) __attribute__((no_sanitize("thread")))
void weft__frames_read(void *to, uintptr_t from, size_t size_bytes)
{
	const volatile uintptr_t *words = (const volatile uintptr_t *)from;
	uintptr_t *copy = to;

	weft__watch_pause();
	for (size_t i = 0; i < size_bytes / sizeof *words; i++)
		copy[i] = (WEFT_PRIV_POINT(&words[i], 0) words[i]);
	weft__watch_resume();
	weft__watch_written(to, size_bytes);
}

__attribute__((no_sanitize("address"))) __attribute__((no_sanitize("thread")))
uintptr_t weft__frames_load(const void *word)
{
	return weft_atomic_load((const uintptr_t *)word, acquire);
}
