/* SPDX-License-Identifier: MIT */
#include "progress.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

void progress_init(progress *p, bool wanted)
{
	p->on = wanted && isatty(STDERR_FILENO) == 1;
}

int progress_columns(void)
{
	struct winsize size;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 20)
		return 80;
	return size.ws_col;
}

static void clear(progress *p)
{
	if (p->shown > 0)
		fprintf(stderr, "\r%*s\r", p->shown, "");
	p->shown = 0;
}

/* No escape sequences: blanks wipe the old line, on any terminal. */
void progress_show(progress *p, const char *line)
{
	int length = (int)strlen(line), room = progress_columns() - 1;

	if (!p->on)
		return;
	weft_mutex_lock(&p->lock);
	if (!p->open_line) {
		if (length > room)
			length = room;
		fprintf(stderr, "\r%.*s%*s", length, line,
			p->shown > length ? p->shown - length : 0, "");
		fflush(stderr);
		p->shown = length;
	}
	weft_mutex_unlock(&p->lock);
}

void progress_say(progress *p, const char *line)
{
	if (!p->on)
		return;
	weft_mutex_lock(&p->lock);
	clear(p);
	if (line != NULL)
		fprintf(stderr, "%s%s\n", p->open_line ? "\n" : "", line);
	p->open_line = p->open_line && line == NULL;
	fflush(stderr);
	weft_mutex_unlock(&p->lock);
}

void progress_make_way(progress *p, int fd, char last)
{
	if (!p->on || isatty(fd) != 1)
		return;
	weft_mutex_lock(&p->lock);
	clear(p);
	fflush(stderr);
	p->open_line = last != '\n';
	weft_mutex_unlock(&p->lock);
}
