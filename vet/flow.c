/* SPDX-License-Identifier: MIT */
/*
 * The ways through a block. Something is switched on and off by calls in it;
 * for each place where the block is left we want what it may be there. Only an
 * answer of VET_ON alone is certain: on all ways that lead there. Conditions
 * are not looked at, so if (own) init(); ...; if (own) fini(); is "either".
 *
 * Each join (label, head of a loop) keeps what has come to it, and the block is
 * walked until nothing is new anywhere; states only ever gain bits.
 */
#include "vet.h"

#include <stdlib.h>
#include <string.h>

#define EITHER (VET_ON | VET_OFF)
#define PARTS 6 /* no statement but a block has more */

/* What break and continue go to. */
typedef struct target {
	CXCursor c;
	unsigned entered; /* a switch, with what its cases begin with */
	unsigned broken, continued;
	bool has_default;
	struct target *up;
} target;

static unsigned walk(vet_flow *f, CXCursor c, unsigned in);

struct sequence {
	vet_flow *f;
	unsigned state;
};

static enum CXChildVisitResult walk_next(CXCursor c, CXCursor parent,
					 CXClientData data)
{
	struct sequence *s = data;

	(void)parent;
	if (!clang_isReference(c.kind))
		s->state = walk(s->f, c, s->state);
	return CXChildVisit_Continue;
}

static unsigned walk_all(vet_flow *f, CXCursor c, unsigned in)
{
	struct sequence s = {f, in};

	clang_visitChildren(c, walk_next, &s);
	return s.state;
}

/* Add what comes to a place; returns all that has come there. */
static unsigned meet(vet_flow *f, enum vet_role role, CXCursor at,
		     CXCursor to, unsigned in)
{
	vet_place *p = f->places, *end = p + f->count;

	while (p < end && (p->role != role || !vet_same_place(p->at, at)))
		p++;
	if (p == end) {
		f->places = vet_grow(f->places, f->count + 1, sizeof(*p));
		p = &f->places[f->count++];
		*p = (vet_place){role, at, to, 0};
	}
	f->changed |= (in & ~p->state) != 0;
	return p->state |= in;
}

static void leave(vet_flow *f, CXCursor at, unsigned in)
{
	meet(f, VET_LEAVES, at, clang_getNullCursor(), in);
}

static unsigned join(vet_flow *f, CXCursor at, unsigned in)
{
	return meet(f, VET_JOINS, at, at, in);
}

/* Where the walk begins, if it is not at the beginning. */
static unsigned begun(const vet_flow *f, CXCursor at)
{
	return vet_same_place(f->from, at) ? VET_ON : 0;
}

/* if, ?: and operators, the right side of which may be left out. */
static unsigned walk_branches(vet_flow *f, CXCursor c, unsigned in)
{
	CXCursor part[PARTS];
	int n = vet_children(c, part, PARTS);
	unsigned out;

	if (n == 0)
		return in;
	in = walk(f, part[0], in);
	out = n < 3 ? in : 0;
	for (int i = 1; i < n && i < PARTS; i++)
		out |= walk(f, part[i], in);
	return out;
}

static bool is_always(CXCursor condition)
{
	long long value;

	return vet_constant(condition, &value) && value != 0;
}

/* libclang does not say which parts of a for are left out: read the words. */
static bool for_has_condition(vet_unit *u, CXCursor loop)
{
	CXToken *tokens;
	unsigned count;
	int depth = 0, semicolons = 0;
	bool has = false;

	clang_tokenize(u->tu, clang_getCursorExtent(loop), &tokens, &count);
	for (unsigned i = 1; i < count && semicolons < 2 && !has; i++) {
		char *text = vet_text(clang_getTokenSpelling(u->tu, tokens[i]));

		depth += strchr("({[", text[0]) != NULL;
		depth -= strchr(")}]", text[0]) != NULL;
		if (depth == 1 && strcmp(text, ";") == 0)
			semicolons++;
		else if (semicolons == 1)
			has = true;
		free(text);
	}
	clang_disposeTokens(u->tu, tokens, count);
	return has;
}

static bool is_endless(vet_flow *f, CXCursor loop, const CXCursor *part, int n)
{
	for (int i = 0; i < n; i++)
		if (is_always(part[i]))
			return true;
	return loop.kind == CXCursor_ForStmt && n < 3 &&
	       !for_has_condition(f->unit, loop);
}

/* The head, which is all but the last part, is taken as one. */
static unsigned walk_loop(vet_flow *f, CXCursor c, unsigned in)
{
	target here = {.c = c, .up = f->target};
	CXCursor part[PARTS];
	int n = vet_children(c, part, PARTS);
	unsigned head = join(f, c, in), out;

	if (n == 0 || n > PARTS)
		return EITHER;
	for (int i = 0; i < n - 1; i++)
		head = walk(f, part[i], head);
	f->target = &here;
	out = walk(f, part[n - 1], head);
	f->target = here.up;
	join(f, c, out | here.continued);
	return (is_endless(f, c, part, n - 1) ? 0 : head) | here.broken |
	       begun(f, c);
}

static unsigned walk_do(vet_flow *f, CXCursor c, unsigned in)
{
	target here = {.c = c, .up = f->target};
	CXCursor part[2];
	long long value;
	unsigned out;

	if (vet_children(c, part, 2) != 2)
		return EITHER;
	f->target = &here;
	out = walk(f, part[0], join(f, c, in));
	f->target = here.up;
	out = walk(f, part[1], out | here.continued);
	if (!vet_constant(part[1], &value) || value != 0)
		join(f, c, out);
	return (is_always(part[1]) ? 0 : out) | here.broken | begun(f, c);
}

