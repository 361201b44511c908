/* SPDX-License-Identifier: MIT */
/*
 * The keeper of child processes: the main thread, while tasks do the work.
 *
 * It alone starts children, learns of their ends and sends them signals, so
 * that a number is never that of a stranger; and because it ends last, the
 * kernel's promise to kill a child when the thread that made it ends is one
 * for the life of the program. Tasks ask it through a weft_loop.
 *
 *   - A child is the leader of a process group of its own; it is killed should
 *     we die without having ended it. What its descendants lose as parents
 *     comes to us: nobody gets away.
 *   - SIGINT, SIGTERM, SIGHUP and SIGQUIT are passed on to all of them, and
 *     stop everything: nothing new is started, and what is there after the
 *     grace is killed. The second one does not wait for the grace, the third
 *     for nothing. Those that were ignored when we were started still are.
 *   - Any other signal that would end us does the same, but that SIGTERM is
 *     passed on: SIGUSR1 is a word to some programs. Those of a fault, as
 *     SIGSEGV, do if another process has sent them; else they end us at once.
 *   - SIGTSTP and SIGCONT stop and continue all of them with us.
 */
#ifndef WEFT_CLI_KEEPER_H
#define WEFT_CLI_KEEPER_H

#include <signal.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <weft.h>

typedef struct keeper_child keeper_child;
struct keeper_child {
	pid_t pid;		/* its group's number, too; 0 before it starts */
	int status;		/* waitpid's, when running is at zero */
	weft_waitgroup running;
	keeper_child *next;
};

/* What a child is made of. */
typedef struct keeper_command {
	char **argv;
	char **env;
	int in, out, err; /* become 0, 1 and 2 */
	int keep[2];	  /* more that it gets; or -1 */
	int keep_as;	  /* the number of the first; the second keeps its own */
} keeper_command;

typedef struct keeper keeper;
struct keeper {
	weft_duration grace;
	weft_ctx interrupt; /* cancelled when a signal stops us */
	weft_ctx stop;	    /* below it: when everything is to stop */
	/* May children go on that have stopped with us? If not they are killed. */
	bool (*on_continue)(void *arg);
	void *on_continue_arg;
	bool leaves; /* what the children have left in the background goes on */

	/* The main thread's own. */
	weft_loop door;
	keeper_child *children;
	pid_t self;
	int signals; /* a signalfd */
	int signal;  /* the first that stopped us, or 0 */
	int signal_count;
	bool stopping, finished;
	weft_time kill_at;
	sigset_t caught, mask_before;
	struct sigaction pipe_before, child_before;
	struct rlimit files_before;
	int (*fn)(void *);
	void *arg;
	int result;
};

/*
 * Make *k, all bytes zero, a keeper: take the signals over. On the main thread,
 * before there are others. Also sees to it that descriptors 0, 1 and 2 are open. Returns 0, or a negative errno.
 */
int keeper_init(keeper *k, weft_duration grace);

/*
 * Run fn(arg) as a task and serve it until it has returned and no descendant
 * is left: those that are then are ended, as by a stop.
 *
 * Returns what fn returned, or a negative errno when it could not be started.
 */
int keeper_run(keeper *k, int (*fn)(void *), void *arg);

/* If a signal has stopped us, die of it, for our parent to see. */
void keeper_finish(keeper *k);
void keeper_die(keeper *k, int signal);
/* Where only stdout is to end us by SIGPIPE: what stderr does not take is dropped. */
void keeper_block_pipe(void);
/* As every program does that writes to a pipe, unless our caller wants no such end. */
void keeper_die_of_pipe(void);

/* What follows is for tasks. */

/*
 * Start a child. Returns 0; -ECANCELED when everything is to stop; else what
 * kept it from running, a negative errno.
 */
int keeper_start(keeper *k, keeper_child *c, const keeper_command *command);

/* Send SIGTERM or SIGKILL to its group and to all its descendants. */
void keeper_signal(keeper *k, keeper_child *c, int signal);

/* End it: ask, and after the grace kill; return when it has ended. */
void keeper_end_child(keeper *k, keeper_child *c, weft_duration grace);

/* Whether descendants of children that have ended run still. */
bool keeper_has_descendants(keeper *k);

/* A child has ended: what it left in its process group ends with it. */
void keeper_end_leftovers(keeper *k, keeper_child *c);

/* Have everything stop, as a signal would: SIGTERM, and after the grace SIGKILL. */
void keeper_stop(keeper *k);

#endif
