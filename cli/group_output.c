/* SPDX-License-Identifier: MIT */
#include "group.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What a pipe can hold at most, unless somebody has made it larger. */
#define PIPE_MOST ((size_t)1024 * 1024)

/* Reading. */

static spool *spool_of(group_job *job)
{
	group_run *r = job->run;

	return r->options.ungroup ? &r->all.output : &job->item.output;
}

static void put(group_stream *s, const char *data, size_t size)
{
	group_run *r = s->job->run;
	int err = spool_write(spool_of(s->job), s->stream, data, size);

	if (err != 0)
		group_report_trouble(r, CLI_IO, "cannot keep the output of "
				     "'%.100s': %s", s->job->text, strerror(-err));
	printer_wake(&r->printer);
}

/* Returns false where there is no memory. */
static bool add_to_line(group_stream *s, const char *data, size_t size)
{
	size_t room = s->line_room != 0 ? s->line_room : 256;
	char *line;

	while (room < s->line_size + size)
		room *= 2;
	if (room != s->line_room) {
		line = realloc(s->line, room);
		if (line == NULL)
			return false;
		s->line = line;
		s->line_room = room;
	}
	memcpy(s->line + s->line_size, data, size);
	s->line_size += size;
	return true;
}

static bool begin_line(group_stream *s)
{
	const char *tag = s->job->text;

	if (!s->job->run->options.tag || s->line_size > 0)
		return true;
	/* A tag of several lines would look like output. */
	return add_to_line(s, tag, strcspn(tag, "\n")) && add_to_line(s, "\t", 1);
}

static void end_line(group_stream *s)
{
	put(s, s->line, s->line_size);
	s->line_size = 0;
}

/* Only whole lines go on, or what is too long to be one. */
static void put_lines(group_stream *s, const char *data, size_t size)
{
	while (size > 0) {
		const char *end = memchr(data, '\n', size);
		size_t part = end != NULL ? (size_t)(end - data) + 1 : size;

		if (!begin_line(s) || !add_to_line(s, data, part)) {
			group_report_trouble(s->job->run, CLI_NO_RESOURCES,
					     "no memory for a line");
			return;
		}
		if (end != NULL || s->line_size >= GROUP_LINE_MOST)
			end_line(s);
		data += part;
		size -= part;
	}
}

static void put_last_line(group_stream *s)
{
	if (s->line_size > 0 && add_to_line(s, "\n", 1))
		end_line(s);
}

static void take_in(group_stream *s, const char *data, ssize_t n)
{
	if (s->job->run->whole_lines)
		put_lines(s, data, (size_t)n);
	else
		put(s, data, (size_t)n);
}

/*
 * After the reading is cancelled what is in the pipe is read still; but who
 * escaped, and writes without end, is not listened to for ever.
 */
static void read_all(group_stream *s, char *data)
{
	weft_ctx *ctx = &s->job->reading;
	size_t late = 0;

	while (late < PIPE_MOST) {
		bool last = weft_ctx_done(ctx);
		ssize_t n = read(s->fd, data, SPOOL_BLOCK_BYTES);

		if (n > 0)
			take_in(s, data, n);
		else if (n == 0 || last || weft_errno() != EAGAIN)
			break;
		else
			weft_wait_fd(ctx, s->fd, POLLIN);
		if (n > 0 && last)
			late += (size_t)n;
	}
}

void group_output_read(void *arg)
{
	group_stream *s = arg;
	char *data = malloc(SPOOL_BLOCK_BYTES);

	weft_task_name("reader");
	if (data != NULL)
		read_all(s, data);
	else
		group_report_trouble(s->job->run, CLI_NO_RESOURCES,
				     "no memory for output");
	put_last_line(s);
	free(data);
}

void group_output_note(group_job *job, const char *text)
{
	group_stream s = {.job = job, .stream = STDERR_FILENO};

	put(&s, text, strlen(text));
}

static bool prints_at_end(const group_options *o)
{
	return !o->order && !o->ungroup;
}

void group_output_close(group_job *job)
{
	group_run *r = job->run;

	spool_close(&job->item.output);
	if (r->options.ungroup)
		group_job_drop(job);
	else if (prints_at_end(&r->options))
		printer_add(&r->printer, &job->item);
	else
		printer_wake(&r->printer);
}

/* Printing, as it is. */

