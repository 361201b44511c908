/* SPDX-License-Identifier: MIT */
/*
 * weft group: what the parts share. The parts, in reading order:
 *
 *   cmd_group.c        what happens, from start to end
 *   group_options.c    the options
 *   group_input.c      from words and lines to jobs
 *   group_job.c        one job: its tries, its time, and what it leaves behind
 *   group_output.c     what it prints, and how that is shown
 *   group_progress.c   what runs and what is done, on a terminal
 *   group_report.c     what it came to: the status, and the file that says why
 *
 * and for the processes keeper.c, for what waits to be printed spool.c and
 * printer.c.
 */
#ifndef WEFT_CLI_GROUP_H
#define WEFT_CLI_GROUP_H

#include "cli.h"
#include "json.h"
#include "keeper.h"
#include "printer.h"
#include "progress.h"

#define GROUP "weft group"

typedef struct group_options {
	int jobs;	       /* at once; 0: as many as there are */
	int retry;	       /* further tries of a job that failed */
	int own_status;	       /* -E; 0: each failure has its own */
	weft_duration timeout; /* of a try; 0: none */
	weft_duration grace;
	const char *file; /* lines come from there; NULL: stdin */
	const char *status_file;
	bool keep_going, order, ungroup, tag, json, progress, zero;
	char **command;	  /* up to ":::"; NULL: lines are for the shell */
	int command_size; /* words */
	char **args;	  /* behind ":::"; NULL: there was none */
	int arg_count;
} group_options;

/* Returns 0 to go on, or -1 when *status is what to exit with. */
int group_options_parse(group_options *o, int argc, char **argv, int *status);

enum group_end {
	GROUP_DONE,	 /* status 0 */
	GROUP_EXITED,	 /* another status, its own */
	GROUP_SIGNALLED, /* by somebody else */
	GROUP_TIMED_OUT,
	GROUP_NOT_RUN,	 /* the program could not be started */
	GROUP_STOPPED,	 /* by us, after another's failure or a signal */
	GROUP_TROUBLE,	 /* our own: memory, descriptors, a full disk */
};

typedef struct group_run group_run;
typedef struct group_job group_job;

/* One stream of a job's output that is still coming. */
typedef struct group_stream {
	group_job *job;
	int stream; /* 1 or 2 */
	int fd;
	char *line; /* the beginning of one, if lines are kept whole */
	size_t line_size, line_room;
} group_stream;

struct group_job {
	printer_item item; /* first: the printer's items are jobs */
	group_run *run;
	int64_t number; /* from 1 */
	char *text;	/* its argument, or its line: what it is called */
	char **argv;	/* text follows the words in the same memory */
	keeper_child child;
	weft_ctx reading;
	group_stream streams[2];
	enum group_end end;
	int status; /* that we would exit with if it decided */
	int tries;
	bool again; /* there will be another try */
	weft_time started, ended;
	int carry_stream; /* for JSON: the start of a character */
	size_t carry_size, pieces;
	char carry[4];
	group_job *next_running, **link_running;
};

struct group_run {
	group_options options;
	keeper keeper;
	spool_store store;
	printer printer;
	printer_item all; /* with --ungroup: the output of all jobs */
	bool whole_lines; /* of any length up to GROUP_LINE_MOST */
	bool one_stream;  /* stdout and stderr are the same file */
	int null;	  /* /dev/null, the stdin of jobs */
	int status_fd;
	weft_group jobs;
	progress progress;

	weft_mutex lock; /* of what follows */
	group_job *running, **last_running;
	int64_t count_done, count_failed, count_stopped, count_running;
	int64_t count_total; /* jobs so far; all of them when all_known */
	bool all_known;
	enum group_end first_end; /* the first failure; GROUP_DONE: none */
	int first_status;
	int64_t first_number;
	char *first_text;
	char trouble[256]; /* our own failure, for stderr */
};

#define GROUP_LINE_MOST ((size_t)16 * 1024 * 1024)

/*
 * The next job, in memory of its own.
 *
 * Returns 1; 0: there are no more; or -1: trouble, which is noted.
 */
int group_input_next(group_run *r, group_job **job);

/* Check what can be checked before anything runs. Returns 0, or what to exit with. */
int group_input_open(group_run *r);

/* A task of the group: run the job to its end. Returns its status, or 0. */
int group_job_run(weft_ctx *ctx, void *job);

/* It will not be run. */
void group_job_drop(group_job *job);

/* Read a stream until its end, or until the job's reading is cancelled. */
void group_output_read(void *stream);

/* Add a line of our own to what a job prints on stderr. */
void group_output_note(group_job *job, const char *text);

/* Nothing more will come from the job. */
void group_output_close(group_job *job);
void group_output_init(group_run *r);

/* Show what runs and what is done until ctx is done; then that a job has ended. */
void group_progress_show(group_run *r, weft_ctx *ctx);
void group_progress_ended(group_run *r, const group_job *job);

/* A job ended: count it, and if it is the first failure, note that. */
void group_report_end(group_run *r, group_job *job);

/* How a job ended, as members of a JSON object. */
void group_report_add_end(json *j, enum group_end end, int status);

/* Our own failure: note it if it is the first, and stop everything. */
__attribute__((format(printf, 3, 4))) void
group_report_trouble(group_run *r, int status, const char *fmt, ...);

/* Say what there is to say. Returns what to exit with. */
int group_report(group_run *r);

#endif
