/* SPDX-License-Identifier: MIT */
#include "demo_report.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

demo_agreement demo_compare(const demo_run *runs, int count, size_t packages)
{
	demo_agreement agreement = {0};

	for (int r = 0; r < count; r++)
		agreement.disagreements += runs[r].stats.contradictions;
	for (size_t p = 0; p < packages; p++) {
		const demo_answer *first = NULL;
		bool again = false;

		for (int r = 0; r < count; r++) {
			const demo_slot *slot = runs[r].cache != NULL ? &runs[r].cache[p]
								      : NULL;

			if (slot == NULL || !slot->known)
				continue;
			if (first == NULL) {
				first = &slot->answer;
				continue;
			}
			again = true;
			agreement.disagreements += first->count != slot->answer.count ||
						   first->checksum != slot->answer.checksum;
		}
		agreement.compared += again;
	}
	return agreement;
}

/* The first answer to a question, of whichever run has one. */
static const demo_answer *answer_to(const demo_result *r, size_t package)
{
	for (int i = 0; i < r->started; i++)
		if (r->runs[i].cache != NULL && r->runs[i].cache[package].known)
			return &r->runs[i].cache[package].answer;
	return NULL;
}

static void print_runs(const demo_result *r)
{
	static const char heads[2][10][16] = {
		{"", "", "answered", "", "queries to", "", "most", "", "", "latency"},
		{"run", "asked", "in time", "late", "database", "redundant", "at once",
		 "p50", "p99", "max"},
	};
	static const char line[] = "%-13s %8s %9s %8s %11s %10s %8s %9s %9s %9s%s\n";

	for (int i = 0; i < 2; i++)
		printf(line, heads[i][0], heads[i][1], heads[i][2], heads[i][3],
		       heads[i][4], heads[i][5], heads[i][6], heads[i][7], heads[i][8],
		       heads[i][9], "");
	for (int i = 0; i < r->started; i++) {
		const demo_stats *s = &r->runs[i].stats;
		char asked[32], answered[32], late[32], queries[32], redundant[32], most[32];
		char p50[32], p99[32], max[32];

		printf(line, r->runs[i].name, demo_thousands(asked, s->asked),
		       demo_thousands(answered, s->answered),
		       demo_thousands(late, s->late), demo_thousands(queries, s->queries),
		       demo_thousands(redundant, s->redundant),
		       demo_thousands(most, s->most_at_once),
		       demo_time_text(p50, s->p50), demo_time_text(p99, s->p99),
		       demo_time_text(max, s->max),
		       r->runs[i].complete ? "" : "  (stopped)");
	}
	puts("\nA query is redundant when one for the same package is at the database "
	     "already.");
}

static void print_answers(const demo_result *r)
{
	char number[32];
	int told = 0;

	for (size_t p = 0; p < DEMO_HOT && p < r->database->package_count; p++) {
		const demo_answer *a = answer_to(r, p);

		if (a == NULL)
			continue;
		printf("%s%s %s", told++ == 0 ? "How many break with it: " : ", ",
		       r->database->packages[p].name, demo_thousands(number, a->count));
	}
	if (told > 0)
		puts(".");
}

static void print_agreement(const demo_result *r)
{
	char number[32];

	if (r->started < 2)
		return;
	if (r->agreement.disagreements == 0)
		printf("The runs agree: %s packages have an answer from more than "
		       "one run, the same each time.\n",
		       demo_thousands(number, r->agreement.compared));
	else
		printf("The runs DISAGREE on %s answers.\n",
		       demo_thousands(number, r->agreement.disagreements));
}

static void print_interrupted(const demo_result *r)
{
	const demo_run *last = r->started > 0 ? &r->runs[r->started - 1] : NULL;
	char asked[32], all[32];

	printf("Stopped by %s", r->signal == SIGINT ? "Ctrl-C" : strsignal(r->signal));
	if (last == NULL)
		printf(" before the first run.\n");
	else if (last->complete)
		printf(" after run %d of %d.\n", r->started, DEMO_RUNS);
	else
		printf(" in run %d of %d (%s) after %.1f s: %s of its %s questions "
		       "were asked.\n", r->started, DEMO_RUNS, last->name,
		       (double)last->stats.elapsed / 1e9,
		       demo_thousands(asked, last->stats.asked),
		       demo_thousands(all, (int64_t)r->schedule->count));
}