static void print_frame(printer *p, printer_item *item, const spool_frame *f)
{
	group_run *r = p->arg;

	(void)item;
	printer_write(p, r->one_stream ? STDOUT_FILENO : f->stream, f->data,
		      f->size);
}

static void free_job(printer *p, printer_item *item)
{
	group_run *r = p->arg;

	if (item == &r->all)
		return;
	free(((group_job *)item)->argv);
	free(item);
}

/* Printing as JSON: the pieces of output in their order, then how it ended. */

static void write_json(printer *p, json *j)
{
	if (!j->failed)
		printer_write(p, STDOUT_FILENO, j->text, j->size);
	else
		group_report_trouble(p->arg, CLI_NO_RESOURCES,
				     "no memory for JSON");
	json_fini(j);
}

static void json_begin(printer *p, printer_item *item)
{
	group_job *job = (group_job *)item;
	json j = {0};

	json_add(&j, "{\"job\": %lld, \"argument\": ", (long long)job->number);
	json_add_string(&j, job->text, strlen(job->text));
	json_add(&j, ", \"output\": [");
	write_json(p, &j);
}

static void add_piece(json *j, group_job *job, int stream, const char *data,
		      size_t size, bool is_text)
{
	if (size == 0)
		return;
	json_add(j, "%s{\"%s%s\": ", job->pieces++ > 0 ? ", " : "",
		 stream == STDERR_FILENO ? "stderr" : "stdout",
		 is_text ? "" : "_base64");
	if (is_text)
		json_add_string(j, data, size);
	else
		json_add_base64(j, data, size);
	json_add(j, "}");
}

static void flush_carry(json *j, group_job *job)
{
	add_piece(j, job, job->carry_stream, job->carry, job->carry_size, false);
	job->carry_size = 0;
}

/*
 * A character that the end of a frame has cut waits for the next one. What is
 * not UTF-8 makes the whole piece base64, so that nothing is lost.
 */
static void json_frame(printer *p, printer_item *item, const spool_frame *f)
{
	static char text[SPOOL_BLOCK_BYTES + 4];
	group_job *job = (group_job *)item;
	size_t size = f->size, good, rest;
	json j = {0};

	if (job->carry_size > 0 && job->carry_stream != f->stream)
		flush_carry(&j, job);
	memcpy(text, job->carry, job->carry_size);
	memcpy(text + job->carry_size, f->data, size);
	size += job->carry_size;
	job->carry_size = 0;
	good = json_utf8_prefix(text, size, &rest);
	if (good + rest == size) {
		add_piece(&j, job, f->stream, text, good, true);
		memcpy(job->carry, text + good, rest);
		job->carry_size = rest;
		job->carry_stream = f->stream;
	} else {
		add_piece(&j, job, f->stream, text, size, false);
	}
	write_json(p, &j);
}

static void json_end(printer *p, printer_item *item)
{
	group_job *job = (group_job *)item;
	json j = {0};

	flush_carry(&j, job);
	json_add(&j, "], ");
	group_report_add_end(&j, job->end, job->status);
	json_add(&j, ", \"tries\": %d, \"seconds\": %.6f}\n", job->tries,
		 (double)(job->ended - job->started) / 1e9);
	write_json(p, &j);
}

/* Nobody reads any more: what would be done for it is not needed. */
static void cannot_write(printer *p)
{
	group_run *r = p->arg;

	if (p->err == -EPIPE && r->keeper.pipe_before.sa_handler != SIG_IGN) {
		keeper_stop(&r->keeper);
		return;
	}
	group_report_trouble(r, CLI_IO, "cannot write the output: %s",
			     strerror(-p->err));
}

static void make_way(printer *p, int fd, const char *data, size_t size)
{
	group_run *r = p->arg;

	if (size > 0)
		progress_make_way(&r->progress, fd, data[size - 1]);
}

void group_output_init(group_run *r)
{
	static const printer_style plain = {.frame = print_frame,
					    .done = free_job};
	static const printer_style as_json = {json_begin, json_frame, json_end,
					      free_job};

	r->whole_lines = r->options.ungroup || r->options.tag;
	r->printer.style = r->options.json ? &as_json : &plain;
	r->printer.arg = r;
	r->printer.on_error = cannot_write;
	r->printer.before_write = make_way;
	spool_store_init(&r->store);
	spool_init(&r->all.output, &r->store);
}
