/* SPDX-License-Identifier: MIT */
#include "vet.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

char *vet_text(CXString s)
{
	const char *text = clang_getCString(s);
	char *copy = vet_format("%s", text != NULL ? text : "");

	clang_disposeString(s);
	return copy;
}

bool vet_spelled(CXCursor c, const char *text)
{
	CXString s = clang_getCursorSpelling(c);
	const char *spelling = clang_getCString(s);
	bool same = spelling != NULL && strcmp(spelling, text) == 0;

	clang_disposeString(s);
	return same;
}

static size_t offset(CXSourceLocation at, CXFile *file)
{
	unsigned offset;

	clang_getExpansionLocation(at, file, NULL, NULL, &offset);
	return offset;
}

bool vet_written(const vet_unit *u, CXCursor c, const char *word)
{
	CXFile file;
	size_t n = strlen(word), size = 0,
	       at = offset(clang_getRangeStart(clang_getCursorExtent(c)), &file);
	const char *text = file != NULL ?
			clang_getFileContents(u->tu, file, &size) : NULL;

	return text != NULL && at + n < size &&
	       memcmp(text + at, word, n) == 0 &&
	       !isalnum((unsigned char)text[at + n]) && text[at + n] != '_';
}

bool vet_same_place(CXCursor a, CXCursor b)
{
	return a.kind == b.kind && clang_equalRanges(clang_getCursorExtent(a),
						     clang_getCursorExtent(b));
}

bool vet_is_inside(CXCursor c, CXCursor that)
{
	CXSourceRange inner = clang_getCursorExtent(c),
		      outer = clang_getCursorExtent(that);
	CXFile file, other;
	size_t at = offset(clang_getRangeStart(inner), &file);

	return at >= offset(clang_getRangeStart(outer), &other) &&
	       at <= offset(clang_getRangeEnd(outer), &other) &&
	       clang_File_isEqual(file, other);
}

struct collection {
	CXCursor *at;
	int room;
	int count;
};

static enum CXChildVisitResult collect(CXCursor c, CXCursor parent,
				       CXClientData data)
{
	struct collection *all = data;

	(void)parent;
	if (clang_isReference(c.kind))
		return CXChildVisit_Continue;
	if (all->count < all->room)
		all->at[all->count] = c;
	all->count++;
	return CXChildVisit_Continue;
}

/* Returns how many there are, which may be more than there was room for. */
int vet_children(CXCursor c, CXCursor *out, int room)
{
	struct collection all = {out, room, 0};

	clang_visitChildren(c, collect, &all);
	return all.count;
}

bool vet_is_cast(CXCursor expr)
{
	switch (expr.kind) {
	case CXCursor_CStyleCastExpr:
	case CXCursor_CXXStaticCastExpr:
	case CXCursor_CXXReinterpretCastExpr:
	case CXCursor_CXXConstCastExpr:
	case CXCursor_CXXFunctionalCastExpr:
		return true;
	default:
		return false;
	}
}

CXCursor vet_bare(CXCursor expr)
{
	CXCursor child;

	while (expr.kind == CXCursor_ParenExpr ||
	       expr.kind == CXCursor_UnexposedExpr || vet_is_cast(expr)) {
		if (vet_children(expr, &child, 1) != 1)
			break;
		expr = child;
	}
	return expr;
}

CXCursor vet_without_address(CXCursor expr)
{
	CXCursor child;

	expr = vet_bare(expr);
	if (expr.kind == CXCursor_UnaryOperator &&
	    clang_getCursorType(expr).kind == CXType_Pointer &&
	    vet_children(expr, &child, 1) == 1)
		return vet_bare(child);
	return expr;
}

bool vet_is_record(CXType t)
{
	return clang_getCanonicalType(t).kind == CXType_Record;
}

bool vet_same_type(CXType a, CXType b)
{
	return clang_equalCursors(
		clang_getTypeDeclaration(clang_getCanonicalType(a)),
		clang_getTypeDeclaration(clang_getCanonicalType(b)));
}

static bool is_literal(CXCursor expr)
{
	CXCursor child;

	if (expr.kind == CXCursor_UnaryOperator && /* a sign */
	    vet_children(expr, &child, 1) == 1)
		expr = vet_bare(child);
	return expr.kind == CXCursor_IntegerLiteral;
}

/* Literals only: to evaluate more is not safe inside of templates. */
bool vet_constant(CXCursor expr, long long *value)
{
	CXEvalResult result;

	expr = vet_bare(expr);
	*value = 0;
	if (expr.kind == CXCursor_CXXNullPtrLiteralExpr ||
	    expr.kind == CXCursor_GNUNullExpr)
		return true;
	if (!is_literal(expr))
		return false;
	result = clang_Cursor_Evaluate(expr);
	if (result == NULL)
		return false;
	*value = clang_EvalResult_getAsLongLong(result);
	clang_EvalResult_dispose(result);
	return true;
}

bool vet_is_function(CXCursor c)
{
	switch (c.kind) {
	case CXCursor_FunctionDecl:
	case CXCursor_CXXMethod:
	case CXCursor_Constructor:
	case CXCursor_Destructor:
	case CXCursor_ConversionFunction:
	case CXCursor_FunctionTemplate:
		return true;
	default:
		return false;
	}
}

static enum CXChildVisitResult keep_body(CXCursor c, CXCursor parent,
					 CXClientData data)
{
	(void)parent;
	if (c.kind != CXCursor_CompoundStmt)
		return CXChildVisit_Continue;
	*(CXCursor *)data = c;
	return CXChildVisit_Break;
}

CXCursor vet_body(CXCursor function)
{
	CXCursor definition = clang_getCursorDefinition(function);
	CXCursor body = clang_getNullCursor();

	if (vet_is_function(definition))
		clang_visitChildren(definition, keep_body, &body);
	return body;
}

const vet_argument *vet_argument_of(CXCursor call, const vet_argument *rows)
{
	for (; rows->function != NULL; rows++)
		if (vet_spelled(call, rows->function) &&
		    rows->index < clang_Cursor_getNumArguments(call))
			return rows;
	return NULL;
}

struct search {
	const char *name;
	bool found;
};

static enum CXChildVisitResult search_for(CXCursor c, CXCursor parent,
					  CXClientData data)
{
	struct search *search = data;

	(void)parent;
	if (c.kind == CXCursor_DeclRefExpr && vet_spelled(c, search->name))
		search->found = true;
	return search->found ? CXChildVisit_Break : CXChildVisit_Recurse;
}

bool vet_mentions(CXCursor c, const char *function)
{
	struct search search = {function, false};

	clang_visitChildren(c, search_for, &search);
	return search.found;
}
