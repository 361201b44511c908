/* SPDX-License-Identifier: MIT */
/*
 * A weft_ctx on the stack that is initialised and never finished. Calls of weft
 * that are given its address borrow it, as ctx.h wants it, and so do functions
 * of this file that only lend it on; where it is handed on in another way
 * (stored, returned, passed as a void *), somebody else may finish it, and nothing is said.
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
	CXCursor variable, init;
	int depth;	/* > 0: the variable is a parameter, its address */
	bool elsewhere; /* finished, or in somebody else's hands */
};

static bool begins(CXCursor call, const char *prefix)
{
	char *name = vet_text(clang_getCursorSpelling(call));
	bool same = strncmp(name, prefix, strlen(prefix)) == 0;

	free(name);
	return same;
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
	struct use below = {.depth = use->depth + 1};
	CXType type = clang_getCanonicalType(clang_getArgType(
		clang_getCursorType(function), (unsigned)index));

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
	return !below.elsewhere;
}

static void judge_call(struct use *use, CXCursor call, CXCursor arg)
{
	int index = argument_index(call, arg);

	if (index == 0 && begins(call, "weft_ctx_init"))
		use->init = call;
	else if (vet_spelled(call, "weft_ctx_fini") || index < 0 ||
		 !borrows(use, call, index))
		use->elsewhere = true;
}

/* WEFT_CASE_DONE(&ctx) makes one of these. */
static bool is_case(CXCursor list)
{
	CXCursor declaration =
		clang_getTypeDeclaration(clang_getCanonicalType(clang_getCursorType(list)));

	return vet_spelled(declaration, "weft_case");
}

static void judge(struct use *use, const way *w)
{
	bool address = use->depth > 0;

	for (; w->up != NULL; w = w->up) {
		CXCursor up = w->up->c;

		if (up.kind == CXCursor_UnaryOperator && !address)
			address = true;
		else if (up.kind == CXCursor_CallExpr && address) {
			judge_call(use, up, w->c);
			return;
		} else if (up.kind == CXCursor_UnaryExpr)
			return; /* sizeof */
		else if (up.kind == CXCursor_InitListExpr && is_case(up))
			return;
		else if (up.kind != CXCursor_ParenExpr &&
			 up.kind != CXCursor_UnexposedExpr)
			break;
	}
	use->elsewhere = true;
}

static enum CXChildVisitResult look_for_uses(CXCursor c, CXCursor parent,
					     CXClientData data)
{
	const way *up = data;
	way here = {c, up, up->use};

	(void)parent;
	if (clang_isReference(c.kind))
		return CXChildVisit_Continue;
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

static bool is_local_ctx(CXCursor c)
{
	CXType type = clang_getCanonicalType(clang_getCursorType(c));

	return c.kind == CXCursor_VarDecl && type.kind == CXType_Record &&
	       clang_getCursorLinkage(c) == CXLinkage_NoLinkage &&
	       clang_Cursor_getStorageClass(c) != CX_SC_Static &&
	       vet_spelled(clang_getTypeDeclaration(type), "weft_ctx");
}

static enum CXChildVisitResult look_for_attribute(CXCursor c, CXCursor parent,
						  CXClientData data)
{
	(void)parent;
	if (clang_isAttribute(c.kind)) /* cleanup: libclang names it not */
		*(bool *)data = true;
	return CXChildVisit_Continue;
}

void vet_check_ctx(vet_unit *u, CXCursor c, CXCursor parent)
{
	struct use use = {.variable = c, .init = clang_getNullCursor()};
	CXCursor body;

	(void)parent;
	if (!is_local_ctx(c))
		return;
	clang_visitChildren(c, look_for_attribute, &use.elsewhere);
	body = vet_body(clang_getCursorSemanticParent(c));
	if (use.elsewhere || clang_Cursor_isNull(body))
		return;
	look_into(body, &use);
	if (!use.elsewhere && !clang_Cursor_isNull(use.init)) {
		char *name = vet_text(clang_getCursorSpelling(c));

		vet_report(u, use.init,
			   "'%s' is initialised, and this function never "
			   "finishes it", name);
		free(name);
	}
}
