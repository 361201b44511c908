/* SPDX-License-Identifier: MIT */
/*
 * A queue delivers messages at least once: twice where they were sent twice,
 * and again where a consumer died, or was only slow. The same messages, three
 * ways: every delivery takes effect; one run of each in the whole fleet; and
 * the same with a database that refuses what comes twice or too late.
 */
#include "messages.h"

#include "../common/options.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CONSUMERS_MAX = 32, PATIENCE_SECONDS = 120 };

static const char help[] =
	"usage: duplicate_messages [OPTION...]\n"
	"\n"
	"Payments through a queue that delivers at least once, to consumers that are\n"
	"killed and stopped: how often does each take effect?\n"
	"\n"
	"  --database URL    sqlite:PATH or mysql://USER:PASSWORD@HOST:PORT/NAME (SQLite)\n"
	"  --queue URL       redis://HOST:PORT/N, or a database's (SQLite)\n"
	"  --at URL          of the fleet: redis://… or dir:PATH (a directory)\n"
	"  --messages N      (300)\n"
	"  --accounts N      (10)\n"
	"  --consumers N     processes (4)\n"
	"  --crashes N       of a hundred messages, those at which a consumer dies (3)\n"
	"  --poison N        messages at which every consumer dies (2)\n"
	"  --redeliver TIME  what is not done by then is delivered again (400ms)\n"
	"  --work TIME       that a payment takes (20ms)\n"
	"  --lease TIME      of the fleet (600ms)\n"
	"  --seed N          (1)\n"
	"  --json            print the result for a program\n";

const char *const way_names[WAYS] = {
	"every delivery",
	"one run in the fleet",
	"and a guarded database",
};

static settings s = {
	.messages = 300,
	.accounts = 10,
	.consumers = 4,
	.crashes = 3,
	.poison = 2,
	.seed = 1,
	.redeliver = WEFT_MS(400),
	.work = WEFT_MS(20),
	.lease = WEFT_MS(600),
};

static const option options[] = {
	{"database", OPTION_TEXT, &s.database, 0, 0},
	{"queue", OPTION_TEXT, &s.queue, 0, 0},
	{"at", OPTION_TEXT, &s.at, 0, 0},
	{"messages", OPTION_COUNT, &s.messages, 1, 100000},
	{"accounts", OPTION_COUNT, &s.accounts, 1, 1000},
	{"consumers", OPTION_COUNT, &s.consumers, 1, CONSUMERS_MAX},
	{"crashes", OPTION_COUNT, &s.crashes, 0, 50},
	{"poison", OPTION_COUNT, &s.poison, 0, 100},
	{"redeliver", OPTION_DURATION, &s.redeliver, 10, 60000},
	{"work", OPTION_DURATION, &s.work, 0, 60000},
	{"lease", OPTION_DURATION, &s.lease, 50, 60000},
	{"seed", OPTION_COUNT, &s.seed, 0, 1000000000},
	{"json", OPTION_FLAG, &s.json, 0, 0},
	{"consumer", OPTION_COUNT, &s.consumer, 1, 1000000000},
	{"way", OPTION_COUNT, &s.way, 0, WAYS - 1},
	{"run", OPTION_COUNT, &s.run, 0, LONG_MAX},
	{NULL, OPTION_FLAG, NULL, 0, 0},
};

/* ---- messages ---- */

void message_make(message *m, long n, const settings *s)
{
	uint64_t x = (uint64_t)(n + 1) * UINT64_C(6364136223846793005) +
		     (uint64_t)s->seed;

	*m = (message){.cents = (long)(x >> 40) % 10000 + 1};
	snprintf(m->id, sizeof m->id, "%s-%ld",
		 n % (s->messages / (s->poison + 1) + 1) ==
				 s->messages / (s->poison + 1)
			 ? "poison"
			 : "payment",
		 n);
	snprintf(m->account, sizeof m->account, "account-%ld",
		 (long)(x >> 33) % s->accounts);
}

bool message_is_poison(const message *m)
{
	return strncmp(m->id, "poison", 6) == 0;
}

/* Every third twice: half of those at once, half of them much later. */
static int send_all(queue *q, weft_ctx *ctx)
{
	message m;
	int err = 0;

	for (long n = 0; err == 0 && n < s.messages; n++) {
		message_make(&m, n, &s);
		err = queue_send(q, ctx, &m);
		if (err == 0 && n % 6 == 0)
			err = queue_send(q, ctx, &m);
	}
	for (long n = 3; err == 0 && n < s.messages; n += 6) {
		message_make(&m, n, &s);
		err = queue_send(q, ctx, &m);
	}
	return err;
}

/* ---- consumers ---- */

static struct {
	pid_t pid;
	bool stopped;
} consumers[CONSUMERS_MAX];

