/* SPDX-License-Identifier: MIT */
#include "keeper.h"

#include "procs.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

/* How often to kill, or to look, where no signal tells of a change. */
#define AGAIN WEFT_MS(20)

static const int stop_signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

/* More that end a program. Threads cannot block what they may raise themselves. */
static const int deadly_signals[] = {SIGUSR1,	SIGUSR2, SIGALRM,   SIGVTALRM,
				     SIGXCPU,	SIGXFSZ, SIGIO,	    SIGPWR,
				     SIGSTKFLT};

/* Those of a fault. Who sends one says so by SIGRTMAX: see on_fault(). */
static const int fault_signals[] = {SIGABRT, SIGBUS, SIGFPE, SIGILL,
				    SIGPROF, SIGSEGV, SIGSYS, SIGTRAP};
static struct sigaction fault_before[_NSIG];

static void open_standard_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

static void catch_unless_ignored(keeper *k, int signal)
{
	struct sigaction before;

	if (sigaction(signal, NULL, &before) == 0 &&
	    before.sa_handler != SIG_IGN)
		sigaddset(&k->caught, signal);
}

/* Where it has another meaning already it is none of ours. */
static void catch_if_deadly(keeper *k, int signal)
{
	struct sigaction before;

	if (sigaction(signal, NULL, &before) == 0 &&
	    before.sa_handler == SIG_DFL)
		sigaddset(&k->caught, signal);
}

/* A job takes two or three descriptors; there may be as many as we are let. */
static void raise_file_limit(keeper *k)
{
	struct rlimit most;

	if (getrlimit(RLIMIT_NOFILE, &k->files_before) != 0)
		return;
	most = k->files_before;
	most.rlim_cur = most.rlim_max;
	setrlimit(RLIMIT_NOFILE, &most);
}

/*
 * On any thread. What a process of ours has raised itself, or the machine, is for
 * whoever had it before; what was sent is a word to the main thread.
 */
static void on_fault(int number, siginfo_t *info, void *context)
{
	const struct sigaction *before = &fault_before[number];
	int err = errno;

	if (info->si_code <= 0 && info->si_pid != getpid()) {
		sigqueue(getpid(), SIGRTMAX, (union sigval){.sival_int = number});
	} else if ((before->sa_flags & SA_SIGINFO) != 0) {
		before->sa_sigaction(number, info, context);
	} else {
		sigaction(number, before, NULL);
		if (info->si_code <= 0)
			raise(number);
	}
	errno = err;
}

/* After the runtime, which has handlers of its own for some. */
static void catch_faults(void)
{
	struct sigaction action = {.sa_sigaction = on_fault,
				   .sa_flags = SA_SIGINFO | SA_ONSTACK};

	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < sizeof(fault_signals) / sizeof(int); i++) {
		int number = fault_signals[i];

		if (sigaction(number, NULL, &fault_before[number]) == 0 &&
		    fault_before[number].sa_handler != SIG_IGN)
			sigaction(number, &action, NULL);
	}
}

int keeper_init(keeper *k, weft_duration grace)
{
	const struct sigaction ignore = {.sa_handler = SIG_IGN};
	const struct sigaction usual = {.sa_handler = SIG_DFL};
	int err;

	k->grace = grace;
	k->self = getpid();
	k->kill_at = WEFT_NEVER;
	open_standard_descriptors();
	weft_ctx_init(&k->interrupt, NULL);
	weft_ctx_init(&k->stop, &k->interrupt);
	sigemptyset(&k->caught);
	sigaddset(&k->caught, SIGCHLD);
	sigaddset(&k->caught, SIGCONT);
	for (size_t i = 0; i < sizeof(stop_signals) / sizeof(int); i++)
		catch_unless_ignored(k, stop_signals[i]);
	for (size_t i = 0; i < sizeof(deadly_signals) / sizeof(int); i++)
		catch_if_deadly(k, deadly_signals[i]);
	for (int signal = SIGRTMIN; signal <= SIGRTMAX; signal++)
		catch_if_deadly(k, signal);
	catch_unless_ignored(k, SIGTSTP);
	sigprocmask(SIG_BLOCK, &k->caught, &k->mask_before);
	sigaction(SIGPIPE, &ignore, &k->pipe_before);
	/* Where it is ignored nobody learns how, or that, a child has ended. */
	sigaction(SIGCHLD, &usual, &k->child_before);
	raise_file_limit(k);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	k->signals = signalfd(-1, &k->caught, SFD_CLOEXEC | SFD_NONBLOCK);
	if (k->signals < 0)
		return -errno;
	err = weft_loop_init(&k->door);
	if (err == 0)
		fcntl(weft_loop_fd(&k->door), F_SETFD, FD_CLOEXEC);
	return err;
}

