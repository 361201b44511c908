/* SPDX-License-Identifier: MIT */
/*
 * A weft object is copied: whole, or as a part of something that is. What is
 * fine: a fresh value as an initialiser, sizeof, offsetof, pointers. As in
 * go vet's copylocks, a fresh value that is assigned is not: there was a live
 * object before.
 */
#include "vet.h"

#include <stdlib.h>
#include <string.h>

static void found(vet_unit *u, CXCursor at, const char *what, CXType type)
{
	vet_object object;

	if (!vet_object_find(&object, type))
		return;
	if (vet_report(u, at, "%s %s", what, object.phrase) &&
	    !clang_Cursor_isNull(object.field))
		vet_note(object.field, "the %s is its '%s'", object.name,
			 object.path);
	vet_object_fini(&object);
}

/* a, b: libclang 14 does not tell which operator it is, but the left side of
 * a comma is converted to a value, and that of an assignment is not. */
static bool is_assignment(CXCursor c)
{
	CXCursor sides[2];

	return vet_children(c, sides, 2) == 2 &&
	       sides[0].kind != CXCursor_UnexposedExpr &&
	       vet_same_type(clang_getCursorType(sides[0]),
			     clang_getCursorType(c));
}

static bool is_copied(CXCursor expr);

static CXCursor last_child(CXCursor c)
{
	CXCursor children[8];
	int n = vet_children(c, children, 8);

	return n > 0 && n <= 8 ? children[n - 1] : clang_getNullCursor();
}

static enum CXChildVisitResult keep_last(CXCursor c, CXCursor parent,
					 CXClientData data)
{
	(void)parent;
	*(CXCursor *)data = c;
	return CXChildVisit_Continue;
}

static bool block_is_copied(CXCursor statement_expr)
{
	CXCursor last = clang_getNullCursor();

	clang_visitChildren(last_child(statement_expr), keep_last, &last);
	return is_copied(last);
}

static bool either_is_copied(CXCursor conditional)
{
	CXCursor parts[3];

	return vet_children(conditional, parts, 3) == 3 &&
	       (is_copied(parts[1]) || is_copied(parts[2]));
}

static bool converted_is_copied(CXCursor c)
{
	CXCursor inner = last_child(c);

	return vet_same_type(clang_getCursorType(inner),
			     clang_getCursorType(c)) && is_copied(inner);
}

/* In C++ a copy is a call of a constructor, and ours are deleted. */
static bool is_c_record(CXType type)
{
	CXCursor declaration =
		clang_getTypeDeclaration(clang_getCanonicalType(type));

	return vet_is_record(type) &&
	       clang_getCursorLanguage(declaration) == CXLanguage_C;
}

/* Is the value of expr, a struct or union, that of an object that stays? */
static bool is_copied(CXCursor expr)
{
	if (!is_c_record(clang_getCursorType(expr)))
		return false;
	switch (expr.kind) {
	case CXCursor_DeclRefExpr:
	case CXCursor_MemberRefExpr:
	case CXCursor_ArraySubscriptExpr:
	case CXCursor_UnaryOperator:
		return true;
	case CXCursor_ParenExpr:
	case CXCursor_UnexposedExpr:
	case CXCursor_CStyleCastExpr:
		return converted_is_copied(expr);
	case CXCursor_ConditionalOperator:
		return either_is_copied(expr);
	case CXCursor_BinaryOperator:
		return !is_assignment(expr) && is_copied(last_child(expr));
	case CXCursor_StmtExpr:
		return block_is_copied(expr);
	default:
		return false; /* a compound literal, a call: fresh */
	}
}

static void check_value(vet_unit *u, CXCursor expr, const char *what)
{
	if (is_copied(expr))
		found(u, expr, what, clang_getCursorType(expr));
}

static void check_variable(vet_unit *u, CXCursor variable)
{
	CXCursor value = clang_Cursor_getVarDeclInitializer(variable);

	if (!clang_Cursor_isNull(value))
		check_value(u, value, "initialisation copies");
}

