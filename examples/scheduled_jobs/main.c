/* SPDX-License-Identifier: MIT */
/*
 * A job that is in the timetable of several nodes, so that it runs also when
 * one of them is down. Their clocks differ, their timers are early or late;
 * still it runs once for each tick, and all of them have its output and status.
 */
#include "jobs.h"

#include "../common/options.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { NODES_MAX = 32, TICKS_MAX = 1000, OUTPUT_BYTES = 120 };

static const char help[] =
	"usage: scheduled_jobs [OPTION...]\n"
	"\n"
	"Several nodes fire the same job at the same ticks, by clocks that differ: one\n"
	"runs it, the others are given its output and its status.\n"
	"\n"
	"  --at URL          of the fleet: redis://… or dir:PATH (a directory)\n"
	"  --command TEXT    the job (it counts the packages that are installed)\n"
	"  --nodes N         processes (5)\n"
	"  --ticks N         (4)\n"
	"  --every TIME      (1s)\n"
	"  --skew TIME       how far the clocks may be off (200ms)\n"
	"  --lease TIME      of the fleet (500ms)\n"
	"  --seed N          of clocks and timers (1)\n"
	"  --json            print the result for a program\n"
	"\n"
	"In the middle tick the node that runs the job dies.\n";

static settings s = {
	.command = "grep -c '^Package:' /var/lib/dpkg/status; sleep 0.05; exit 3",
	.nodes = 5,
	.ticks = 4,
	.seed = 1,
	.every = WEFT_SECOND,
	.skew = WEFT_MS(200),
	.lease = WEFT_MS(500),
};

static const option options[] = {
	{"at", OPTION_TEXT, &s.at, 0, 0},
	{"command", OPTION_TEXT, &s.command, 0, 0},
	{"ledger", OPTION_TEXT, &s.ledger, 0, 0},
	{"nodes", OPTION_COUNT, &s.nodes, 1, NODES_MAX},
	{"ticks", OPTION_COUNT, &s.ticks, 1, TICKS_MAX},
	{"every", OPTION_DURATION, &s.every, 100, 3600000},
	{"skew", OPTION_DURATION, &s.skew, 0, 3600000},
	{"lease", OPTION_DURATION, &s.lease, 50, 60000},
	{"seed", OPTION_COUNT, &s.seed, 0, 1000000000},
	{"json", OPTION_FLAG, &s.json, 0, 0},
	{"node", OPTION_COUNT, &s.node, 1, NODES_MAX},
	{"first-tick", OPTION_COUNT, &s.first_tick, 0, INT64_MAX},
	{"clock-ms", OPTION_COUNT, &s.clock_ms, -3600000, 3600000},
	{"dies-at", OPTION_COUNT, &s.dies_at, 0, TICKS_MAX},
	{NULL, OPTION_FLAG, NULL, 0, 0},
};

/* What was seen of a tick. */
typedef struct {
	long fired, failed, first, last;	/* ms after the tick */
	long led_by, runs;
	unsigned long long token;
	int status;
	char output[OUTPUT_BYTES];
	bool differs;	/* somebody was given something else */
} tick;

static tick ticks[TICKS_MAX + 2];

extern char **environ;

/* ---- nodes ---- */

static int start_node(long n, int out, pid_t *child)
{
	char text[10][80], *arguments[16] = {(char *)"scheduled_jobs"};
	posix_spawn_file_actions_t actions;
	unsigned short random[3] = {(unsigned short)s.seed, (unsigned short)n, 7};
	double off = n == 1 ? -1 : n == 2 ? 1 : 2 * erand48(random) - 1;
	int count = 1, err;

	snprintf(text[0], 80, "--node=%ld", n);
	snprintf(text[1], 80, "--first-tick=%ld", s.first_tick);
	snprintf(text[2], 80, "--clock-ms=%ld",
		 (long)(off * (double)(s.skew / WEFT_MS(1))));
	snprintf(text[3], 80, "--ticks=%ld", s.ticks);
	snprintf(text[4], 80, "--every=%lldms", (long long)(s.every / WEFT_MS(1)));
	snprintf(text[5], 80, "--lease=%lldms", (long long)(s.lease / WEFT_MS(1)));
	snprintf(text[6], 80, "--seed=%ld", s.seed);
	snprintf(text[7], 80, "--dies-at=%ld", n == 2 ? (s.ticks + 1) / 2 : 0);
	for (int i = 0; i < 8; i++)
		arguments[count++] = text[i];
	arguments[count++] = (char *)"--at";
	arguments[count++] = (char *)s.at;
	arguments[count++] = (char *)"--command";
	arguments[count++] = (char *)s.command;
	arguments[count++] = (char *)"--ledger";
	arguments[count++] = (char *)s.ledger;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	err = posix_spawn(child, "/proc/self/exe", &actions, NULL, arguments,
			  environ);
	posix_spawn_file_actions_destroy(&actions);
	return err;
}

/* ---- what they print ---- */

