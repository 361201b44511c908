/* SPDX-License-Identifier: MIT */
#include "vet.h"

#include <clang-c/CXCompilationDatabase.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static void command_fini(vet_command *c)
{
	for (int i = 0; i < c->arg_count; i++)
		free(c->args[i]);
	free(c->args);
	free(c->directory);
	free(c->file);
}

void vet_commands_fini(vet_commands *c)
{
	for (size_t i = 0; i < c->count; i++)
		command_fini(&c->at[i]);
	free(c->at);
}

static void add_arg(vet_command *c, char *arg)
{
	c->args = vet_grow(c->args, (size_t)c->arg_count + 1, sizeof(*c->args));
	c->args[c->arg_count++] = arg;
}

/* What says where the output goes is nothing to us, and differs needlessly. */
static int output_args(const char *arg)
{
	static const char *const with_value[] = {"-o", "-MF", "-MQ", "-MT"};
	static const char *const alone[] = {"-c", "-MD", "-MMD", "-MP"};

	for (size_t i = 0; i < 4; i++) {
		if (strcmp(arg, with_value[i]) == 0)
			return 2;
		if (strcmp(arg, alone[i]) == 0)
			return 1;
	}
	return 0;
}

static vet_command command_from(CXCompileCommand from)
{
	vet_command c = {
		.directory = vet_text(clang_CompileCommand_getDirectory(from)),
		.file = vet_text(clang_CompileCommand_getFilename(from)),
	};
	unsigned n = clang_CompileCommand_getNumArgs(from);

	for (unsigned i = 0; i < n; i++) {
		char *arg = vet_text(clang_CompileCommand_getArg(from, i));
		int skipped = output_args(arg);

		if (skipped == 0) {
			add_arg(&c, arg);
			continue;
		}
		free(arg);
		i += (unsigned)skipped - 1;
	}
	return c;
}

static bool same(const vet_command *a, const vet_command *b)
{
	if (strcmp(a->file, b->file) != 0 || a->arg_count != b->arg_count ||
	    strcmp(a->directory, b->directory) != 0)
		return false;
	for (int i = 0; i < a->arg_count; i++)
		if (strcmp(a->args[i], b->args[i]) != 0)
			return false;
	return true;
}

static bool is_c_or_cxx(const char *file)
{
	static const char *const endings[] = {"c",  "cc",  "cpp", "cxx", "c++",
					      "cp", "h",   "hh",  "hpp", "hxx"};
	const char *dot = strrchr(file, '.');

	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++)
		if (dot != NULL && strcasecmp(dot + 1, endings[i]) == 0)
			return true;
	return false;
}

/* Takes the command over. */
static void add_command(vet_commands *all, vet_command c)
{
	for (size_t i = 0; i < all->count; i++)
		if (same(&all->at[i], &c)) {
			command_fini(&c);
			return;
		}
	all->at = vet_grow(all->at, all->count + 1, sizeof(*all->at));
	all->at[all->count++] = c;
}

/* The path of the file without detours; to be freed. */
static char *path_of(const vet_command *c)
{
	char *joined = c->file[0] == '/' ?
			       vet_format("%s", c->file) :
			       vet_format("%s/%s", c->directory, c->file);
	char *path = realpath(joined, NULL);

	if (path == NULL)
		return joined;
	free(joined);
	return path;
}

/* Which of the wanted files it compiles; -1: none. */
static int wanted_index(const vet_command *c, char **wanted, int count)
{
	char *path = path_of(c);
	int i = 0;

	while (i < count && strcmp(wanted[i], path) != 0)
		i++;
	free(path);
	return i < count ? i : -1;
}

static int check_all_found(const bool *found, char **wanted, int count,
			   const char *database)
{
	for (int i = 0; i < count; i++)
		if (!found[i])
			return vet_trouble("%s: not in %s",
					   vet_paths_shown(wanted[i]),
					   database);
	return 0;
}

static int take(vet_commands *out, CXCompileCommands all, char **wanted,
		int count, const char *database)
{
	unsigned n = clang_CompileCommands_getSize(all);
	bool *found = vet_grow(NULL, (size_t)count + 1, sizeof(*found));
	int err;

	memset(found, 0, ((size_t)count + 1) * sizeof(*found));
	for (unsigned i = 0; i < n; i++) {
		vet_command c =
			command_from(clang_CompileCommands_getCommand(all, i));
		int index = wanted_index(&c, wanted, count);

		if (index >= 0)
			found[index] = true;
		if (is_c_or_cxx(c.file) && (count == 0 || index >= 0))
			add_command(out, c);
		else
			command_fini(&c);
	}
	err = check_all_found(found, wanted, count, database);
	free(found);
	if (err == 0 && out->count == 0)
		err = vet_trouble("%s: compiles no C and no C++", database);
	return err;
}

/* libclang says several lines about a file that it cannot read; we say one. */
static CXCompilationDatabase open_quietly(const char *folder)
{
	CXCompilationDatabase_Error error;
	CXCompilationDatabase db;
	int kept = dup(STDERR_FILENO), null = open("/dev/null", O_WRONLY);

	if (kept >= 0 && null >= 0)
		dup2(null, STDERR_FILENO);
	db = clang_CompilationDatabase_fromDirectory(folder, &error);
	if (kept >= 0 && null >= 0)
		dup2(kept, STDERR_FILENO);
	close(kept);
	close(null);
	return error == CXCompilationDatabase_NoError ? db : NULL;
}

static int read_folder(vet_commands *out, const char *folder,
		       const char *database, char **wanted, int count)
{
	CXCompilationDatabase db;
	CXCompileCommands all;
	int err;

	if (access(database, R_OK) != 0)
		return vet_trouble("%s: no such file, or not readable",
				   database);
	db = open_quietly(folder);
	if (db == NULL)
		return vet_trouble("%s: not a compilation database", database);
	all = clang_CompilationDatabase_getAllCompileCommands(db);
	err = take(out, all, wanted, count, database);
	clang_CompileCommands_dispose(all);
	clang_CompilationDatabase_dispose(db);
	return err;
}

/* The files' paths without detours. Returns how many there are. */
static int resolve(char **wanted, char **files, int count)
{
	for (int i = 0; i < count; i++) {
		wanted[i] = realpath(files[i], NULL);
		if (wanted[i] == NULL) {
			vet_trouble("%s: no such file", files[i]);
			return i;
		}
	}
	return count;
}

int vet_database_read(vet_commands *out, const char *folder, char **files,
		      int file_count)
{
	char *database = vet_format("%s/compile_commands.json", folder);
	char **wanted = vet_grow(NULL, (size_t)file_count + 1, sizeof(*wanted));
	int n = resolve(wanted, files, file_count), err = VET_TROUBLE;

	*out = (vet_commands){0};
	if (n == file_count)
		err = read_folder(out, folder, database, wanted, file_count);
	for (int i = 0; i < n; i++)
		free(wanted[i]);
	free(wanted);
	free(database);
	return err;
}

int vet_database_make(vet_commands *out, char **compiler, int compiler_count,
		      char **files, int file_count)
{
	*out = (vet_commands){0};
	for (int i = 0; i < file_count; i++) {
		vet_command c = {.file = vet_format("%s", files[i])};

		for (int k = 0; k < compiler_count; k++)
			add_arg(&c, vet_format("%s", compiler[k]));
		add_arg(&c, vet_format("%s", files[i]));
		out->at = vet_grow(out->at, out->count + 1, sizeof(*out->at));
		out->at[out->count++] = c;
	}
	return 0;
}
