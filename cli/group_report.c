/* SPDX-License-Identifier: MIT */
#include "group.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void take_off_running(group_run *r, group_job *job)
{
	if (job->link_running == NULL) {
		job->started = job->ended; /* it never ran */
		return;
	}
	*job->link_running = job->next_running;
	if (job->next_running != NULL)
		job->next_running->link_running = job->link_running;
	else
		r->last_running = job->link_running;
	job->link_running = NULL;
	r->count_running--;
}

static void note_first(group_run *r, enum group_end end, int status,
		       const group_job *job)
{
	if (r->first_end != GROUP_DONE)
		return;
	r->first_end = end;
	r->first_status = status;
	if (job != NULL) {
		r->first_number = job->number;
		r->first_text = strdup(job->text);
	}
}

void group_report_end(group_run *r, group_job *job)
{
	weft_mutex_lock(&r->lock);
	job->ended = weft_now();
	take_off_running(r, job);
	if (job->end == GROUP_DONE) {
		r->count_done++;
	} else if (job->end == GROUP_STOPPED) {
		r->count_stopped += job->child.pid != 0;
	} else {
		r->count_failed++;
		note_first(r, job->end, job->status, job);
	}
	weft_mutex_unlock(&r->lock);
	group_progress_ended(r, job);
}

void group_report_trouble(group_run *r, int status, const char *fmt, ...)
{
	va_list args;

	weft_mutex_lock(&r->lock);
	if (r->trouble[0] == '\0') {
		va_start(args, fmt);
		vsnprintf(r->trouble, sizeof(r->trouble), fmt, args);
		va_end(args);
	}
	note_first(r, GROUP_TROUBLE, status, NULL);
	weft_mutex_unlock(&r->lock);
	keeper_stop(&r->keeper);
}

static const char *reason(enum group_end end)
{
	static const char *const reasons[] = {
		[GROUP_DONE] = "done",	      [GROUP_EXITED] = "exited",
		[GROUP_SIGNALLED] = "killed", [GROUP_TIMED_OUT] = "timed-out",
		[GROUP_NOT_RUN] = "not-run",  [GROUP_STOPPED] = "stopped",
		[GROUP_TROUBLE] = "trouble",
	};

	return reasons[end];
}

void group_report_add_end(json *j, enum group_end end, int status)
{
	json_add(j, "\"end\": \"%s\", \"status\": %d", reason(end), status);
}

static bool nobody_reads(const group_run *r)
{
	return r->printer.err == -EPIPE &&
	       r->keeper.pipe_before.sa_handler != SIG_IGN;
}

/* The command's, or our own failure, which may be moved. */
static int exit_status(const group_run *r)
{
	bool own = r->first_end == GROUP_TROUBLE ||
		   r->first_end == GROUP_TIMED_OUT;

	if (r->keeper.signal != 0)
		return 128 + r->keeper.signal;
	if (r->first_end == GROUP_DONE && nobody_reads(r))
		return 128 + SIGPIPE;
	return own && r->options.own_status != 0 ? r->options.own_status
						 : r->first_status;
}

static const char *whole_reason(const group_run *r)
{
	if (r->keeper.signal != 0)
		return "signal";
	if (r->first_end == GROUP_DONE && nobody_reads(r))
		return "nobody-reads";
	return reason(r->first_end);
}

static void add_first(json *j, const group_run *r)
{
	if (r->first_text == NULL)
		return;
	json_add(j, ", \"job\": %lld, \"argument\": ", (long long)r->first_number);
	json_add_string(j, r->first_text, strlen(r->first_text));
}

static int write_status(const group_run *r, int status)
{
	json j = {0};
	ssize_t n = -1;

	json_add(&j, "{\"end\": \"%s\", \"status\": %d", whole_reason(r), status);
	add_first(&j, r);
	if (r->trouble[0] != '\0') {
		json_add(&j, ", \"trouble\": ");
		json_add_string(&j, r->trouble, strlen(r->trouble));
	}
	json_add(&j, ", \"done\": %lld, \"failed\": %lld, \"stopped\": %lld",
		 (long long)r->count_done, (long long)r->count_failed,
		 (long long)r->count_stopped);
	if (r->all_known)
		json_add(&j, ", \"not_run\": %lld",
			 (long long)(r->count_total - r->count_done -
				     r->count_failed - r->count_stopped));
	json_add(&j, "}\n");
	errno = ENOMEM;
	if (!j.failed)
		n = write(r->status_fd, j.text, j.size);
	json_fini(&j);
	if (n > 0)
		return status;
	cli_trouble(GROUP, "cannot write %s: %s", r->options.status_file,
		    strerror(errno));
	return r->options.own_status != 0 ? r->options.own_status : CLI_IO;
}

static void say_first(const group_run *r)
{
	const char *text = r->first_text != NULL ? r->first_text : "";
	int length = (int)strcspn(text, "\n");
	int status = r->first_status;

	if (length > 100)
		length = 100;
	if (r->first_end == GROUP_EXITED)
		cli_trouble(GROUP, "'%.*s' ended with status %d", length, text,
			    status);
	else if (r->first_end == GROUP_SIGNALLED)
		cli_trouble(GROUP, "'%.*s' was ended by signal %d (%s)", length,
			    text, status - 128, strsignal(status - 128));
	else if (r->first_end == GROUP_TIMED_OUT)
		cli_trouble(GROUP, "'%.*s' took longer than %g s", length, text,
			    (double)r->options.timeout / 1e9);
}

int group_report(group_run *r)
{
	int status = exit_status(r);

	if (r->trouble[0] != '\0')
		cli_trouble(GROUP, "%s", r->trouble);
	else if (r->keeper.signal == 0)
		say_first(r);
	if (r->options.status_file != NULL)
		status = write_status(r, status);
	keeper_finish(&r->keeper);
	if (nobody_reads(r) && r->first_end == GROUP_DONE)
		keeper_die(&r->keeper, SIGPIPE);
	return status;
}