static enum CXChildVisitResult check_element(CXCursor c, CXCursor parent,
					     CXClientData data)
{
	(void)parent;
	if (c.kind == CXCursor_UnexposedExpr &&
	    clang_getCursorType(c).kind == CXType_Void)
		c = last_child(c); /* designated: .name = value */
	check_value(data, c, "initialisation copies");
	return CXChildVisit_Continue;
}

static bool is_declared_here_first(CXCursor function)
{
	return clang_equalCursors(clang_getCanonicalCursor(function), function);
}

static void check_parameter(vet_unit *u, CXCursor c, CXCursor parent)
{
	if (!vet_is_record(clang_getCursorType(c)))
		return; /* an array, too, is an address here */
	if (!vet_is_function(parent) || is_declared_here_first(parent))
		found(u, c, "parameter takes by value",
		      clang_getCursorType(c));
}

static void check_result(vet_unit *u, CXCursor function)
{
	if (is_declared_here_first(function))
		found(u, function, "function returns by value",
		      clang_getCursorResultType(function));
}

static void check_assignment(vet_unit *u, CXCursor c)
{
	CXCursor sides[2];

	if (vet_is_record(clang_getCursorType(c)) && is_assignment(c) &&
	    vet_children(c, sides, 2) == 2)
		found(u, c,
		      is_copied(sides[1]) ? "assignment copies" :
					    "assignment overwrites",
		      clang_getCursorType(c));
}

/* Functions that copy bytes, and the arguments in which they get addresses. */
static const vet_argument byte_copiers[] = {
	{"memcpy", 0},	     {"memcpy", 1},	   {"memmove", 0},
	{"memmove", 1},	     {"mempcpy", 0},	   {"mempcpy", 1},
	{"bcopy", 0},	     {"bcopy", 1},	   {"qsort", 0},
	{"qsort_r", 0},	     {"realloc", 0},	   {"reallocarray", 0},
	{"weft_go_copy", 1}, {"weft_group_go_copy", 2},
	{"weft_group_go_copy_ctx", 3},
	{"weft_flight_do_ctx_copy", 4},
	{"weft_chan_send", 1}, {"weft_chan_send_ctx", 2},
	{"weft_chan_try_send", 1},
	{0},
};

/* The name without what compilers and fortified headers put around it. */
static char *plain_name(CXCursor call)
{
	static const char *const around[] = {"__builtin___", "__builtin_"};
	char *name = vet_text(clang_getCursorSpelling(call));
	size_t n, end = strlen("_chk");

	for (size_t i = 0; i < 2; i++) {
		n = strlen(around[i]);
		if (strncmp(name, around[i], n) == 0)
			memmove(name, name + n, strlen(name + n) + 1);
	}
	n = strlen(name);
	if (n > end && strcmp(name + n - end, "_chk") == 0)
		name[n - end] = '\0';
	return name;
}

static bool holds_object(CXType type)
{
	vet_object object;

	if (!vet_object_find(&object, type))
		return false;
	vet_object_fini(&object);
	return true;
}

/* What an address is the address of, seen through casts: &m is void * too. */
static bool points_to_object(CXCursor expr, CXType *type)
{
	for (;;) {
		CXType t = clang_getCanonicalType(clang_getCursorType(expr));
		CXCursor child;

		*type = t.kind == CXType_Pointer ? clang_getPointeeType(t) : t;
		if ((t.kind == CXType_Pointer ||
		     clang_getArrayElementType(t).kind != CXType_Invalid) &&
		    holds_object(*type))
			return true;
		if ((expr.kind != CXCursor_ParenExpr &&
		     expr.kind != CXCursor_UnexposedExpr &&
		     !vet_is_cast(expr)) || vet_children(expr, &child, 1) != 1)
			return false;
		expr = child;
	}
}

struct size_search {
	vet_unit *unit;
	CXType type;
	bool offset, object;
	bool part; /* of a struct that holds none: the head of one that does */
};