void demo_report_table(const demo_result *r)
{
	char packages[32], needs[32], rate[32];

	if (r->database_read) {
		demo_thousands(packages, (int64_t)r->database->package_count);
		demo_thousands(needs, r->database->dependency_count);
		demo_thousands(rate, (int64_t)r->options->rate);
		printf("%s packages with %s dependencies; %s questions a second for %g s, "
		       "%d connections\n\n", packages, needs, rate,
		       (double)r->options->duration / 1e9, r->options->connections);
	}
	if (r->started > 0) {
		print_runs(r);
		print_answers(r);
		print_agreement(r);
	}
	if (r->signal != 0)
		print_interrupted(r);
	if (r->svg != NULL)
		printf("Picture: %s\n", r->svg);
}

static void print_string(const char *text)
{
	putchar('"');
	for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c++) {
		if (*c == '"' || *c == '\\')
			printf("\\%c", *c);
		else if (*c < 0x20)
			printf("\\u%04x", *c);
		else
			putchar(*c);
	}
	putchar('"');
}

static void print_json_options(const demo_options *o)
{
	printf("  \"options\": {\"rate\": %.17g, \"duration_s\": %.9g, "
	       "\"lifetime_s\": %.9g, \"deadline_s\": %.9g, \"skew\": %.17g, "
	       "\"seed\": %" PRIu64 ", \"connections\": %d},\n",
	       o->rate, (double)o->duration / 1e9, (double)o->lifetime / 1e9,
	       (double)o->deadline / 1e9, o->skew, o->seed, o->connections);
}

static void print_json_run(const demo_run *run)
{
	const demo_stats *s = &run->stats;

	printf("    {\"run\": \"%s\", \"complete\": %s, \"asked\": %" PRId64
	       ", \"answered\": %" PRId64 ", \"late\": %" PRId64
	       ", \"dropped\": %" PRId64 ", \"queries\": %" PRId64
	       ", \"queries_redundant\": %" PRId64
	       ", \"queries_executed\": %" PRId64 ", \"queries_answered\": %" PRId64
	       ", \"most_at_once\": %d, \"most_same_at_once\": %d"
	       ", \"p50_ms\": %.3f, \"p99_ms\": %.3f, \"max_ms\": %.3f"
	       ", \"elapsed_s\": %.3f}",
	       run->key, run->complete ? "true" : "false", s->asked, s->answered,
	       s->late, s->dropped, s->queries, s->redundant, s->executed, s->useful,
	       s->most_at_once, s->most_same, (double)s->p50 / 1e6,
	       (double)s->p99 / 1e6, (double)s->max / 1e6, (double)s->elapsed / 1e9);
}

static void print_json_answers(const demo_result *r)
{
	bool first = true;

	printf("  \"answers\": {\"compared\": %" PRId64 ", \"disagreements\": %" PRId64
	       ", \"agree\": %s, \"hot\": [", r->agreement.compared,
	       r->agreement.disagreements,
	       r->agreement.disagreements == 0 ? "true" : "false");
	for (size_t p = 0; p < DEMO_HOT && p < r->database->package_count; p++) {
		const demo_answer *a = answer_to(r, p);

		if (a == NULL)
			continue;
		printf("%s\n    {\"package\": ", first ? "" : ",");
		print_string(r->database->packages[p].name);
		printf(", \"breaks\": %" PRId64 ", \"checksum\": %" PRIu64 "}",
		       a->count, a->checksum);
		first = false;
	}
	printf("]},\n");
}

void demo_report_json(const demo_result *r)
{
	printf("{\n");
	if (r->database_read) {
		printf("  \"source\": ");
		print_string(r->source);
		printf(",\n  \"database\": ");
		print_string(r->database->path);
		printf(",\n  \"packages\": %zu, \"dependencies\": %" PRId64 ",\n",
		       r->database->package_count, r->database->dependency_count);
	}
	print_json_options(r->options);
	printf("  \"runs\": [");
	for (int i = 0; i < r->started; i++) {
		printf(i > 0 ? ",\n" : "\n");
		print_json_run(&r->runs[i]);
	}
	printf("],\n");
	if (r->database_read)
		print_json_answers(r);
	printf("  \"interrupted\": %s,\n  \"svg\": ", r->signal != 0 ? "true" : "false");
	if (r->svg != NULL)
		print_string(r->svg);
	else
		printf("null");
	printf("\n}\n");
}
