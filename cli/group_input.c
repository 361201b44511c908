/* SPDX-License-Identifier: MIT */
#include "group.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A line that is longer could not be an argument either. */
#define LINE_MOST ((size_t)2 * 1024 * 1024)

static struct {
	int fd;		  /* of the lines; -1: there are none */
	const char *name; /* for messages */
	bool ended;
	char *text;
	size_t size, at, room;
	int64_t line; /* number of the one before */
	int arg;
} input;

static int cannot_read(int err)
{
	return cli_trouble(GROUP, "cannot read %s: %s", input.name, strerror(err));
}

static int open_file(const group_options *o)
{
	struct stat st;

	input.name = o->file;
	input.fd = open(o->file, O_RDONLY | O_CLOEXEC);
	if (input.fd < 0 || fstat(input.fd, &st) != 0)
		return cannot_read(errno);
	return S_ISDIR(st.st_mode) ? cannot_read(EISDIR) : CLI_OK;
}

static size_t line_end(const group_options *o, size_t from)
{
	const char *end;

	if (input.size == from)
		return SIZE_MAX;
	end = memchr(input.text + from, o->zero ? '\0' : '\n', input.size - from);
	return end != NULL ? (size_t)(end - input.text) : SIZE_MAX;
}

static int make_room(void)
{
	char *text;

	if (input.at > 0)
		memmove(input.text, input.text + input.at, input.size - input.at);
	input.size -= input.at;
	input.at = 0;
	if (input.room - input.size >= 4096)
		return 0;
	text = realloc(input.text, 2 * input.room + 65536);
	if (text == NULL)
		return -ENOMEM;
	input.text = text;
	input.room = 2 * input.room + 65536;
	return 0;
}

/* Returns 0; or a negative errno, -ECANCELED when ctx was done first. */
static int read_more(weft_ctx *ctx)
{
	int err = input.text == NULL || input.room - input.size < 4096 ? make_room()
								       : 0;
	ssize_t n;

	if (err == 0)
		err = weft_wait_fd(ctx, input.fd, POLLIN);
	if (err < 0)
		return err;
	n = read(input.fd, input.text + input.size, input.room - input.size);
	if (n < 0)
		return weft_errno() == EINTR || weft_errno() == EAGAIN
			       ? 0
			       : -weft_errno();
	input.ended = n == 0;
	input.size += (size_t)n;
	return 0;
}

/*
 * The next line that is not empty: *line and *size; without the last byte.
 * Returns 1, 0 at the end, or a negative errno.
 */
static int next_line(const group_options *o, weft_ctx *ctx, char **line,
		     size_t *size)
{
	for (;;) {
		size_t end = line_end(o, input.at);
		int err = 0;

		if (end == SIZE_MAX && input.ended)
			end = input.size;
		if (end == SIZE_MAX && input.size - input.at > LINE_MOST)
			return -E2BIG;
		if (end == SIZE_MAX) {
			err = read_more(ctx);
			if (err < 0)
				return err;
			continue;
		}
		if (end == input.at && input.ended && end == input.size)
			return 0;
		input.line++;
		*line = input.text + input.at;
		*size = end - input.at;
		input.at = end < input.size ? end + 1 : end;
		if (*size > 0)
			return 1;
	}
}

/* A file is looked through before the first of its lines is run. */
static int check_file(group_run *r)
{
	const group_options *o = &r->options;
	char *line;
	size_t size;
	int err;

	while (!input.ended) {
		err = read_more(NULL);
		if (err < 0)
			return cannot_read(-err);
	}
	while (next_line(o, NULL, &line, &size) > 0) {
		if (size > LINE_MOST)
			return cli_trouble(GROUP, "%s: line %lld is too long",
					   input.name, (long long)input.line);
		if (strnlen(line, size) < size)
			return cli_trouble(GROUP, "%s: line %lld has a zero byte",
					   input.name, (long long)input.line);
		r->count_total++;
	}
	r->all_known = true;
	input.at = 0;
	input.line = 0;
	return CLI_OK;
}

