/* SPDX-License-Identifier: MIT */
#include "group.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* One job or none: room for it is waited for, but not after a failure. */
static bool start_job(group_run *r, group_job *job)
{
	if (r->options.order)
		printer_add(&r->printer, &job->item);
	if (weft_group_go_ctx(&r->jobs, &r->keeper.stop, group_job_run, job) == 0)
		return true;
	job->end = GROUP_STOPPED;
	group_report_end(r, job);
	group_output_close(job);
	return false;
}

static void run_jobs(group_run *r)
{
	group_job *job;

	weft_group_init(&r->jobs, &r->keeper.stop);
	weft_group_set_limit(&r->jobs, r->options.jobs > 0 ? r->options.jobs : -1);
	while (!weft_ctx_done(&r->keeper.stop) && group_input_next(r, &job) > 0)
		if (!start_job(r, job))
			break;
	weft_group_wait(&r->jobs);
}

typedef struct progress_task {
	group_run *run;
	weft_ctx ctx;
	weft_waitgroup running;
} progress_task;

static void show_progress(void *arg)
{
	progress_task *t = arg;

	weft_task_name("progress");
	group_progress_show(t->run, &t->ctx);
}

static int run_group(void *arg)
{
	group_run *r = arg;
	progress_task shown = {.run = r};

	weft_task_name("group");
	if (r->options.ungroup)
		printer_add(&r->printer, &r->all);
	weft_ctx_init(&shown.ctx, NULL);
	if (weft_waitgroup_go(&shown.running, show_progress, &shown) != 0)
		r->progress.on = false;
	run_jobs(r);
	spool_close(&r->all.output);
	printer_finish(&r->printer, &r->keeper.interrupt);
	weft_ctx_cancel(&shown.ctx, 0);
	weft_waitgroup_wait(&shown.running);
	weft_ctx_fini(&shown.ctx);
	return 0;
}

static bool is_same_file(int a, int b)
{
	struct stat sa, sb;

	return fstat(a, &sa) == 0 && fstat(b, &sb) == 0 &&
	       sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
}

static int cannot_begin(const group_run *r, int err)
{
	cli_trouble(GROUP, "cannot begin: %s", strerror(-err));
	return r->options.own_status != 0 ? r->options.own_status
					  : CLI_NO_RESOURCES;
}

static int open_files(group_run *r)
{
	const char *name = r->options.status_file;

	r->null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (r->null < 0)
		return cannot_begin(r, -errno);
	if (name == NULL)
		return CLI_OK;
	r->status_fd = cli_create(name);
	if (r->status_fd < 0)
		return cli_trouble(GROUP, "cannot write %s: %s", name,
				   strerror(errno));
	return CLI_OK;
}

int cmd_group(int argc, char **argv)
{
	static group_run r;
	int status, err;

	if (group_options_parse(&r.options, argc, argv, &status) != 0)
		return status;
	err = keeper_init(&r.keeper, r.options.grace);
	if (err != 0)
		return cannot_begin(&r, err);
	status = group_input_open(&r);
	if (status == CLI_OK)
		status = open_files(&r);
	if (status != CLI_OK)
		return status;
	/* One job at a time is printed while it runs. */
	if (r.options.jobs == 1 && !r.options.ungroup)
		r.options.order = true;
	r.one_stream = !r.options.json && is_same_file(STDOUT_FILENO, STDERR_FILENO);
	r.last_running = &r.running;
	progress_init(&r.progress, r.options.progress);
	group_output_init(&r);
	err = printer_start(&r.printer);
	if (err == 0)
		err = keeper_run(&r.keeper, run_group, &r);
	if (err != 0)
		return cannot_begin(&r, err);
	return group_report(&r);
}
