/* SPDX-License-Identifier: MIT */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char help[] =
	"usage: weft COMMAND [OPTION...]\n"
	"\n"
	"  group     run commands at the same time; the first failure ends the others\n"
	"  flight    one run of a command for all who ask at the same time\n"
	"  once      one run of a command for ever, or for a while\n"
	"  ls        list the keys that run or are kept\n"
	"  show      what a key is doing\n"
	"  stats     sum up the keys of a place\n"
	"  wait      wait for a key's run, and end as it does\n"
	"  forget    have a key run anew\n"
	"  kill      end a key's run\n"
	"  doctor    examine the place where runs are shared\n"
	"  demo      a hot key expires and everyone asks at once: the same flood of\n"
	"            questions unprotected, behind one lock, and with singleflight\n"
	"  version   print the version\n"
	"  help      print this\n"
	"\n"
	"weft COMMAND --help prints a command's options.\n";

void cli_flatten(char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			*text = '?';
}

int cli_trouble(const char *command, const char *fmt, ...)
{
	char *text;
	va_list args;
	int size;

	va_start(args, fmt);
	size = vasprintf(&text, fmt, args);
	va_end(args);
	if (size >= 0)
		cli_flatten(text);
	fprintf(stderr, "%s: %s\n", command, size >= 0 ? text : fmt);
	if (size >= 0)
		free(text);
	return CLI_TROUBLE;
}

int cli_write(int fd, const void *data, size_t size_bytes)
{
	const char *at = data;

	while (size_bytes > 0) {
		ssize_t n = write(fd, at, size_bytes);

		if (n < 0 && errno == EAGAIN)
			poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1);
		else if (n < 0 && errno != EINTR)
			return -errno;
		at += n > 0 ? n : 0;
		size_bytes -= n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/* The descriptor that the name stands for; -1: it is a file's. */
static int named_fd(const char *name)
{
	int fd, end = 0;

	if (strcmp(name, "/dev/stdout") == 0)
		return STDOUT_FILENO;
	if (strcmp(name, "/dev/stderr") == 0)
		return STDERR_FILENO;
	if ((sscanf(name, "/dev/fd/%9d%n", &fd, &end) == 1 ||
	     sscanf(name, "/proc/self/fd/%9d%n", &fd, &end) == 1) &&
	    name[end] == '\0')
		return fd;
	return -1;
}

/* One that is closed in what we start is ours, and nothing that the caller means. */
static bool is_callers(int fd)
{
	int flags = fcntl(fd, F_GETFD), mode = fcntl(fd, F_GETFL);

	return flags >= 0 && (flags & FD_CLOEXEC) == 0 &&
	       (mode & O_ACCMODE) != O_RDONLY;
}

int cli_create(const char *name)
{
	int fd = named_fd(name);

	if (fd < 0)
		return open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (is_callers(fd))
		return fcntl(fd, F_DUPFD_CLOEXEC, 0);
	errno = EBADF;
	return -1;
}

int cli_finish_output(const char *command, int status)
{
	errno = 0;
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	return cli_trouble(command, "cannot write the output: %s",
			   strerror(errno != 0 ? errno : EIO));
}

static int cmd_help(int argc, char **argv)
{
	if (argc > 1)
		return cli_trouble("weft help", "unexpected argument '%s'",
				   argv[1]);
	fputs(help, stdout);
	return cli_finish_output("weft help", CLI_OK);
}

/*
 * What is opened must not become stdin, stdout or stderr where the caller has
 * closed them. What stands for them cannot be used either, so that it is said.
 */
static void guard_std_fds(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			(void)!open("/dev/null", fd == STDIN_FILENO ? O_WRONLY
								    : O_RDONLY);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *word;
		int (*run)(int argc, char **argv);
	} commands[] = {
		{"group", cmd_group},	    {"flight", cmd_flight},
		{"once", cmd_once},	    {"ls", cmd_ls},
		{"show", cmd_show},	    {"wait", cmd_wait},
		{"forget", cmd_forget},	    {"kill", cmd_kill},
		{"stats", cmd_stats},	    {"doctor", cmd_doctor},
		{"demo", cmd_demo},
		{"version", cmd_version},   {"--version", cmd_version},
		{"help", cmd_help},	    {"--help", cmd_help},
		{"-h", cmd_help},
	};

	guard_std_fds();
	if (argc < 2)
		return cli_trouble("weft", "no command (see weft help)");
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(argv[1], commands[i].word) == 0)
			return commands[i].run(argc - 1, argv + 1);
	return cli_trouble("weft", "unknown command '%s' (see weft help)",
			   argv[1]);
}