/* sizeof(struct s *): libclang shows only the struct, so read the words. */
static bool has_star(vet_unit *u, CXCursor c)
{
	CXToken *tokens;
	unsigned count;
	bool star = false;

	clang_tokenize(u->tu, clang_getCursorExtent(c), &tokens, &count);
	for (unsigned i = 0; i < count; i++) {
		char *text = vet_text(clang_getTokenSpelling(u->tu, tokens[i]));

		star |= strcmp(text, "*") == 0;
		free(text);
	}
	clang_disposeTokens(u->tu, tokens, count);
	return star;
}

static enum CXChildVisitResult size_of(CXCursor c, CXCursor parent,
				       CXClientData data)
{
	struct size_search *s = data;
	CXType type = clang_getCursorType(c);
	bool pointer;

	if (c.kind == CXCursor_MemberRef && clang_isExpression(parent.kind))
		s->offset = true; /* offsetof: a part, chosen on purpose */
	if (parent.kind != CXCursor_UnaryExpr)
		return CXChildVisit_Recurse;
	pointer = c.kind == CXCursor_TypeRef && has_star(s->unit, parent);
	if (!pointer && holds_object(type)) {
		s->object = true;
		s->type = type;
	} else if (!pointer && vet_is_record(type)) {
		s->part = true;
	}
	return CXChildVisit_Continue;
}

static const char *verb(const char *name)
{
	if (strncmp(name, "realloc", strlen("realloc")) == 0)
		return "may move";
	return strncmp(name, "qsort", strlen("qsort")) == 0 ? "moves" : "copies";
}

static void check_bytes(vet_unit *u, CXCursor call, const char *name)
{
	struct size_search size = {.unit = u};
	CXType type = {0};
	bool object = false, copier = false;
	char *what = vet_format("%s %s", name, verb(name));
	int n = clang_Cursor_getNumArguments(call);

	for (const vet_argument *row = byte_copiers; row->function; row++) {
		CXCursor arg;
		long long value;

		if (strcmp(row->function, name) != 0 || row->index >= n)
			continue;
		copier = true;
		arg = clang_Cursor_getArgument(call, (unsigned)row->index);
		if (strcmp(verb(name), "may move") == 0 &&
		    vet_constant(arg, &value)) {
			free(what); /* realloc(NULL, n) */
			return;
		}
		object = object || points_to_object(arg, &type);
	}
	for (int i = 1; copier && i < n; i++) {
		CXCursor arg = clang_Cursor_getArgument(call, (unsigned)i);

		if (clang_getCanonicalType(clang_getCursorType(arg)).kind !=
		    CXType_Pointer)
			clang_visitChildren(arg, size_of, &size);
	}
	if (copier && !size.offset &&
	    (size.object || (object && !size.part)))
		found(u, call, what, object ? type : size.type);
	free(what);
}

static void check_call(vet_unit *u, CXCursor call)
{
	int n = clang_Cursor_getNumArguments(call);
	char *name = plain_name(call);

	for (int i = 0; i < n; i++)
		check_value(u, clang_Cursor_getArgument(call, (unsigned)i),
			    "argument copies");
	check_bytes(u, call, name);
	free(name);
}

static void check_return(vet_unit *u, CXCursor c)
{
	CXCursor value = last_child(c);

	if (!clang_Cursor_isNull(value))
		check_value(u, value, "return copies");
}

void vet_check_copy(vet_unit *u, CXCursor c, CXCursor parent)
{
	if (vet_is_function(c))
		check_result(u, c);
	switch (c.kind) {
	case CXCursor_VarDecl:
		check_variable(u, c);
		break;
	case CXCursor_ParmDecl:
		check_parameter(u, c, parent);
		break;
	case CXCursor_InitListExpr:
		clang_visitChildren(c, check_element, u);
		break;
	case CXCursor_BinaryOperator:
		check_assignment(u, c);
		break;
	case CXCursor_CallExpr:
		check_call(u, c);
		break;
	case CXCursor_ReturnStmt:
		check_return(u, c);
		break;
	default:
		break;
	}
}
