/* SPDX-License-Identifier: MIT */
/*
 * A type is a weft object if it, a field or a constructor of it carries the
 * annotation "weft_nocopy". WEFT_PRIV_NOCOPY writes it when weft-vet is reading
 * (see base.h), so that the mark is where the promise is, in C and in C++, and
 * types that may be copied (weft_result, weft_key) are not to be listed here.
 */
#include "vet.h"

#include <stdlib.h>
#include <string.h>

#define MARK "weft_nocopy"
#define PLAIN_SLOTS 4096 /* a power of two */

/* Types known to have none inside, by the hash of their declaration. */
static CXCursor plain[PLAIN_SLOTS];

static CXCursor *plain_slot(CXCursor declaration)
{
	return &plain[clang_hashCursor(declaration) & (PLAIN_SLOTS - 1)];
}

void vet_object_forget(void)
{
	for (size_t i = 0; i < PLAIN_SLOTS; i++)
		plain[i] = clang_getNullCursor();
}

static enum CXChildVisitResult look_for_mark(CXCursor c, CXCursor parent,
					     CXClientData data)
{
	(void)parent;
	if (c.kind == CXCursor_AnnotateAttr && vet_spelled(c, MARK)) {
		*(bool *)data = true;
		return CXChildVisit_Break;
	}
	return CXChildVisit_Continue;
}

static enum CXChildVisitResult look_in_members(CXCursor c, CXCursor parent,
					       CXClientData data)
{
	bool *marked = data;

	if (c.kind == CXCursor_FieldDecl || c.kind == CXCursor_Constructor)
		clang_visitChildren(c, look_for_mark, marked);
	else
		look_for_mark(c, parent, marked);
	return *marked ? CXChildVisit_Break : CXChildVisit_Continue;
}

static bool is_marked(CXCursor declaration)
{
	bool marked = false;

	clang_visitChildren(declaration, look_in_members, &marked);
	return marked;
}

static bool find_in(vet_object *out, CXType type);

static void prepend(vet_object *o, const char *mark, const char *name)
{
	char *path = vet_format("%s%s%s", mark, name, o->path);

	free(o->path);
	o->path = path;
}

struct members {
	vet_object *out;
	bool found;
};

static enum CXVisitorResult look_in_field(CXCursor c, CXClientData data)
{
	struct members *members = data;
	vet_object *out = members->out;
	char *name;

	if (!find_in(out, clang_getCursorType(c)))
		return CXVisit_Continue;
	members->found = true;
	if (clang_Cursor_isNull(out->field))
		out->field = c;
	name = vet_text(clang_getCursorSpelling(c));
	if (name[0] != '\0')
		prepend(out, ".", name);
	free(name);
	return CXVisit_Break;
}

static enum CXChildVisitResult look_in_base(CXCursor c, CXCursor parent,
					    CXClientData data)
{
	struct members *members = data;

	(void)parent;
	if (c.kind == CXCursor_CXXBaseSpecifier &&
	    find_in(members->out, clang_getCursorType(c)))
		members->found = true;
	return members->found ? CXChildVisit_Break : CXChildVisit_Continue;
}

/* Of a struct without a tag: its typedef's. */
static char *name_of(CXCursor declaration, CXType type)
{
	char *name = vet_text(clang_getCursorSpelling(declaration));

	if (name[0] != '\0')
		return name;
	free(name);
	return vet_text(clang_getTypeSpelling(type));
}

static bool find_in_record(vet_object *out, CXType type)
{
	CXCursor declaration = clang_getTypeDeclaration(type);
	struct members members = {out, false};

	if (clang_equalCursors(*plain_slot(declaration), declaration))
		return false;
	if (is_marked(declaration)) {
		out->name = name_of(declaration, type);
		return true;
	}
	clang_Type_visitFields(type, look_in_field, &members);
	if (!members.found)
		clang_visitChildren(declaration, look_in_base, &members);
	if (!members.found)
		*plain_slot(declaration) = declaration;
	return members.found;
}

static bool find_in(vet_object *out, CXType type)
{
	bool found;

	type = clang_getCanonicalType(type);
	if (type.kind == CXType_Record)
		return find_in_record(out, type);
	switch (type.kind) {
	case CXType_ConstantArray:
	case CXType_IncompleteArray:
	case CXType_VariableArray:
		found = find_in(out, clang_getArrayElementType(type));
		if (found)
			prepend(out, "[]", "");
		return found;
	default:
		return false;
	}
}

/* The type as it is written, or as it is declared where clang adds a place. */
static char *type_name(CXType type)
{
	char *spelled = vet_text(clang_getTypeSpelling(type)), *name;
	bool constant = strncmp(spelled, "const ", strlen("const ")) == 0;

	if (strchr(spelled, '(') != NULL)
		name = vet_text(clang_getCursorSpelling(clang_getTypeDeclaration(
			clang_getCanonicalType(type))));
	else
		name = vet_format("%s", constant ? strchr(spelled, ' ') + 1 :
						   spelled);
	free(spelled);
	return name;
}

/* "a weft_mutex", "'struct account', which holds a weft_mutex" */
static char *phrase(const vet_object *o, CXType type)
{
	char *name, *text;

	if (o->path[0] == '\0')
		return vet_format("a %s", o->name);
	name = type_name(type);
	if (name[0] == '\0' || strchr(name, '(') != NULL)
		text = vet_format("an unnamed type that holds a %s", o->name);
	else
		text = vet_format("'%s', which holds a %s", name, o->name);
	free(name);
	return text;
}

bool vet_object_find(vet_object *out, CXType type)
{
	*out = (vet_object){.path = vet_format("%s", ""),
			    .field = clang_getNullCursor()};
	if (find_in(out, type)) {
		out->phrase = phrase(out, type);
		return true;
	}
	vet_object_fini(out);
	return false;
}

void vet_object_fini(vet_object *o)
{
	free(o->phrase);
	free(o->name);
	free(o->path);
}
