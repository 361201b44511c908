/* SPDX-License-Identifier: MIT */
/*
 * A weft_ctx on the stack that is initialised and never finished. Calls that
 * are given its address borrow it, as ctx.h wants it; where it is handed on in
 * another way (stored, passed as a void *), somebody else may finish it, and
 * nothing is said.
 */
#include "vet.h"

#include <stdlib.h>
#include <string.h>

/* The way from the function's body down to a cursor. */
typedef struct way {
	CXCursor c;
	const struct way *up;
	struct use *use;
} way;

struct use {
	CXCursor variable, init;
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
		if (clang_equalCursors(
			    clang_Cursor_getArgument(call, (unsigned)i), arg))
			return i;
	return -1;
}

/* Does the function that is called take it as what it is, and not end it? */
static bool borrows(CXCursor call, int index)
{
	CXCursor function = clang_getCursorReferenced(call);
	CXCursor body = vet_body(function);
	CXType type;

	if (begins(call, "weft_"))
		return true;
	type = clang_getCanonicalType(clang_getArgType(
		clang_getCursorType(function), (unsigned)index));
	return type.kind == CXType_Pointer &&
	       vet_is_record(clang_getPointeeType(type)) &&
	       !clang_Cursor_isNull(body) &&
	       !vet_mentions(body, "weft_ctx_fini");
}

static void judge_call(struct use *use, CXCursor call, CXCursor arg)
{
	int index = argument_index(call, arg);

	if (index == 0 && begins(call, "weft_ctx_init"))
		use->init = call;
	else if (vet_spelled(call, "weft_ctx_fini") || index < 0 ||
		 !borrows(call, index))
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
	bool address = false;

	for (; w->up != NULL; w = w->up) {
		CXCursor up = w->up->c;

		if (up.kind == CXCursor_UnaryOperator)
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
	struct use use = {c, clang_getNullCursor(), false};
	CXCursor function, body;
	way top;

	(void)parent;
	if (!is_local_ctx(c))
		return;
	clang_visitChildren(c, look_for_attribute, &use.elsewhere);
	function = clang_getCursorSemanticParent(c);
	body = vet_body(function);
	if (use.elsewhere || clang_Cursor_isNull(body))
		return;
	top = (way){body, NULL, &use};
	clang_visitChildren(body, look_for_uses, &top);
	if (!use.elsewhere && !clang_Cursor_isNull(use.init)) {
		char *name = vet_text(clang_getCursorSpelling(c));

		vet_report(u, use.init,
			   "'%s' is initialised, and this function never "
			   "finishes it", name);
		free(name);
	}
}