/*
 * In the child of a vfork, with the parent's memory: system calls only. The
 * terminal's job control would stop, and nobody continue, a background group
 * that reads from the terminal; with these two ignored the read fails instead.
 */
static void become(const keeper *k, const keeper_command *command)
{
	const struct sigaction ignore = {.sa_handler = SIG_IGN};

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != k->self)
		_exit(127);
	if (dup2(command->in, STDIN_FILENO) < 0 ||
	    dup2(command->out, STDOUT_FILENO) < 0 ||
	    dup2(command->err, STDERR_FILENO) < 0)
		return;
	if (command->keep[1] >= 0)
		fcntl(command->keep[1], F_SETFD, 0);
	if (command->keep[0] == command->keep_as)
		fcntl(command->keep[0], F_SETFD, 0);
	else if (command->keep[0] >= 0)
		dup2(command->keep[0], command->keep_as);
	setrlimit(RLIMIT_NOFILE, &k->files_before);
	sigaction(SIGTTIN, &ignore, NULL);
	sigaction(SIGTTOU, &ignore, NULL);
	sigaction(SIGPIPE, &k->pipe_before, NULL);
	sigaction(SIGCHLD, &k->child_before, NULL);
	sigprocmask(SIG_SETMASK, &k->mask_before, NULL);
	execvpe(command->argv[0], command->argv, command->env);
}

/* The parent sleeps until the child has become another program, or given up. */
static __attribute__((noinline)) pid_t make_child(const keeper *k,
						  const keeper_command *command,
						  volatile int *failed)
{
	pid_t pid = vfork();

	if (pid == 0) {
		become(k, command);
		*failed = errno;
		_exit(127);
	}
	return pid;
}

typedef struct request {
	keeper *k;
	keeper_child *child;
	const keeper_command *command;
	int signal;
	int err;
	bool gone;
} request;

static void start(void *arg)
{
	request *r = arg;
	volatile int failed = 0;
	pid_t pid;

	if (r->k->stopping) {
		r->err = -ECANCELED;
		return;
	}
	pid = make_child(r->k, r->command, &failed);
	if (pid < 0) {
		r->err = -errno;
	} else if (failed != 0) {
		waitpid(pid, NULL, 0);
		r->err = -failed;
	} else {
		r->child->pid = pid;
		r->child->next = r->k->children;
		r->k->children = r->child;
		weft_waitgroup_add(&r->child->running, 1);
	}
}

int keeper_start(keeper *k, keeper_child *c, const keeper_command *command)
{
	request r = {.k = k, .child = c, .command = command};

	weft_loop_call(&k->door, start, &r);
	return r.err;
}

/* A group is waited for while we know its number: that cannot be another's. */
static void signal_group(pid_t group, int signal)
{
	kill(-group, signal);
	if (signal != SIGKILL)
		kill(-group, SIGCONT); /* who is stopped hears nothing else */
}

static bool is_running(const keeper *k, const keeper_child *c)
{
	for (const keeper_child *one = k->children; one != NULL; one = one->next)
		if (one == c)
			return true;
	return false;
}

static bool is_childs_group(void *arg, pid_t group)
{
	const keeper *k = arg;

	for (const keeper_child *c = k->children; c != NULL; c = c->next)
		if (c->pid == group)
			return true;
	return false;
}

static void end(void *arg)
{
	request *r = arg;

	if (is_running(r->k, r->child))
		procs_signal_descendants(r->child->pid, r->signal,
					 is_childs_group, r->k);
	signal_group(r->child->pid, r->signal);
}