static long consumers_made, consumers_died;
static int lifeline[2];	/* its closing end is in us alone */

extern char **environ;

static int start_consumer(int i)
{
	char number[24], way[24], *arguments[64];
	posix_spawn_file_actions_t actions;
	int count = 0, err;
	const struct {
		const char *name, *value;
	} texts[] = {{"--database", s.database}, {"--queue", s.queue},
		     {"--at", s.at}, {"--consumer", number}, {"--way", way}};
	char numbers[8][40];

	snprintf(number, sizeof number, "%ld", ++consumers_made);
	snprintf(way, sizeof way, "%ld", s.way);
	arguments[count++] = (char *)"duplicate_messages";
	for (size_t t = 0; t < sizeof texts / sizeof *texts; t++) {
		arguments[count++] = (char *)texts[t].name;
		arguments[count++] = (char *)texts[t].value;
	}
	snprintf(numbers[0], sizeof numbers[0], "--messages=%ld", s.messages);
	snprintf(numbers[1], sizeof numbers[1], "--accounts=%ld", s.accounts);
	snprintf(numbers[2], sizeof numbers[2], "--crashes=%ld", s.crashes);
	snprintf(numbers[3], sizeof numbers[3], "--poison=%ld", s.poison);
	snprintf(numbers[4], sizeof numbers[4], "--redeliver=%lldms",
		 (long long)(s.redeliver / WEFT_MS(1)));
	snprintf(numbers[5], sizeof numbers[5], "--work=%lldms",
		 (long long)(s.work / WEFT_MS(1)));
	snprintf(numbers[6], sizeof numbers[6], "--lease=%lldms",
		 (long long)(s.lease / WEFT_MS(1)));
	snprintf(numbers[7], sizeof numbers[7], "--run=%ld", s.run);
	for (int t = 0; t < 8; t++)
		arguments[count++] = numbers[t];
	arguments[count] = NULL;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, lifeline[0], STDIN_FILENO);
	err = posix_spawn(&consumers[i].pid, "/proc/self/exe", &actions, NULL,
			  arguments, environ);
	posix_spawn_file_actions_destroy(&actions);
	consumers[i].stopped = false;
	return -err;
}

/* Those that died are replaced. A consumer that cannot even begin ends it all. */
static int replace_the_dead(void)
{
	int status, err = 0;

	for (int i = 0; err == 0 && i < s.consumers; i++) {
		if (waitpid(consumers[i].pid, &status, WNOHANG) <= 0)
			continue;
		consumers[i].pid = 0;
		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
			return -ECHILD;
		consumers_died++;
		err = start_consumer(i);
	}
	return err;
}

/* Now and then one is stopped for longer than lease and grace, then goes on. */
static void stop_and_continue(unsigned round)
{
	enum { EVERY = 50, FOR = 40 };	/* rounds of 50 ms */
	int i = (int)(round / EVERY % (unsigned)s.consumers);

	if (s.crashes == 0)
		return;
	if (round % EVERY == 5 && consumers[i].pid > 0)
		consumers[i].stopped = kill(consumers[i].pid, SIGSTOP) == 0;
	if (round % EVERY == 5 + FOR && consumers[i].stopped)
		kill(consumers[i].pid, SIGCONT);
}

static void end_consumers(void)
{
	int status;

	close(lifeline[1]);
	for (int i = 0; i < s.consumers; i++) {
		if (consumers[i].pid <= 0)
			continue;
		kill(consumers[i].pid, SIGCONT);
		weft_blocking_begin();
		waitpid(consumers[i].pid, &status, 0);
		weft_blocking_end();
	}
	close(lifeline[0]);
}

static int start_consumers(void)
{
	int err = 0;

	if (pipe2(lifeline, O_CLOEXEC) != 0)
		return -errno;
	memset(consumers, 0, sizeof consumers);
	for (int i = 0; err == 0 && i < s.consumers; i++)
		err = start_consumer(i);
	return err;
}

/* ---- one way ---- */

typedef struct {
	audit a;
	long buried, died;
	weft_duration took;
} outcome;

static int wait_until_empty(queue *q, outcome *o)
{
	weft_time end = weft_now() + PATIENCE_SECONDS * WEFT_SECOND;
	long left = 1;
	int err = 0;

	for (unsigned round = 0; err == 0 && left > 0; round++) {
		weft_sleep(NULL, WEFT_MS(50));
		err = replace_the_dead();
		stop_and_continue(round);
		if (err == 0)
			err = queue_count(q, NULL, &left, &o->buried);
		if (err == 0 && left > 0 && weft_now() > end)
			err = -ETIMEDOUT;
	}
	return err;
}