/* Without a default its cases may be all there are: what comes by is unsure. */
static unsigned walk_switch(vet_flow *f, CXCursor c, unsigned in)
{
	target here = {.c = c, .up = f->target};
	CXCursor part[PARTS];
	int n = vet_children(c, part, PARTS);
	unsigned out;

	if (n == 0 || n > PARTS)
		return EITHER;
	for (int i = 0; i < n - 1; i++)
		in = walk(f, part[i], in);
	here.entered = in;
	f->target = &here;
	out = walk(f, part[n - 1], 0) | here.broken | begun(f, c);
	f->target = here.up;
	return here.has_default || in == 0 ? out : out | EITHER;
}

static unsigned walk_case(vet_flow *f, CXCursor c, unsigned in)
{
	target *t = f->target;

	while (t != NULL && t->c.kind != CXCursor_SwitchStmt)
		t = t->up;
	if (t == NULL)
		return EITHER;
	t->has_default |= c.kind == CXCursor_DefaultStmt;
	return walk_all(f, c, in | t->entered);
}

/* One that a macro makes is not seen by who reads the code, and not told. */
static void jump(vet_flow *f, CXCursor c, CXCursor to, unsigned in,
		 const char *word)
{
	if (!vet_written(f->unit, c, word))
		return;
	if (clang_Cursor_isNull(to))
		leave(f, c, in);
	else
		meet(f, VET_JUMPS, c, to, in);
}

static void walk_break(vet_flow *f, CXCursor c, unsigned in)
{
	target *t = f->target;

	if (t != NULL)
		t->broken |= in;
	jump(f, c, t != NULL ? t->c : clang_getNullCursor(), in, "break");
}

static void walk_continue(vet_flow *f, CXCursor c, unsigned in)
{
	target *t = f->target;

	while (t != NULL && t->c.kind == CXCursor_SwitchStmt)
		t = t->up;
	if (t != NULL)
		t->continued |= in;
	else
		jump(f, c, clang_getNullCursor(), in, "continue");
}

static void walk_goto(vet_flow *f, CXCursor c, unsigned in)
{
	CXCursor label = clang_getCursorReferenced(c);

	if (vet_is_inside(label, f->block)) {
		join(f, label, in);
		jump(f, c, label, in, "goto");
	} else {
		jump(f, c, clang_getNullCursor(), in, "goto");
	}
}

static enum CXChildVisitResult look_for_noreturn(CXCursor c, CXCursor parent,
						 CXClientData data)
{
	vet_flow *f = data;

	(void)parent;
	if (!clang_isAttribute(c.kind) ||
	    (!vet_written(f->unit, c, "_Noreturn") &&
	     !vet_written(f->unit, c, "noreturn")))
		return CXChildVisit_Continue;
	return CXChildVisit_Break;
}

/* The attribute is part of the type, but for the keyword of C11 and C++11. */
static bool returns(vet_flow *f, CXCursor call)
{
	CXCursor function = clang_getCursorReferenced(call);
	char *type = vet_text(clang_getTypeSpelling(clang_getCursorType(function)));
	bool never = strstr(type, "noreturn") != NULL;

	free(type);
	return !never &&
	       !clang_visitChildren(function, look_for_noreturn, f);
}

static unsigned walk_call(vet_flow *f, CXCursor c, unsigned in)
{
	in = walk_all(f, c, in);
	for (size_t i = 0; in != 0 && i < f->step_count; i++)
		if (vet_same_place(f->steps[i].call, c)) {
			if (f->steps[i].then == 0)
				leave(f, c, in);
			return f->steps[i].then;
		}
	return returns(f, c) ? in : 0;
}

static unsigned walk(vet_flow *f, CXCursor c, unsigned in)
{
	switch (c.kind) {
	case CXCursor_IfStmt:
	case CXCursor_ConditionalOperator:
	case CXCursor_BinaryOperator:
		return walk_branches(f, c, in);
	case CXCursor_ForStmt:
	case CXCursor_WhileStmt:
	case CXCursor_CXXForRangeStmt:
		return walk_loop(f, c, in);
	case CXCursor_DoStmt:
		return walk_do(f, c, in);
	case CXCursor_SwitchStmt:
		return walk_switch(f, c, in);
	case CXCursor_CaseStmt:
	case CXCursor_DefaultStmt:
		return walk_case(f, c, in);
	case CXCursor_LabelStmt:
		return walk_all(f, c, join(f, c, in) | begun(f, c));
	case CXCursor_BreakStmt:
		walk_break(f, c, in);
		return 0;
	case CXCursor_ContinueStmt:
		walk_continue(f, c, in);
		return 0;
	case CXCursor_GotoStmt:
		walk_goto(f, c, in);
		return 0;
	case CXCursor_ReturnStmt:
		in = walk_all(f, c, in);
		jump(f, c, clang_getNullCursor(), in, "return");
		return 0;
	case CXCursor_IndirectGotoStmt:
	case CXCursor_CXXThrowExpr:
		return 0;
	case CXCursor_CXXCatchStmt: /* from anywhere */
		return in | walk_all(f, c, EITHER);
	case CXCursor_CallExpr:
		return walk_call(f, c, in);
	case CXCursor_UnaryExpr: /* sizeof */
	case CXCursor_LambdaExpr:
		return in;
	default:
		return walk_all(f, c, in);
	}
}

void vet_flow_find(vet_flow *f)
{
	bool whole = clang_Cursor_isNull(f->from);

	do {
		f->changed = false;
		leave(f, f->block,
		      walk_all(f, f->block, whole ? VET_OFF : 0));
	} while (f->changed);
}

void vet_flow_fini(vet_flow *f)
{
	free(f->places);
}
