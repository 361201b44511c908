/* SPDX-License-Identifier: MIT */
/*
 * A weft_ctx of a function that is initialised and, on some way out of the
 * function or at all, not finished: a local variable, a member of one, an
 * element of a local array; or one from malloc, where it is freed. Calls of
 * weft that are given its address borrow it, as ctx.h wants it, and so do
 * functions of this file that only lend it on; where it is handed on in another
 * way (stored, returned, passed as a void *), somebody else may finish it, and
 * nothing is said.
 */
#include "vet.h"

#include <stdlib.h>
#include <string.h>

/* Through how many functions it is followed. */
#define DEPTH 4

/* The way from the function's body down to a cursor. */
typedef struct way {
	CXCursor c;
	const struct way *up;
	struct use *use;
} way;

struct use {
	CXCursor variable;
	CXCursor member; /* the variable's, which is the context; or null */
	bool element;	 /* of the variable, whichever */
	bool heap;	 /* the variable points to it */
	int depth;	 /* > 0: the variable is a parameter, its address */
	bool elsewhere;	 /* in somebody else's hands */
	vet_step *steps;
	size_t step_count;
};

static bool begins(CXCursor call, const char *prefix)
{
	char *name = vet_text(clang_getCursorSpelling(call));
	bool same = strncmp(name, prefix, strlen(prefix)) == 0;

	free(name);
	return same;
}

static bool is_ctx(CXType type)
{
	return vet_is_record(type) &&
	       vet_spelled(clang_getTypeDeclaration(clang_getCanonicalType(type)),
			   "weft_ctx");
}

static int argument_index(CXCursor call, CXCursor arg)
{
	int n = clang_Cursor_getNumArguments(call);

	for (int i = 0; i < n; i++)
		if (vet_same_place(clang_Cursor_getArgument(call, (unsigned)i),
				   arg))
			return i;
	return -1;
}

static void look_into(CXCursor body, struct use *use);

/* Not a template, nor a method, which another class may have otherwise. */
static CXCursor plain_body(CXCursor function)
{
	return function.kind == CXCursor_FunctionDecl &&
	       clang_Cursor_isNull(clang_getSpecializedCursorTemplate(function)) ?
		       vet_body(function) : clang_getNullCursor();
}

/* Does the function that is called take it as what it is, and only lend it on? */
static bool borrows(const struct use *use, CXCursor call, int index)
{
	CXCursor function = clang_getCursorReferenced(call);
	CXCursor body = plain_body(function);
	struct use below = {.member = clang_getNullCursor(),
			    .depth = use->depth + 1};
	CXType type = clang_getCanonicalType(clang_getArgType(
		clang_getCursorType(function), (unsigned)index));
	bool ended;

	if (type.kind != CXType_Pointer ||
	    !vet_is_record(clang_getPointeeType(type)))
		return false;
	if (begins(call, "weft_"))
		return true;
	if (clang_Cursor_isNull(body) || use->depth == DEPTH)
		return false;
	below.variable = clang_Cursor_getArgument(
		clang_getCursorDefinition(function), (unsigned)index);
	look_into(body, &below);
	ended = below.elsewhere || below.step_count > 0;
	free(below.steps);
	return !ended;
}

static void add_step(struct use *use, CXCursor call, unsigned then)
{
	use->steps = vet_grow(use->steps, use->step_count + 1,
			      sizeof(*use->steps));
	use->steps[use->step_count++] = (vet_step){call, then};
}

/* a ? &c : NULL */
static bool is_choice(CXCursor up)
{
	return up.kind == CXCursor_ConditionalOperator &&
	       clang_getCanonicalType(clang_getCursorType(up)).kind ==
		       CXType_Pointer;
}

static void judge_call(struct use *use, CXCursor call, CXCursor arg)
{
	int index = argument_index(call, arg);
	bool init = index == 0 && begins(call, "weft_ctx_init");
	bool fini = index == 0 && vet_spelled(call, "weft_ctx_fini");

	if ((init || fini) && is_choice(vet_bare(arg)))
		use->elsewhere = true; /* it, or another one */
	else if (init || fini)
		add_step(use, call, init ? VET_ON : VET_OFF);
	else if (use->heap && vet_spelled(call, "free"))
		add_step(use, call, 0);
	else if (index < 0 || !borrows(use, call, index))
		use->elsewhere = true;
}

/* WEFT_CASE_DONE(&ctx) makes one of these. */
static bool is_case(CXCursor list)
{
	CXCursor declaration =
		clang_getTypeDeclaration(clang_getCanonicalType(clang_getCursorType(list)));

	return vet_spelled(declaration, "weft_case");
}

/* Is an address only looked at: if (c), !c, c == NULL? */
static bool is_test(CXCursor up)
{
	CXType type = clang_getCanonicalType(clang_getCursorType(up));

	return up.kind == CXCursor_IfStmt ||
	       ((up.kind == CXCursor_UnaryOperator ||
		 up.kind == CXCursor_BinaryOperator) &&
		(type.kind == CXType_Int || type.kind == CXType_Bool));
}