static void take_line(const char *line)
{
	long node, number, at;
	unsigned long long token;
	char how[16];
	long long took;
	int status, end = 0;
	tick *t;

	if (sscanf(line, NODE_LINE "%n", &node, &number, &at, how, &token, &took,
		   &status, &end) < 7 || end == 0 || number < 0 ||
	    number > s.ticks + 1)
		return;	/* the rest of an output with several lines */
	t = &ticks[number];
	if (t->fired == 0 || at < t->first)
		t->first = at;
	if (t->fired == 0 || at > t->last)
		t->last = at;
	if (strcmp(how, "failed") == 0)
		t->failed++;
	else if (t->fired > t->failed &&
		 (t->token != token || t->status != status ||
		  strncmp(t->output, line + end, OUTPUT_BYTES - 1) != 0))
		t->differs = true;
	if (strcmp(how, "led") == 0)
		t->led_by = node;
	if (strcmp(how, "failed") != 0) {
		t->token = token;
		t->status = status;
		snprintf(t->output, OUTPUT_BYTES, "%s", line + end);
	}
	t->fired++;
}

static void read_lines(int fd)
{
	FILE *lines = fdopen(fd, "r");
	char *line = NULL;
	size_t room = 0;

	while (lines != NULL && getline(&line, &room, lines) > 0) {
		line[strcspn(line, "\n")] = '\0';
		take_line(line);
	}
	free(line);
	if (lines != NULL)
		fclose(lines);
}

static void read_ledger(void)
{
	FILE *f = fopen(s.ledger, "re");
	long number;

	while (f != NULL && fscanf(f, "%ld %*d %*s", &number) == 1)
		if (number >= 0 && number <= s.ticks + 1)
			ticks[number].runs++;
	if (f != NULL)
		fclose(f);
}

static void print_tick(long n)
{
	const tick *t = &ticks[n];

	if (s.json)
		printf("  {\"tick\": %ld, \"fired\": %ld, \"failed\": %ld, "
		       "\"first_ms\": %ld, \"last_ms\": %ld, \"runs\": %ld, "
		       "\"led_by\": %ld, \"status\": %d, \"same\": %s}%s\n",
		       n, t->fired, t->failed, t->first, t->last, t->runs,
		       t->led_by, t->status, t->differs ? "false" : "true",
		       n == s.ticks ? "" : ",");
	else
		printf("%4ld %6ld %8ld to %-5ld %5ld   node %-4ld %6d   %-5s %s\n",
		       n, t->fired, t->first, t->last, t->runs, t->led_by,
		       t->status, t->differs ? "no" : "yes", t->output);
}

static int report(void)
{
	long stray = ticks[0].runs + ticks[s.ticks + 1].runs, bad = stray;
	long fired = 0, runs = 0;

	if (s.json)
		puts("[");
	else
		puts("tick  fired  at, ms after it   runs   led by    status   same  "
		     "output");
	for (long n = 1; n <= s.ticks; n++) {
		print_tick(n);
		bad += ticks[n].failed + ticks[n].differs +
		       (ticks[n].runs == 0);
		fired += ticks[n].fired;
		runs += ticks[n].runs;
	}
	if (s.json)
		puts("]");
	else
		printf("\n%ld times it fired, %ld times it ran: %ld runs were saved.\n",
		       fired, runs, fired - runs);
	if (stray > 0)
		fprintf(stderr, "scheduled_jobs: %ld runs for other ticks\n", stray);
	return bad > 0;
}

static int run_nodes(void)
{
	struct timespec now;
	long period = (long)(s.every / WEFT_MS(1));
	int ends[2], err = 0, status;
	pid_t child;

	if (pipe2(ends, O_CLOEXEC) != 0) {
		perror("scheduled_jobs: pipe");
		return 1;
	}
	clock_gettime(CLOCK_REALTIME, &now);
	s.first_tick = (now.tv_sec * 1000 + now.tv_nsec / 1000000 +
			(long)(s.skew / WEFT_MS(1)) + 1500) / period * period + period;
	for (long n = 1; err == 0 && n <= s.nodes; n++)
		err = start_node(n, ends[1], &child);
	close(ends[1]);
	if (err != 0)
		fprintf(stderr, "scheduled_jobs: a node: %s\n", strerror(err));
	read_lines(ends[0]);
	while (wait(&status) > 0)
		err |= WIFEXITED(status) && WEXITSTATUS(status) != 0;
	read_ledger();
	return err != 0 ? 1 : report();
}

static int run_in_folder(void)
{
	char folder[] = "/tmp/scheduled_jobs.XXXXXX", command[96];
	char ledger[80], at[80];
	int status;

	if (mkdtemp(folder) == NULL) {
		perror("scheduled_jobs: /tmp");
		return 1;
	}
	snprintf(ledger, sizeof ledger, "%s/ledger", folder);
	snprintf(at, sizeof at, "dir:%s", folder);
	s.ledger = s.ledger != NULL ? s.ledger : ledger;
	s.at = s.at != NULL ? s.at : at;
	status = run_nodes();
	snprintf(command, sizeof command, "rm -rf %s", folder);
	if (system(command) != 0)
		fprintf(stderr, "scheduled_jobs: %s is still there\n", folder);
	return status;
}

int main(int argc, char **argv)
{
	(void)argc;
	options_read(options, help, argv);
	if (2 * s.skew >= s.every) {
		fputs("scheduled_jobs: clocks that are off by half a period or more "
		      "cannot mean the same tick\n", stderr);
		return 2;
	}
	return s.node > 0 ? node_run(&s) : run_in_folder();
}
