/* SPDX-License-Identifier: MIT */
/*
 * Many requests of several nodes want one lock, all at once. Either each of
 * them contends for it in the fleet, or each node does, once, and hands it on
 * among its own. How many commands does that cost, and how long do they wait?
 */
#include "lock.h"

#include "../common/options.h"
#include "../common/samples.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NODES_MAX = 32 };

static const char help[] =
	"usage: distributed_lock [OPTION...]\n"
	"\n"
	"Many requests of several nodes want one distributed lock: with every request\n"
	"contending for it, and through a gate, with one contender a node.\n"
	"\n"
	"  --at URL          of the lock: redis://HOST:PORT/N or dir:PATH (a directory)\n"
	"  --nodes N         processes (4)\n"
	"  --requests N      of each node (1000)\n"
	"  --work TIME       that a request holds the lock (0ms)\n"
	"  --poll TIME       between two looks of one that contends (20ms)\n"
	"  --patience TIME   of a request (60s)\n"
	"  --json            print the result for a program\n";

const char *const way_names[WAYS] = {
	"each request for itself",
	"one contender a node",
};

static settings s = {
	.nodes = 4,
	.requests = 1000,
	.poll = WEFT_MS(20),
	.patience = 60 * WEFT_SECOND,
};

static const option options[] = {
	{"at", OPTION_TEXT, &s.at, 0, 0},
	{"nodes", OPTION_COUNT, &s.nodes, 1, NODES_MAX},
	{"requests", OPTION_COUNT, &s.requests, 1, 100000},
	{"work", OPTION_DURATION, &s.work, 0, 10000},
	{"poll", OPTION_DURATION, &s.poll, 1, 10000},
	{"patience", OPTION_DURATION, &s.patience, 1, 600000},
	{"json", OPTION_FLAG, &s.json, 0, 0},
	{NULL, OPTION_FLAG, NULL, 0, 0},
};

static board *board_new(void)
{
	size_t room = (size_t)(s.nodes * s.requests);
	board *b = mmap(NULL, sizeof *b + room * sizeof *b->waits,
			PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (b == MAP_FAILED)
		return NULL;
	b->wait_room = (long)room;
	return b;
}

static void board_clear(board *b)
{
	long room = b->wait_room;

	memset(b, 0, sizeof *b);
	b->wait_room = room;
	b->start = weft_now() + WEFT_MS(300);	/* once they are all there */
}

/* No runtime may run in this process: it forks. False: something went wrong. */
static bool perform(board *b, enum way way, weft_duration *took)
{
	long started = 0;
	bool well = true;
	int status;

	board_clear(b);
	fflush(NULL);
	for (; started < s.nodes; started++) {
		pid_t child = fork();

		if (child == 0)
			_exit(node_run(&s, b, way, started + 1));
		if (child < 0)
			break;
	}
	well = started == s.nodes;
	while (wait(&status) > 0 || errno == EINTR)
		well &= status == 0;
	*took = weft_now() - b->start;
	return well;
}

static int by_value(const void *a, const void *b)
{
	weft_duration x = *(const weft_duration *)a;
	weft_duration y = *(const weft_duration *)b;

	return (x > y) - (x < y);
}

static void print_line(enum way way, board *b, weft_duration took)
{
	long count = b->wait_count < b->wait_room ? b->wait_count : b->wait_room;
	weft_duration p50 = 0, p99 = 0;
	char text[3][16];

	qsort(b->waits, (size_t)count, sizeof *b->waits, by_value);
	if (count > 0) {
		p50 = b->waits[count / 2];
		p99 = b->waits[count * 99 / 100];
	}
	if (s.json)
		printf("%s  {\"way\": \"%s\", \"done\": %ld, \"failed\": %ld, "
		       "\"broken\": %ld, \"late\": %ld, \"value\": %ld, "
		       "\"commands\": %ld, \"hand_overs\": %ld, \"p50_ns\": %lld, "
		       "\"p99_ns\": %lld, \"took_ns\": %lld}",
		       way == 0 ? "" : ",\n", way_names[way], b->done, b->failed,
		       b->broken, b->late, b->value, b->commands, b->hand_overs,
		       (long long)p50, (long long)p99, (long long)took);
	else
		printf("%-24s %6ld %7ld %7ld %9ld %9.1f %10ld   %-8s %-8s %s\n",
		       way_names[way], b->done, b->failed, b->broken + b->late,
		       b->commands,
		       (double)b->commands / (double)(b->done > 0 ? b->done : 1),
		       b->hand_overs, duration_text(text[0], p50),
		       duration_text(text[1], p99), duration_text(text[2], took));
	fflush(stdout);
}

static int compare(board *b)
{
	long commands[WAYS] = {0};
	weft_duration took;
	bool well = true;

	if (s.json)
		puts("[");
	else
		printf("%-24s %6s %7s %7s %9s %9s %10s   %-8s %-8s %s\n", "", "done",
		       "failed", "broken", "commands", "a request", "hand-overs",
		       "wait p50", "p99", "all");
	for (int way = 0; well && way < WAYS; way++) {
		well = perform(b, way, &took);
		print_line(way, b, took);
		well &= b->failed == 0 && b->broken == 0 && b->late == 0 &&
			b->value == b->done;
		commands[way] = b->commands;
	}
	if (s.json)
		puts("\n]");
	else if (well)
		printf("\n%ld commands were saved, %.1f in 100.\n",
		       commands[0] - commands[1],
		       100 * (1 - (double)commands[1] / (double)commands[0]));
	return !well;
}

int main(int argc, char **argv)
{
	char folder[] = "/tmp/distributed_lock.XXXXXX", at[80], command[96];
	board *b;
	int status;

	(void)argc;
	options_read(options, help, argv);
	b = board_new();
	if (b == NULL) {
		fputs("distributed_lock: no memory\n", stderr);
		return 1;
	}
	if (s.at != NULL)
		return compare(b);
	if (mkdtemp(folder) == NULL) {
		perror("distributed_lock: /tmp");
		return 1;
	}
	snprintf(at, sizeof at, "dir:%s", folder);
	s.at = at;
	status = compare(b);
	snprintf(command, sizeof command, "rm -rf %s", folder);
	if (system(command) != 0)
		fprintf(stderr, "distributed_lock: %s is still there\n", folder);
	return status;
}