static bool is_wrapping(CXCursor up)
{
	return up.kind == CXCursor_ParenExpr ||
	       up.kind == CXCursor_UnexposedExpr;
}

static const way *unwrapped(const way *w)
{
	while (is_wrapping(w->c))
		w = w->up;
	return w;
}

/* Another member is no business of ours, unless it leads to the whole. */
static bool is_apart(const way *variable)
{
	const way *member = variable->up, *address, *to;

	if (member->c.kind != CXCursor_MemberRefExpr)
		return false;
	address = unwrapped(member->up);
	if (address->c.kind != CXCursor_UnaryOperator)
		return true;
	to = unwrapped(address->up);
	return to->c.kind == CXCursor_CallExpr && begins(to->c, "weft_");
}

/* From the variable up to the context. */
static const way *up_to_it(const struct use *use, const way *w)
{
	if (!use->element && clang_Cursor_isNull(use->member))
		return w;
	w = unwrapped(w->up);
	if (use->element)
		return w->c.kind == CXCursor_ArraySubscriptExpr ? w : NULL;
	return w->c.kind == CXCursor_MemberRefExpr &&
	       clang_equalCursors(clang_getCursorReferenced(w->c),
				  use->member) ? w : NULL;
}

static void judge(struct use *use, const way *variable)
{
	const way *w = up_to_it(use, variable);
	bool address = use->heap || use->depth > 0;

	for (; w != NULL && w->up != NULL; w = w->up) {
		CXCursor up = w->up->c;

		if (up.kind == CXCursor_UnaryOperator && !address)
			address = true;
		else if (up.kind == CXCursor_CallExpr && address) {
			judge_call(use, up, w->c);
			return;
		} else if ((up.kind == CXCursor_InitListExpr && is_case(up)) ||
			   (use->heap && is_test(up)))
			return;
		else if (!is_wrapping(up) && !(address && is_choice(up)))
			break;
	}
	use->elsewhere |= w != NULL || !is_apart(variable);
}

static enum CXChildVisitResult look_for_uses(CXCursor c, CXCursor parent,
					     CXClientData data)
{
	const way *up = data;
	way here = {c, up, up->use};

	(void)parent;
	if (clang_isReference(c.kind) || c.kind == CXCursor_UnaryExpr)
		return CXChildVisit_Continue; /* UnaryExpr: sizeof */
	if (c.kind == CXCursor_DeclRefExpr &&
	    clang_equalCursors(clang_getCursorReferenced(c),
			       up->use->variable))
		judge(up->use, &here);
	if (c.kind == CXCursor_LambdaExpr)
		up->use->elsewhere = true;
	clang_visitChildren(c, look_for_uses, &here);
	return CXChildVisit_Continue;
}

static void look_into(CXCursor body, struct use *use)
{
	way top = {body, NULL, use};

	clang_visitChildren(body, look_for_uses, &top);
}

static CXCursor first_init(const struct use *use)
{
	for (size_t i = 0; i < use->step_count; i++)
		if (use->steps[i].then == VET_ON)
			return use->steps[i].call;
	return clang_getNullCursor();
}

static bool has_end(const struct use *use)
{
	for (size_t i = 0; i < use->step_count; i++)
		if (use->steps[i].then == VET_OFF)
			return true;
	return false;
}

/* A return of main, or its end, is like exit(). */
static bool ends_program(const struct use *use, CXCursor at)
{
	CXCursor function = clang_getCursorSemanticParent(use->variable);

	return vet_spelled(function, "main") &&
	       (at.kind == CXCursor_ReturnStmt ||
		vet_same_place(at, vet_body(function)));
}

/* Told by itself: on all ways here it is not finished. */
static bool is_told(const vet_flow *flow, CXCursor at)
{
	for (size_t i = 0; i < flow->count; i++)
		if (flow->places[i].role == VET_LEAVES &&
		    vet_same_place(flow->places[i].at, at))
			return flow->places[i].state == VET_ON;
	return false;
}

/* Is it on wherever this jump may lead to, and only by this jump? */
static bool is_past_ends(const struct use *use, const vet_flow *flow,
			 const vet_place *jump)
{
	vet_flow after = *flow;
	bool left = false, on = true;

	after.from = jump->to;
	after.places = NULL;
	after.count = 0;
	vet_flow_find(&after);
	for (size_t i = 0; i < after.count; i++) {
		const vet_place *p = &after.places[i];

		if (p->role != VET_LEAVES || p->state == 0 ||
		    ends_program(use, p->at))
			continue;
		left = true;
		on = on && p->state == VET_ON && !is_told(flow, p->at);
	}
	vet_flow_fini(&after);
	return left && on;
}

static bool is_way_out(const struct use *use, const vet_flow *flow,
		       const vet_place *p)
{
	if (p->state != VET_ON || p->role == VET_JOINS)
		return false;
	if (use->heap)
		return p->at.kind == CXCursor_CallExpr;
	return p->role == VET_JUMPS ? is_past_ends(use, flow, p) :
				      !ends_program(use, p->at);
}