static int perform(sql *db, queue *q, outcome *o)
{
	weft_time begin = weft_now();
	int err = ledger_create(db, NULL, &s);

	*o = (outcome){0};
	consumers_died = 0;
	if (err == 0)
		err = queue_clear(q, NULL);
	if (err != 0)
		return err;
	err = start_consumers();
	if (err == 0)
		err = send_all(q, NULL);
	if (err == 0)
		err = wait_until_empty(q, o);
	end_consumers();
	if (err == 0)
		err = ledger_audit(db, NULL, &s, &o->a);
	o->died = consumers_died;
	o->took = weft_now() - begin;
	return err;
}

static void print_line(const outcome *o, bool last)
{
	if (s.json)
		printf("  {\"way\": \"%s\", \"messages\": %ld, \"paid\": %ld, "
		       "\"twice\": %ld, \"wrong_receipts\": %ld, "
		       "\"missing\": %ld, \"dead_letters\": %ld, "
		       "\"consumers_died\": %ld, \"seconds\": %.2f}%s\n",
		       way_names[s.way], s.messages, o->a.paid, o->a.twice,
		       o->a.wrong, o->a.missing, o->buried, o->died,
		       (double)o->took / 1e9, last ? "" : ",");
	else
		printf("%-25s %8ld %5ld %6ld %8ld %5ld %7ld %9ld   %.1f s\n",
		       way_names[s.way], s.messages, o->a.paid, o->a.twice,
		       o->a.wrong, o->a.missing, o->buried, o->died,
		       (double)o->took / 1e9);
	fflush(stdout);
}

static void print_saved(const outcome *ways)
{
	const audit *every = &ways[EVERY_DELIVERY].a, *guarded = &ways[GUARDED].a;

	printf("\n%ld payments were saved from being made twice, %ld receipts "
	       "from being wrong.\n",
	       every->twice - guarded->twice, every->wrong - guarded->wrong);
}

static int compare(sql *db, queue *q)
{
	outcome o[WAYS];
	int err = 0;

	if (s.json)
		puts("[");
	else
		printf("%-25s %8s %5s %6s %8s %5s %7s %9s\n"
		       "%-25s %8s %5s %6s %8s %5s %7s %9s\n",
		       "", "", "", "paid", "wrong", "not", "dead", "consumers", "",
		       "messages", "paid", "twice", "receipts", "paid", "letters",
		       "killed");
	for (s.way = 0; err == 0 && s.way < WAYS; s.way++) {
		err = perform(db, q, &o[s.way]);
		if (err == 0)
			print_line(&o[s.way], s.way == WAYS - 1);
	}
	if (s.json)
		puts("]");
	else if (err == 0)
		print_saved(o);
	return err;
}

static void complain(int err, sql *db)
{
	const char *message = sql_message(db);

	if (err == -ETIMEDOUT && message[0] == '\0')
		fprintf(stderr, "duplicate_messages: the queue is not empty "
				"after %d s\n", PATIENCE_SECONDS);
	else
		fprintf(stderr, "duplicate_messages: %s%s%s\n", strerror(-err),
			message[0] != '\0' ? ": " : "", message);
}

static int run_all(void *arg)
{
	sql *db;
	queue *q = NULL;
	int err = sql_open(&db, NULL, s.database, 2);

	(void)arg;
	if (err == 0 && (q = queue_open(NULL, s.queue, &s)) == NULL)
		fprintf(stderr, "duplicate_messages: %s: no such queue\n", s.queue);
	else if (err == 0)
		err = compare(db, q);
	if (err != 0)
		complain(err, db);
	if (q != NULL)
		queue_close(q);
	sql_close(db);
	return err != 0 || q == NULL;
}

/* ---- places for what was not given ---- */

static int run_in_folder(void)
{
	char folder[] = "/tmp/duplicate_messages.XXXXXX", command[96];
	char database[80], queue[80], at[80];
	int status;

	if (mkdtemp(folder) == NULL) {
		perror("duplicate_messages: /tmp");
		return 1;
	}
	snprintf(database, sizeof database, "sqlite:%s/ledger", folder);
	snprintf(queue, sizeof queue, "sqlite:%s/queue", folder);
	snprintf(at, sizeof at, "dir:%s", folder);
	s.database = s.database != NULL ? s.database : database;
	s.queue = s.queue != NULL ? s.queue : queue;
	s.at = s.at != NULL ? s.at : at;
	status = weft_run(run_all, NULL);
	snprintf(command, sizeof command, "rm -rf %s", folder);
	if (system(command) != 0)
		fprintf(stderr, "duplicate_messages: %s is still there\n", folder);
	return status;
}

int main(int argc, char **argv)
{
	(void)argc;
	s.run = (long)time(NULL);
	options_read(options, help, argv);
	return s.consumer > 0 ? consume(&s) : run_in_folder();
}
