/* SPDX-License-Identifier: MIT */
/*
 * A task that begins by adding itself to the wait group: the wait may be over
 * before the task has begun. Reported only where there is no doubt that the
 * add is for the task itself: it is the first thing that the task does, the task
 * says done itself, and starts no task that the add could be for.
 */
#include "vet.h"

#include <stdlib.h>

static const vet_argument starters[] = {
	{"weft_go", 0},		  {"weft_go_copy", 0},
	{"weft_waitgroup_go", 1}, {"weft_group_go", 1},
	{"weft_group_go_copy", 1}, {"weft_group_try_go", 1},
	{"weft_group_go_ctx", 2}, {"weft_ctx_after_start", 2},
	{0},
};

static enum CXChildVisitResult look_for_call(CXCursor c, CXCursor parent,
					     CXClientData data)
{
	(void)parent;
	(void)data;
	return c.kind == CXCursor_CallExpr ? CXChildVisit_Break :
					     CXChildVisit_Recurse;
}

/* Declarations, (void)arg; and the like, if they call nothing; and asserts. */
static bool does_nothing(const vet_unit *u, CXCursor c)
{
	if (clang_isExpression(c.kind) && vet_written(u, c, "assert"))
		return true;
	return (c.kind == CXCursor_DeclStmt || c.kind == CXCursor_NullStmt ||
		(vet_is_cast(c) &&
		 clang_getCursorType(c).kind == CXType_Void)) &&
	       !clang_visitChildren(c, look_for_call, NULL);
}

struct beginning {
	const vet_unit *unit;
	CXCursor first;
};

static enum CXChildVisitResult first_statement(CXCursor c, CXCursor parent,
					       CXClientData data)
{
	struct beginning *b = data;

	(void)parent;
	if (does_nothing(b->unit, c))
		return CXChildVisit_Continue;
	b->first = c;
	return CXChildVisit_Break;
}

static bool starts_something(CXCursor body)
{
	for (size_t i = 0; starters[i].function != NULL; i++)
		if (vet_mentions(body, starters[i].function))
			return true;
	return vet_mentions(body, "pthread_create");
}

static bool is_local_object(CXCursor address)
{
	CXCursor c = vet_without_address(address), child;

	while ((c.kind == CXCursor_MemberRefExpr ||
		c.kind == CXCursor_ArraySubscriptExpr) &&
	       vet_children(c, &child, 1) >= 1)
		c = vet_bare(child);
	return vet_is_record(clang_getCursorType(c)) &&
	       clang_getCursorLinkage(clang_getCursorReferenced(c)) ==
		       CXLinkage_NoLinkage;
}

static bool counts_itself(CXCursor add, CXCursor body)
{
	long long delta;

	if (add.kind != CXCursor_CallExpr ||
	    !vet_spelled(add, "weft_waitgroup_add") ||
	    clang_Cursor_getNumArguments(add) != 2)
		return false;
	if (vet_constant(clang_Cursor_getArgument(add, 1), &delta) && delta < 1)
		return false;
	return !is_local_object(clang_Cursor_getArgument(add, 0)) &&
	       vet_mentions(body, "weft_waitgroup_done") &&
	       !starts_something(body);
}

void vet_check_add(vet_unit *u, CXCursor c, CXCursor parent)
{
	const vet_argument *row;
	struct beginning beginning = {.unit = u,
				      .first = clang_getNullCursor()};
	CXCursor function, body, add;

	(void)parent;
	if (c.kind != CXCursor_CallExpr)
		return;
	row = vet_argument_of(c, starters);
	if (row == NULL)
		return;
	function = clang_getCursorReferenced(vet_without_address(
		clang_Cursor_getArgument(c, (unsigned)row->index)));
	body = vet_body(function);
	if (clang_Cursor_isNull(body))
		return;
	clang_visitChildren(body, first_statement, &beginning);
	add = beginning.first;
	if (!clang_Cursor_isNull(add) && counts_itself(add, body) &&
	    vet_report(u, add, "weft_waitgroup_add inside of the task that it "
			       "counts: the wait may be over before; add "
			       "before the task is started"))
		vet_note(c, "the task is started here");
}
