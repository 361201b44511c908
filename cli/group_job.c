/* SPDX-License-Identifier: MIT */
#include "env.h"
#include "group.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* The ends of the pipes that the child gets. */
typedef struct child_ends {
	int out, err;
} child_ends;

static int open_pipe(group_job *job, int index, int stream, int *child_end)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) != 0)
		return -errno;
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	job->streams[index] = (group_stream){.job = job, .stream = stream,
					     .fd = ends[0]};
	*child_end = ends[1];
	return 0;
}

static void close_pipes(group_job *job)
{
	for (int i = 0; i < 2; i++) {
		if (job->streams[i].job != NULL)
			weft_fd_close(job->streams[i].fd);
		free(job->streams[i].line);
		job->streams[i] = (group_stream){0};
	}
}

/* Where both end up in the same file one pipe keeps their order exact. */
static int open_pipes(group_job *job, child_ends *ends)
{
	int err = open_pipe(job, 0, STDOUT_FILENO, &ends->out);

	ends->err = ends->out;
	if (err == 0 && !job->run->one_stream) {
		err = open_pipe(job, 1, STDERR_FILENO, &ends->err);
		if (err != 0)
			close(ends->out);
	}
	return err;
}

static void close_child_ends(const child_ends *ends)
{
	if (ends->err != ends->out)
		close(ends->err);
	close(ends->out);
}

static int start_child(group_job *job, const child_ends *ends)
{
	group_run *r = job->run;
	char number[40], try[40], *more[] = {number, try};
	keeper_command command = {.argv = job->argv, .in = r->null,
				  .out = ends->out, .err = ends->err,
				  .keep = {-1, -1}, .keep_as = -1};
	int err = -ENOMEM;

	job->child.pid = 0;
	snprintf(number, sizeof(number), "WEFT_JOB=%lld", (long long)job->number);
	snprintf(try, sizeof(try), "WEFT_TRY=%d", job->tries);
	command.env = env_with(more, 2);
	if (command.env != NULL)
		err = keeper_start(&r->keeper, &job->child, &command);
	free(command.env);
	return err;
}

/* The program was not found, or is none: not our failure but the command's. */
static bool is_about_program(int err)
{
	return err == -ENOENT || err == -ENOTDIR || err == -EACCES ||
	       err == -EPERM || err == -ENOEXEC || err == -E2BIG ||
	       err == -ELOOP || err == -ENAMETOOLONG || err == -EISDIR ||
	       err == -ELIBBAD || err == -EINVAL || err == -ETXTBSY ||
	       err == -EIO;
}

static void set_end(group_job *job, enum group_end end, int status)
{
	job->end = end;
	job->status = status;
}

static void not_started(group_job *job, int err)
{
	char note[256];

	if (err == -ECANCELED) {
		set_end(job, GROUP_STOPPED, 0);
	} else if (is_about_program(err)) {
		set_end(job, GROUP_NOT_RUN, err == -ENOENT || err == -ENOTDIR
						    ? CLI_NOT_FOUND
						    : CLI_NOT_EXECUTABLE);
		snprintf(note, sizeof(note), "%s: %.150s: %s\n", GROUP,
			 job->argv[0], strerror(-err));
		group_output_note(job, note);
	} else {
		set_end(job, GROUP_TROUBLE, CLI_NO_RESOURCES);
		group_report_trouble(job->run, CLI_NO_RESOURCES,
				     "cannot start '%.100s': %s", job->text,
				     strerror(-err));
	}
}

static void judge(group_job *job, bool timed_out, bool stopped)
{
	int status = job->child.status;
	int number = WIFSIGNALED(status) ? 128 + WTERMSIG(status)
					 : WEXITSTATUS(status);

	if (timed_out)
		set_end(job, GROUP_TIMED_OUT, CLI_TIMEOUT);
	else if (number == 0)
		set_end(job, GROUP_DONE, 0);
	else if (stopped)
		set_end(job, GROUP_STOPPED, 0);
	else
		set_end(job, WIFSIGNALED(status) ? GROUP_SIGNALLED : GROUP_EXITED,
			number);
}

static void wait_for_child(group_job *job, weft_ctx *ctx)
{
	const group_options *o = &job->run->options;
	weft_ctx time;
	int err;

	if (o->timeout > 0)
		weft_ctx_init_timeout(&time, ctx, o->timeout);
	else
		weft_ctx_init(&time, ctx);
	err = weft_waitgroup_wait_ctx(&job->child.running, &time);
	if (err == -ETIMEDOUT)
		keeper_end_child(&job->run->keeper, &job->child,
				 job->run->keeper.grace);
	else
		weft_waitgroup_wait(&job->child.running);
	weft_ctx_fini(&time);
	judge(job, err == -ETIMEDOUT, weft_ctx_done(&job->run->keeper.stop));
}

static bool is_failure(const group_job *job)
{
	return job->end != GROUP_DONE && job->end != GROUP_STOPPED;
}

static bool may_try_again(const group_job *job)
{
	const group_run *r = job->run;

	return is_failure(job) && job->end != GROUP_TROUBLE &&
	       job->tries <= r->options.retry &&
	       !weft_ctx_done(&r->keeper.stop);
}

/* The others are told as soon as it is known, not when all is tidied up. */
static void tell_others(group_job *job)
{
	group_run *r = job->run;

	job->again = may_try_again(job);
	if (job->again)
		return;
	group_report_end(r, job);
	if (is_failure(job) && !r->options.keep_going)
		keeper_stop(&r->keeper);
}

/* Once everything that was written is in the pipes the readers need not wait. */
static void run_child(group_job *job, weft_ctx *ctx)
{
	weft_waitgroup readers = {0};

	weft_ctx_init(&job->reading, NULL);
	for (int i = 0; i < 2 && job->streams[i].job != NULL; i++)
		if (weft_waitgroup_go(&readers, group_output_read,
				      &job->streams[i]) != 0)
			group_report_trouble(job->run, CLI_NO_RESOURCES,
					     "no memory for a task");
	wait_for_child(job, ctx);
	tell_others(job);
	keeper_end_leftovers(&job->run->keeper, &job->child);
	weft_ctx_cancel(&job->reading, -ECANCELED);
	weft_waitgroup_wait(&readers);
	weft_ctx_fini(&job->reading);
}

static void try_once(group_job *job, weft_ctx *ctx)
{
	child_ends ends;
	int err = open_pipes(job, &ends);

	job->tries++;
	if (err == 0) {
		err = start_child(job, &ends);
		close_child_ends(&ends);
	}
	if (err == 0) {
		run_child(job, ctx);
	} else {
		not_started(job, err);
		tell_others(job);
	}
	close_pipes(job);
}

static void note_running(group_job *job)
{
	group_run *r = job->run;

	weft_mutex_lock(&r->lock);
	job->started = weft_now();
	job->link_running = r->last_running;
	*r->last_running = job;
	r->last_running = &job->next_running;
	r->count_running++;
	weft_mutex_unlock(&r->lock);
}

int group_job_run(weft_ctx *ctx, void *arg)
{
	group_job *job = arg;
	bool keep_going = job->run->options.keep_going;
	int status;

	weft_task_name("job");
	note_running(job);
	do
		try_once(job, ctx);
	while (job->again);
	status = is_failure(job) && !keep_going ? job->status : 0;
	group_output_close(job);
	return status;
}

void group_job_drop(group_job *job)
{
	spool_fini(&job->item.output);
	free(job->argv);
	free(job);
}
