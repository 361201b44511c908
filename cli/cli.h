/* SPDX-License-Identifier: MIT */
/*
 * The command: main.c reads the first word, cmd_<word>.c does the work.
 *
 * Exit statuses: 0 done; 1 done, and the result is bad; 2 not done, because of
 * the arguments or the machine; 128 + n stopped by signal n. With 2 there is
 * one line on stderr that says why.
 */
#ifndef WEFT_CLI_H
#define WEFT_CLI_H

enum cli_status { CLI_OK = 0, CLI_BAD_RESULT = 1, CLI_TROUBLE = 2 };

/* argv[0] is the command's own name. Each returns an exit status. */
int cmd_demo(int argc, char **argv);
int cmd_version(int argc, char **argv);

/* Print one line on stderr. Returns CLI_TROUBLE. */
__attribute__((format(printf, 2, 3))) int cli_trouble(const char *command,
						      const char *fmt, ...);

/* Flush stdout; a full disk or a closed pipe is noticed here. Returns status, or CLI_TROUBLE. */
int cli_finish_output(const char *command, int status);

#endif