void keeper_signal(keeper *k, keeper_child *c, int signal)
{
	request r = {.k = k, .child = c, .signal = signal};

	weft_loop_call(&k->door, end, &r);
}

void keeper_end_child(keeper *k, keeper_child *c, weft_duration grace)
{
	weft_ctx time;

	weft_ctx_init_timeout(&time, NULL, grace);
	keeper_signal(k, c, SIGTERM);
	if (weft_waitgroup_wait_ctx(&c->running, &time) != 0)
		keeper_signal(k, c, SIGKILL);
	weft_waitgroup_wait(&c->running);
	weft_ctx_fini(&time);
}

static void look(void *arg)
{
	request *r = arg;

	r->gone = kill(-r->child->pid, 0) != 0;
}

static bool is_gone(keeper *k, keeper_child *c)
{
	request r = {.k = k, .child = c};

	weft_loop_call(&k->door, look, &r);
	return r.gone;
}

/* Ours, or one that came to us when its parent had ended. */
static void bury(keeper *k, pid_t pid, int status)
{
	for (keeper_child **at = &k->children; *at != NULL; at = &(*at)->next) {
		keeper_child *c = *at;

		if (c->pid != pid)
			continue;
		*at = c->next;
		c->status = status;
		weft_waitgroup_done(&c->running);
		return;
	}
}

/* Returns whether there is a child left. */
static bool bury_the_dead(keeper *k)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		bury(k, pid, status);
	return pid == 0;
}

static void count_children(void *arg)
{
	request *r = arg;

	r->gone = !bury_the_dead(r->k);
}

bool keeper_has_descendants(keeper *k)
{
	request r = {.k = k};

	weft_loop_call(&k->door, count_children, &r);
	return !r.gone;
}

void keeper_end_leftovers(keeper *k, keeper_child *c)
{
	weft_time kill_at = weft_now() + k->grace, give_up = kill_at + k->grace;
	weft_duration pause = WEFT_MS(1);

	if (is_gone(k, c))
		return;
	keeper_signal(k, c, SIGTERM);
	while (!is_gone(k, c) && weft_now() <= give_up) {
		weft_sleep(NULL, pause);
		pause = 2 * pause < AGAIN ? 2 * pause : AGAIN;
		if (weft_now() >= kill_at)
			keeper_signal(k, c, SIGKILL);
	}
}

/* The groups first, and at once: reading /proc takes its time. */
static void signal_all(keeper *k, int signal)
{
	for (keeper_child *c = k->children; c != NULL; c = c->next)
		signal_group(c->pid, signal);
}

static void stop_all(keeper *k, int signal)
{
	k->stopping = true;
	k->kill_at = weft_now() + k->grace;
	signal_all(k, signal);
	procs_signal_descendants(k->self, signal, is_childs_group, k);
	weft_ctx_cancel(&k->stop, -ECANCELED);
}

static void stop(void *arg)
{
	keeper *k = arg;

	if (!k->stopping)
		stop_all(k, SIGTERM);
}

void keeper_stop(keeper *k)
{
	weft_loop_call(&k->door, stop, k);
}

void keeper_die(keeper *k, int signal)
{
	const struct sigaction usual = {.sa_handler = SIG_DFL};
	const struct rlimit no_core = {0, 0};
	sigset_t this;

	(void)k;
	setrlimit(RLIMIT_CORE, &no_core);
	sigaction(signal, &usual, NULL);
	sigemptyset(&this);
	sigaddset(&this, signal);
	raise(signal);
	pthread_sigmask(SIG_UNBLOCK, &this, NULL);
}

void keeper_block_pipe(void)
{
	sigset_t this;

	sigemptyset(&this);
	sigaddset(&this, SIGPIPE);
	sigprocmask(SIG_BLOCK, &this, NULL);
}

void keeper_die_of_pipe(void)
{
	struct sigaction now;

	sigaction(SIGPIPE, NULL, &now);
	if (now.sa_handler != SIG_IGN)
		keeper_die(NULL, SIGPIPE);
}

