/* SPDX-License-Identifier: MIT */
/*
 * weft-vet: what the compiler does not say about the use of weft.
 *
 *	main.c      options, the exit status
 *	database.c  which files, compiled how: compile_commands.json
 *	unit.c      parse one file and show each cursor to the checks
 *	object.c    is there a weft object inside a type, and where
 *	report.c    findings: silence, once each, in the form compilers use
 *	flow.c      the ways through a block, and what holds where it is left
 *	ast.c       small questions to libclang
 *	check_*.c   one check each; vet_checks in main.c is the table of them
 *
 * A new check is a file with one vet_visit function, and a row in that table.
 */
#ifndef VET_H
#define VET_H

#include <clang-c/Index.h>
#include <stdbool.h>
#include <stddef.h>

enum vet_status { VET_CLEAN = 0, VET_FINDINGS = 1, VET_TROUBLE = 2 };

/* A file while it is checked. */
typedef struct vet_unit {
	CXTranslationUnit tu;
	struct vet_check *check; /* the one that is looking */
} vet_unit;

/* Called for each cursor outside of system headers, parents first. */
typedef void vet_visit(vet_unit *u, CXCursor c, CXCursor parent);

typedef struct vet_check {
	const char *name; /* "copy": reported as [weft-copy] */
	const char *summary;
	vet_visit *visit;
	bool disabled;
} vet_check;

vet_visit vet_check_copy, vet_check_add, vet_check_ctx;
extern vet_check vet_checks[];
extern const size_t vet_check_count;

/* One compiler call: the file that is compiled, from where, and how. */
typedef struct vet_command {
	char *directory; /* NULL: the current one */
	char *file;	 /* as the command spells it */
	char **args;	 /* the compiler first, the file among them */
	int arg_count;
} vet_command;

typedef struct vet_commands {
	vet_command *at;
	size_t count;
} vet_commands;

/*
 * The commands of a build folder, or, with file_count > 0, those of these files
 * only. Commands that would be parsed alike are there once. Returns 0, or
 * VET_TROUBLE after one line has said why.
 */
int vet_database_read(vet_commands *out, const char *folder, char **files,
		      int file_count);

/* One command for each file: compiler (an argument vector that is), file. */
int vet_database_make(vet_commands *out, char **compiler, int compiler_count,
		      char **files, int file_count);
void vet_commands_fini(vet_commands *c);

/* Parse and check what one command compiles. Returns 0 or VET_TROUBLE. */
int vet_unit_check(CXIndex index, const vet_command *command);

/* Where in a type a weft object lies. */
typedef struct vet_object {
	char *phrase;	/* "a weft_mutex"; "'struct account', which holds ..." */
	char *name;	/* "weft_mutex" */
	char *path;	/* ".inner.lock[]"; "" if the type is the object */
	CXCursor field; /* what declares the object in there; null without */
} vet_object;

/* True if there is one; then vet_object_fini() ends *out. */
bool vet_object_find(vet_object *out, CXType type);
void vet_object_fini(vet_object *o);
/* Forget what was learnt about the types of a unit. */
void vet_object_forget(void);

/*
 * Report a finding of the unit's check at a cursor. Returns false if a comment
 * silences it or it has been reported before: then its notes are not wanted.
 */
__attribute__((format(printf, 3, 4))) bool vet_report(vet_unit *u, CXCursor at,
						      const char *fmt, ...);
__attribute__((format(printf, 2, 3))) void vet_note(CXCursor at,
						    const char *fmt, ...);
size_t vet_report_count(void);
void vet_report_fini(void);

/* One line about what stops us. Returns VET_TROUBLE. */
__attribute__((format(printf, 1, 2))) int vet_trouble(const char *fmt, ...);

/* Make the paths that are shown relative to the folder we were started in. */
void vet_paths_start(void);
void vet_paths_fini(void);
const char *vet_paths_home(void);
const char *vet_paths_shown(const char *absolute);

/* Memory or death: there is nothing to save in a checker. */
void *vet_grow(void *at, size_t count, size_t size);
__attribute__((format(printf, 1, 2))) char *vet_format(const char *fmt, ...);

/* flow.c: each is a bit of a state, which has no bits where nobody comes. */
enum { VET_OFF = 1, VET_ON = 2 };

typedef struct vet_step {
	CXCursor call;
	unsigned then; /* the state after it; 0: the way ends */
} vet_step;

typedef struct vet_place {
	enum vet_role { VET_JOINS, VET_JUMPS, VET_LEAVES } role;
	CXCursor at; /* the block, if it is left at its end */
	CXCursor to; /* of a jump: the label, loop or switch */
	unsigned state;
} vet_place;

typedef struct vet_flow {
	vet_unit *unit;
	CXCursor block;
	CXCursor from; /* only the ways from this jump's target, where it is on */
	const vet_step *steps;
	size_t step_count;
	vet_place *places;
	size_t count;
	bool changed;
	struct target *target; /* of break and continue, in a walk */
} vet_flow;

/* Find the places of f->block; vet_flow_fini() ends them. */
void vet_flow_find(vet_flow *f);
void vet_flow_fini(vet_flow *f);

/* ast.c */
bool vet_spelled(CXCursor c, const char *text);
/* Has the file this word where the cursor begins? Not if a macro makes it. */
bool vet_written(const vet_unit *u, CXCursor c, const char *word);
/*
 * The same piece of text? clang_equalCursors() takes an expression for another
 * if it was reached another way: one that begins an initialiser knows what is
 * initialised, and its arguments know it if they are asked of it, but not if
 * they are visited.
 */
bool vet_same_place(CXCursor a, CXCursor b);
/* Does it begin between the ends of that? */
bool vet_is_inside(CXCursor c, CXCursor that);
/* The text of a libclang string, to be freed. */
char *vet_text(CXString s);
/* Children that are expressions, statements or declarations; no type names. */
int vet_children(CXCursor c, CXCursor *out, int room);
/* An expression without parentheses, casts and implicit conversions. */
CXCursor vet_bare(CXCursor expr);
bool vet_is_cast(CXCursor expr);
/* The same without an address-of on top too. */
CXCursor vet_without_address(CXCursor expr);
bool vet_same_type(CXType a, CXType b);
bool vet_is_record(CXType t);
/* True if the expression is an integer constant, which *value then is. */
bool vet_constant(CXCursor expr, long long *value);
/* The body of a function that is defined in this unit; null otherwise. */
CXCursor vet_body(CXCursor function);
bool vet_is_function(CXCursor c);
/* Is anything in there called, or used as a value, that has this name? */
bool vet_mentions(CXCursor c, const char *function);
/* In which argument a function takes what the check is after. */
typedef struct vet_argument {
	const char *function;
	int index;
} vet_argument;
/* The row of the function that a call calls, or NULL; rows end with {0}. */
const vet_argument *vet_argument_of(CXCursor call, const vet_argument *rows);

#endif