int group_input_open(group_run *r)
{
	const group_options *o = &r->options;

	input.fd = -1;
	r->all_known = o->args != NULL;
	if (o->args != NULL) {
		r->count_total = o->arg_count;
		return CLI_OK;
	}
	if (o->file != NULL && strcmp(o->file, "-") != 0) {
		int status = open_file(o);

		return status == CLI_OK ? check_file(r) : status;
	}
	if (isatty(STDIN_FILENO) == 1)
		return cli_trouble(GROUP, "nothing to run (see %s --help)", GROUP);
	input.name = "stdin";
	input.fd = STDIN_FILENO;
	return CLI_OK;
}

/* How long word is with each {} replaced by size bytes; counts them in *count. */
static size_t replaced_size(const char *word, size_t size, int *count)
{
	size_t length = strlen(word);

	for (const char *at = word; (at = strstr(at, "{}")) != NULL; at += 2) {
		length += size - 2;
		++*count;
	}
	return length + 1;
}

static char *replace(char *to, const char *word, const char *text, size_t size)
{
	const char *at;

	while ((at = strstr(word, "{}")) != NULL) {
		memcpy(to, word, (size_t)(at - word));
		to += at - word;
		memcpy(to, text, size);
		to += size;
		word = at + 2;
	}
	return stpcpy(to, word) + 1;
}

/* The words of the command and the text, in one piece with their addresses. */
static bool make_words(group_job *job, const group_options *o, const char *text,
		       size_t size)
{
	static char *const shell[] = {"sh", "-c"};
	char *const *words = o->command != NULL ? o->command : shell;
	int count = o->command != NULL ? o->command_size : 2, places = 0;
	size_t room = size + 1;
	char *to;

	for (int i = 0; i < count; i++)
		room += replaced_size(words[i], size, &places);
	job->argv = malloc((size_t)(count + 2) * sizeof(char *) + room);
	if (job->argv == NULL)
		return false;
	to = (char *)&job->argv[count + 2];
	job->text = to;
	memcpy(to, text, size);
	to[size] = '\0';
	to += size + 1;
	for (int i = 0; i < count; i++) {
		job->argv[i] = to;
		to = replace(to, words[i], text, size);
	}
	job->argv[count] = places > 0 ? NULL : job->text;
	job->argv[count + 1] = NULL;
	return true;
}

static group_job *make_job(group_run *r, const char *text, size_t size)
{
	static int64_t number;
	group_job *job = calloc(1, sizeof(*job));

	if (job == NULL || !make_words(job, &r->options, text, size)) {
		free(job);
		return NULL;
	}
	job->run = r;
	job->number = ++number;
	spool_init(&job->item.output, &r->store);
	return job;
}

static void count_job(group_run *r, bool is_one)
{
	weft_mutex_lock(&r->lock);
	if (!is_one)
		r->all_known = true;
	else if (!r->all_known)
		r->count_total++;
	weft_mutex_unlock(&r->lock);
}

/* Returns 1, 0 or -1, as group_input_next(). */
static int next_of_lines(group_run *r, char **text, size_t *size)
{
	int err = next_line(&r->options, weft_group_ctx(&r->jobs), text, size);

	if (err > 0 && strnlen(*text, *size) < *size) {
		group_report_trouble(r, CLI_IO, "%s: line %lld has a zero byte",
				     input.name, (long long)input.line);
		return -1;
	}
	if (err < 0 && err != -ECANCELED && err != -ETIMEDOUT)
		group_report_trouble(r, CLI_IO, "cannot read %s: %s", input.name,
				     err == -E2BIG ? "a line is too long"
						   : strerror(-err));
	if (err >= 0)
		count_job(r, err == 1);
	return err < 0 ? -1 : err;
}

int group_input_next(group_run *r, group_job **job)
{
	const group_options *o = &r->options;
	char *text;
	size_t size;
	int got = 1;

	if (o->args != NULL) {
		if (input.arg == o->arg_count)
			return 0;
		text = o->args[input.arg++];
		size = strlen(text);
	} else {
		got = next_of_lines(r, &text, &size);
	}
	if (got != 1)
		return got;
	*job = make_job(r, text, size);
	if (*job == NULL)
		group_report_trouble(r, CLI_NO_RESOURCES, "no memory for a job");
	return *job != NULL ? 1 : -1;
}