static int passed_on(int signal)
{
	for (size_t i = 0; i < sizeof(stop_signals) / sizeof(int); i++)
		if (stop_signals[i] == signal)
			return signal;
	return SIGTERM;
}

static void stop_for_signal(keeper *k, int signal)
{
	if (k->signal == 0)
		k->signal = signal;
	k->signal_count++;
	weft_ctx_cancel(&k->interrupt, -ECANCELED);
	if (k->signal_count == 1)
		stop_all(k, passed_on(signal));
	else if (k->signal_count == 2)
		k->kill_at = 0;
	else
		keeper_die(k, signal);
}

static void go_on(keeper *k)
{
	bool may = k->on_continue == NULL || k->on_continue(k->on_continue_arg);

	signal_all(k, may ? SIGCONT : SIGKILL);
}

/*
 * Stop as we would have, had we not caught it. The kernel ignores it where no
 * shell could continue us, and then this comes back at once.
 */
static void pause_all(keeper *k)
{
	sigset_t this;

	for (keeper_child *c = k->children; c != NULL; c = c->next)
		kill(-c->pid, SIGTSTP);
	sigemptyset(&this);
	sigaddset(&this, SIGTSTP);
	kill(k->self, SIGTSTP);
	pthread_sigmask(SIG_UNBLOCK, &this, NULL);
	pthread_sigmask(SIG_BLOCK, &this, NULL);
	go_on(k);
}

static void read_signals(keeper *k)
{
	struct signalfd_siginfo info;

	while (read(k->signals, &info, sizeof(info)) == sizeof(info)) {
		int signal = (int)info.ssi_signo;

		if (signal == SIGRTMAX && (pid_t)info.ssi_pid == k->self)
			signal = info.ssi_int;
		if (signal == SIGTSTP)
			pause_all(k);
		else if (signal == SIGCONT)
			go_on(k);
		else if (signal != SIGCHLD)
			stop_for_signal(k, signal);
	}
}

static void step(keeper *k, weft_time until)
{
	struct pollfd fds[] = {{.fd = k->signals, .events = POLLIN},
			       {.fd = weft_loop_fd(&k->door), .events = POLLIN}};
	weft_duration left = until - weft_now();
	int ms = -1;

	if (until != WEFT_NEVER)
		ms = left > 0 ? (int)(left / WEFT_MS(1)) + 1 : 0;
	poll(fds, 2, ms);
	read_signals(k);
	bury_the_dead(k);
	weft_loop_step(&k->door);
}

/* Returns how many there were who may be killed. */
static int kill_all(keeper *k)
{
	int count = 0;

	for (keeper_child *c = k->children; c != NULL; c = c->next)
		count += kill(-c->pid, SIGKILL) == 0;
	k->kill_at = weft_now() + AGAIN;
	return count + procs_signal_descendants(k->self, SIGKILL, NULL,
						NULL);
}

/* fn has returned: no descendant survives it. */
static void end_descendants(keeper *k)
{
	bool asked = false;

	while (bury_the_dead(k)) {
		if (!k->stopping && !asked)
			stop_all(k, SIGTERM);
		asked = true;
		if (weft_now() >= k->kill_at && kill_all(k) == 0)
			return;
		step(k, weft_now() + AGAIN < k->kill_at ? weft_now() + AGAIN
							: k->kill_at);
	}
}

static void finish(void *arg)
{
	keeper *k = arg;

	k->finished = true;
}

static void run_fn(void *arg)
{
	keeper *k = arg;

	k->result = k->fn(k->arg);
	weft_loop_call(&k->door, finish, k);
}

int keeper_run(keeper *k, int (*fn)(void *), void *arg)
{
	int err;

	k->fn = fn;
	k->arg = arg;
	err = weft_go(run_fn, k);
	if (err != 0)
		return err;
	catch_faults();
	while (!k->finished) {
		step(k, k->kill_at);
		if (weft_now() >= k->kill_at)
			kill_all(k);
	}
	if (!k->leaves || k->stopping)
		end_descendants(k);
	return k->result;
}

void keeper_finish(keeper *k)
{
	if (k->signal != 0)
		keeper_die(k, k->signal);
}
