/* SPDX-License-Identifier: MIT */
#include "vet.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static enum CXChildVisitResult show_to_checks(CXCursor c, CXCursor parent,
					      CXClientData data)
{
	vet_unit *u = data;

	if (parent.kind == CXCursor_TranslationUnit &&
	    clang_Location_isInSystemHeader(clang_getCursorLocation(c)))
		return CXChildVisit_Continue;
	for (size_t i = 0; i < vet_check_count; i++) {
		u->check = &vet_checks[i];
		if (!u->check->disabled)
			u->check->visit(u, c, parent);
	}
	return CXChildVisit_Recurse;
}

/*
 * Flags that only another compiler knows are no error of the file's. clang
 * reports them without a place.
 */
static bool is_about_a_flag(CXDiagnostic d)
{
	char *text = vet_text(clang_getDiagnosticSpelling(d));
	bool flag = strncmp(text, "unknown argument", 16) == 0 ||
		    strncmp(text, "unsupported ", 12) == 0 ||
		    strncmp(text, "optimization flag ", 18) == 0;

	free(text);
	return flag;
}

static bool is_error(CXDiagnostic d)
{
	CXFile file;

	clang_getFileLocation(clang_getDiagnosticLocation(d), &file, NULL, NULL,
			      NULL);
	return clang_getDiagnosticSeverity(d) >= CXDiagnostic_Error &&
	       (file != NULL || !is_about_a_flag(d));
}

/* Returns VET_TROUBLE after the first error has been told. */
static int tell_error(CXTranslationUnit tu, const char *file)
{
	unsigned count = clang_getNumDiagnostics(tu);
	int status = 0;

	for (unsigned i = 0; i < count && status == 0; i++) {
		CXDiagnostic d = clang_getDiagnostic(tu, i);

		if (is_error(d)) {
			char *text = vet_text(clang_formatDiagnostic(
				d, CXDiagnostic_DisplaySourceLocation |
					   CXDiagnostic_DisplayColumn));

			status = vet_trouble("%s does not parse: %s", file,
					     text);
			free(text);
		}
		clang_disposeDiagnostic(d);
	}
	return status;
}

static int parse(vet_unit *u, CXIndex index, const vet_command *command,
		 const char *shown)
{
	/* Warnings are the compiler's business, also where they are errors. */
	static const char *const more[] = {"-w", "-DWEFT_PRIV_VET"};
	const int more_count = sizeof(more) / sizeof(more[0]);
	const char **args = vet_grow(
		NULL, (size_t)(command->arg_count + more_count), sizeof(*args));
	enum CXErrorCode err;

	args[0] = command->args[0];
	memcpy(args + 1, more, sizeof(more));
	for (int i = 1; i < command->arg_count; i++)
		args[i + more_count] = command->args[i];
	err = clang_parseTranslationUnit2FullArgv(
		index, NULL, args, command->arg_count + more_count, NULL, 0,
		CXTranslationUnit_None, &u->tu);
	free(args);
	if (err != CXError_Success)
		return vet_trouble("%s does not parse: the command for it "
				   "makes no sense to libclang", shown);
	return tell_error(u->tu, shown);
}

/* In the folder of the command, so that all relative names are right. */
static int check_here(CXIndex index, const vet_command *command)
{
	char *absolute = realpath(command->file, NULL);
	const char *shown;
	vet_unit u = {0};
	int err;

	if (absolute == NULL)
		return vet_trouble("%s: no such file", command->file);
	shown = vet_paths_shown(absolute);
	err = command->arg_count == 0
		      ? vet_trouble("%s does not parse: the command for it "
				    "names no compiler", shown)
		      : parse(&u, index, command, shown);
	if (err == 0) {
		vet_object_forget();
		clang_visitChildren(clang_getTranslationUnitCursor(u.tu),
				    show_to_checks, &u);
	}
	if (u.tu != NULL)
		clang_disposeTranslationUnit(u.tu);
	free(absolute);
	return err;
}

int vet_unit_check(CXIndex index, const vet_command *command)
{
	int err;

	if (command->directory != NULL && chdir(command->directory) != 0)
		return vet_trouble("%s: no such folder", command->directory);
	err = check_here(index, command);
	if (command->directory != NULL && chdir(vet_paths_home()) != 0)
		exit(vet_trouble("%s: cannot go back", vet_paths_home()));
	return err;
}
