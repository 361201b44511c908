/* SPDX-License-Identifier: MIT */
/*
 * The command: main.c reads the first word, cmd_<word>.c does the work.
 *
 * Exit statuses of weft itself: 0 done; 1 done, and the result is bad; 2 not
 * done, because of the arguments or the machine; 128 + n stopped by signal n.
 * With 2 there is one line on stderr that says why. A command that runs others
 * exits as they do, and with one of the others below when it fails itself:
 * those programs leave alone, for the most part, and they can be moved.
 */
#ifndef WEFT_CLI_H
#define WEFT_CLI_H

#include <stddef.h>

enum cli_status {
	CLI_OK = 0,
	CLI_BAD_RESULT = 1,
	CLI_TROUBLE = 2,
	CLI_NOTHING = 66,	 /* there is nothing for the key */
	CLI_UNAVAILABLE = 69,	 /* the engine cannot be reached */
	CLI_LOST = 70,		 /* a lease, who ran it, or the rest of an output was lost */
	CLI_NO_RESOURCES = 71,	 /* no memory, process or descriptor */
	CLI_IO = 74,		 /* what was read or written could not be */
	CLI_LATE = 75,		 /* waiting took too long */
	CLI_MISMATCH = 76,	 /* the same key for another command */
	CLI_TIMEOUT = 124,	 /* as timeout(1) */
	CLI_NOT_EXECUTABLE = 126, /* as the shell */
	CLI_NOT_FOUND = 127,
};

/* argv[0] is the command's own name. Each returns an exit status. */
int cmd_demo(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_flight(int argc, char **argv);
int cmd_forget(int argc, char **argv);
int cmd_group(int argc, char **argv);
int cmd_kill(int argc, char **argv);
int cmd_ls(int argc, char **argv);
int cmd_once(int argc, char **argv);
int cmd_show(int argc, char **argv);
int cmd_stats(int argc, char **argv);
int cmd_wait(int argc, char **argv);
int cmd_version(int argc, char **argv);

/* Make one line of it that moves no cursor, whatever words of others are in it. */
void cli_flatten(char *text);

/* Print one line on stderr, flat. Returns CLI_TROUBLE. */
__attribute__((format(printf, 2, 3))) int cli_trouble(const char *command,
						      const char *fmt, ...);

/* Write all of it, also where fd does not wait. Returns 0, or a negative errno. */
int cli_write(int fd, const void *data, size_t size_bytes);

/*
 * A descriptor to write to the file of that name, which is emptied. What is the
 * caller's already, as /dev/stdout and /dev/fd/3, is written on where it stands.
 *
 * Returns it, close-on-exec, or -1 and errno.
 */
int cli_create(const char *name);

/* Flush stdout; a full disk or a closed pipe is noticed here. Returns status, or CLI_TROUBLE. */
int cli_finish_output(const char *command, int status);

#endif
