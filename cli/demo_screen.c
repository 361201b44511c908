/* SPDX-License-Identifier: MIT */
#include "demo.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

int demo_fail(demo_failure *f, const char *fmt, ...)
{
	va_list args;

	weft_mutex_lock(&f->lock);
	if (f->text[0] == '\0') {
		va_start(args, fmt);
		vsnprintf(f->text, sizeof(f->text), fmt, args);
		va_end(args);
	}
	weft_mutex_unlock(&f->lock);
	return DEMO_FAILED;
}

void demo_screen_init(demo_screen *s)
{
	*s = (demo_screen){.terminal = isatty(STDERR_FILENO) == 1};
}

static int columns(void)
{
	struct winsize size;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 20)
		return 80;
	return size.ws_col;
}

/* No escape sequences: blanks wipe the old line, on any terminal. */
static void overwrite(demo_screen *s, const char *line)
{
	int length = (int)strlen(line), room = columns() - 1;

	if (length > room)
		length = room;
	fprintf(stderr, "\r%.*s%*s", length, line,
		s->shown > length ? s->shown - length : 0, "");
	fflush(stderr);
	s->shown = length;
}

void demo_screen_show(demo_screen *s, const char *fmt, ...)
{
	weft_time now = weft_now();
	char line[256];
	va_list args;

	/* In a log, what takes less than a second needs no line. */
	if (s->next == 0 && !s->terminal)
		s->next = now + WEFT_SECOND;
	if (now < s->next)
		return;
	s->next = now + (s->terminal ? WEFT_MS(100) : WEFT_SECOND);
	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	if (s->terminal)
		overwrite(s, line);
	else
		fprintf(stderr, "%s\n", line);
}

void demo_screen_clear(demo_screen *s)
{
	if (s->shown > 0)
		fprintf(stderr, "\r%*s\r", s->shown, "");
	s->shown = 0;
	s->next = 0;
}

void demo_screen_say(demo_screen *s, const char *fmt, ...)
{
	va_list args;

	demo_screen_clear(s);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
}

const char *demo_thousands(char buf[32], int64_t n)
{
	char digits[24];
	int length = snprintf(digits, sizeof(digits), "%" PRId64, n);
	char *to = buf;

	for (int i = 0; i < length; i++) {
		*to++ = digits[i];
		if (digits[i] != '-' && i + 1 < length && (length - i - 1) % 3 == 0)
			*to++ = ',';
	}
	*to = '\0';
	return buf;
}

const char *demo_time_text(char buf[32], weft_duration d)
{
	static const struct {
		double ns;
		const char *unit;
	} units[] = {{1e9, "s"}, {1e6, "ms"}, {1e3, "us"}};
	size_t u = 0;
	double amount;

	while (u < 2 && (double)d < 0.9995 * units[u].ns)
		u++;
	amount = (double)d / units[u].ns;
	snprintf(buf, 32, "%.*f %s", amount < 9.995 ? 2 : amount < 99.95 ? 1 : 0,
		 amount, units[u].unit);
	return buf;
}