static void report_way_out(const struct use *use, const vet_flow *flow,
			   CXCursor at, const char *name)
{
	CXCursor init = first_init(use);

	if (vet_same_place(at, flow->block))
		vet_report(flow->unit, init,
			   "'%s' is initialised, and not finished where its "
			   "block ends", name);
	else if (vet_report(flow->unit, at,
			    use->heap ? "'%s' is freed and was not finished" :
					"'%s' is not finished on this way out",
			    name))
		vet_note(init, "it is initialised here");
}

static void report_ways_out(const struct use *use, const vet_flow *flow,
			    const char *name)
{
	for (size_t i = 0; i < flow->count; i++)
		if (is_way_out(use, flow, &flow->places[i]))
			report_way_out(use, flow, flow->places[i].at, name);
}

static bool is_ever_left(const vet_flow *flow)
{
	for (size_t i = 0; i < flow->count; i++)
		if (flow->places[i].role == VET_LEAVES &&
		    (flow->places[i].state & VET_ON) != 0)
			return true;
	return false;
}

static void report(const struct use *use, const vet_flow *flow,
		   const char *name)
{
	if (has_end(use) || use->heap)
		report_ways_out(use, flow, name);
	else if (is_ever_left(flow))
		vet_report(flow->unit, first_init(use),
			   "'%s' is initialised, and this function never "
			   "finishes it", name);
}

static enum CXChildVisitResult look_for_attribute(CXCursor c, CXCursor parent,
						  CXClientData data)
{
	(void)parent;
	if (clang_isAttribute(c.kind)) /* cleanup: libclang names it not */
		*(bool *)data = true;
	return CXChildVisit_Continue;
}

static void check_use(vet_unit *u, struct use *use, CXCursor block)
{
	CXCursor named = clang_Cursor_isNull(use->member) ? use->variable :
							    use->member;

	clang_visitChildren(use->variable, look_for_attribute,
			    &use->elsewhere);
	look_into(block, use);
	if (!use->elsewhere && !clang_Cursor_isNull(first_init(use))) {
		vet_flow flow = {.unit = u,
				 .block = block,
				 .from = clang_getNullCursor(),
				 .steps = use->steps,
				 .step_count = use->step_count};
		char *name = vet_text(clang_getCursorSpelling(named));

		vet_flow_find(&flow);
		report(use, &flow, name);
		vet_flow_fini(&flow);
		free(name);
	}
	free(use->steps);
}

struct local {
	vet_unit *unit;
	CXCursor variable, block;
};

static enum CXVisitorResult check_member(CXCursor field, CXClientData data)
{
	const struct local *local = data;
	struct use use = {.variable = local->variable, .member = field};

	if (is_ctx(clang_getCursorType(field)))
		check_use(local->unit, &use, local->block);
	return CXVisit_Continue;
}

/* In C++ a destructor may finish it. */
static bool is_plain_struct(CXType type)
{
	CXCursor declaration = clang_getTypeDeclaration(type);

	return declaration.kind == CXCursor_StructDecl &&
	       clang_getCursorLanguage(declaration) == CXLanguage_C;
}

static bool is_from_malloc(CXCursor variable)
{
	CXCursor value;

	if (vet_children(variable, &value, 1) != 1)
		return false;
	value = vet_bare(value);
	return value.kind == CXCursor_CallExpr &&
	       (vet_spelled(value, "malloc") || vet_spelled(value, "calloc"));
}

static bool is_local(CXCursor c)
{
	return c.kind == CXCursor_VarDecl &&
	       clang_getCursorLinkage(c) == CXLinkage_NoLinkage &&
	       clang_Cursor_getStorageClass(c) != CX_SC_Static;
}

static void check_local(struct local *local)
{
	CXType type = clang_getCanonicalType(
		clang_getCursorType(local->variable));
	struct use use = {.variable = local->variable,
			  .member = clang_getNullCursor()};

	use.element = is_ctx(clang_getArrayElementType(type));
	use.heap = is_ctx(clang_getPointeeType(type)) &&
		   is_from_malloc(local->variable);
	if (is_ctx(type) || use.element || use.heap)
		check_use(local->unit, &use, local->block);
	else if (is_plain_struct(type))
		clang_Type_visitFields(type, check_member, local);
}

static enum CXChildVisitResult check_declared(CXCursor c, CXCursor parent,
					      CXClientData data)
{
	struct local *local = data;

	(void)parent;
	local->variable = c;
	if (is_local(c))
		check_local(local);
	return CXChildVisit_Continue;
}

void vet_check_ctx(vet_unit *u, CXCursor c, CXCursor parent)
{
	struct local local = {.unit = u, .block = parent};

	if (c.kind == CXCursor_DeclStmt && parent.kind == CXCursor_CompoundStmt)
		clang_visitChildren(c, check_declared, &local);
}
