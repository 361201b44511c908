/* SPDX-License-Identifier: MIT */
#include "vet.h"

#include <stdio.h>
#include <string.h>

vet_check vet_checks[] = {
	{"copy", "a weft object is copied, moved or overwritten",
	 vet_check_copy, false},
	{"add", "weft_waitgroup_add inside of the task that it counts",
	 vet_check_add, false},
	{"ctx", "a weft_ctx is initialised, and not finished on every way out",
	 vet_check_ctx, false},
};
const size_t vet_check_count = sizeof(vet_checks) / sizeof(vet_checks[0]);

static const char help[] =
	"usage: weft-vet [OPTION...] -p BUILD_DIR [FILE...]\n"
	"       weft-vet [OPTION...] FILE... -- COMPILER [FLAG...]\n"
	"\n"
	"Look for misuse of weft that compilers do not see: in all files that\n"
	"BUILD_DIR/compile_commands.json compiles or in these, or in files that\n"
	"are compiled as the words after -- say.\n"
	"\n"
	"  -p BUILD_DIR       the folder of compile_commands.json\n"
	"  --enable NAME,...  turn checks on; all are on at first\n"
	"  --disable NAME,... turn checks off; also: all\n"
	"  --list             list the checks\n"
	"  --version          print the version\n"
	"  --help             print this\n"
	"\n"
	"A comment silences a line: // weft-vet: allow copy -- why\n"
	"Exit status: 0 nothing found, 1 something found, 2 trouble.\n";

struct options {
	const char *folder;
	char **files, **compiler;
	int file_count, compiler_count;
	bool done; /* all that was asked has been printed */
};

static int switch_check(const char *name, size_t length, bool disabled)
{
	bool all = length == strlen("all") && strncmp(name, "all", length) == 0;
	bool known = all;

	for (size_t i = 0; i < vet_check_count; i++)
		if (all || (strlen(vet_checks[i].name) == length &&
			    strncmp(vet_checks[i].name, name, length) == 0)) {
			vet_checks[i].disabled = disabled;
			known = true;
		}
	return known ? 0 : vet_trouble("unknown check '%.*s' (see --list)",
				       (int)length, name);
}

static int switch_checks(const char *names, bool disabled)
{
	for (;;) {
		size_t n = strcspn(names, ",");
		int err = switch_check(names, n, disabled);

		if (err != 0 || names[n] == '\0')
			return err;
		names += n + 1;
	}
}

static int list_checks(void)
{
	for (size_t i = 0; i < vet_check_count; i++)
		printf("%-6s %s\n", vet_checks[i].name, vet_checks[i].summary);
	return 0;
}

/*
 * The value of an option: "--name=value", or the next argument. NULL if argv[*i]
 * is not this option; *missing is set if it is, but has no value.
 */
static char *value_of(char **argv, int *i, const char *option, bool *missing)
{
	char *arg = argv[*i];
	size_t n = strlen(option);

	if (strncmp(arg, option, n) != 0)
		return NULL;
	if (arg[n] == '=' && option[1] == '-')
		return arg + n + 1;
	if (arg[n] != '\0')
		return option[1] != '-' ? arg + n : NULL; /* -pBUILD */
	if (argv[*i + 1] == NULL || strcmp(argv[*i + 1], "--") == 0) {
		*missing = true;
		return NULL;
	}
	return argv[++*i];
}

static int read_option(struct options *o, char **argv, int *i)
{
	const char *arg = argv[*i], *value;
	bool missing = false;

	if ((value = value_of(argv, i, "--enable", &missing)) != NULL)
		return switch_checks(value, false);
	if ((value = value_of(argv, i, "--disable", &missing)) != NULL)
		return switch_checks(value, true);
	if ((value = value_of(argv, i, "-p", &missing)) != NULL) {
		o->folder = value;
		return 0;
	}
	if (missing)
		return vet_trouble("%s needs a value (see --help)", arg);
	o->done = true;
	if (strcmp(arg, "--list") == 0)
		return list_checks();
	if (strcmp(arg, "--version") == 0)
		return printf("weft-vet %s\n", WEFT_VERSION) < 0;
	if (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0)
		return fputs(help, stdout) < 0;
	return vet_trouble("unknown option '%s' (see --help)", arg);
}

/* The files are moved to the front of argv. */
static int read_options(struct options *o, int argc, char **argv)
{
	o->files = argv + 1;
	for (int i = 1; i < argc && !o->done; i++) {
		int err = 0;

		if (strcmp(argv[i], "--") == 0) {
			o->compiler = argv + i + 1;
			o->compiler_count = argc - i - 1;
			break;
		}
		if (argv[i][0] == '-' && argv[i][1] != '\0')
			err = read_option(o, argv, &i);
		else
			o->files[o->file_count++] = argv[i];
		if (err != 0)
			return err;
	}
	if (o->done)
		return 0;
	if (o->compiler != NULL && o->folder != NULL)
		return vet_trouble("-p and -- do not go together (see --help)");
	if (o->compiler != NULL && o->compiler_count == 0)
		return vet_trouble("no compiler after -- (see --help)");
	if (o->compiler != NULL && o->file_count == 0)
		return vet_trouble("no files before -- (see --help)");
	if (o->compiler == NULL && o->folder == NULL)
		return vet_trouble("how are they compiled? give -p BUILD_DIR, "
				   "or FILE... -- COMPILER (see --help)");
	return 0;
}

static int check_all(const vet_commands *commands)
{
	CXIndex index = clang_createIndex(0, 0);
	int status = VET_CLEAN;

	for (size_t i = 0; i < commands->count; i++)
		if (vet_unit_check(index, &commands->at[i]) != 0)
			status = VET_TROUBLE;
	clang_disposeIndex(index);
	if (status == VET_CLEAN && vet_report_count() > 0)
		status = VET_FINDINGS;
	return status;
}

static int run(const struct options *o)
{
	vet_commands commands;
	int status =
		o->compiler != NULL ?
			vet_database_make(&commands, o->compiler,
					  o->compiler_count, o->files,
					  o->file_count) :
			vet_database_read(&commands, o->folder, o->files,
					  o->file_count);

	if (status == 0)
		status = check_all(&commands);
	vet_commands_fini(&commands);
	vet_report_fini();
	return status;
}

int main(int argc, char **argv)
{
	struct options options = {0};
	int status;

	vet_paths_start();
	status = read_options(&options, argc, argv);
	if (status == 0 && !options.done)
		status = run(&options);
	vet_paths_fini();
	if (fflush(stdout) != 0 || ferror(stdout))
		return vet_trouble("cannot write the output");
	return status;
}
