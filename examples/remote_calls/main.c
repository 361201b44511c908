/* SPDX-License-Identifier: MIT */
/*
 * Many callers want the same few things of a remote service at once. Three
 * runs of the same schedule: each caller sends a request of its own; identical
 * requests become one; and the same with callers that do not wait to the end.
 */
#include "../common/http.h"
#include "../common/options.h"
#include "../common/samples.h"
#include "upstream.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
	"usage: remote_calls [OPTION...]\n"
	"\n"
	"Identical concurrent requests to an HTTP service become one.\n"
	"\n"
	"  --upstream URL    the service; /item/N is added to it (a built-in one)\n"
	"  --callers N       in each run (2000)\n"
	"  --during TIME     in which they come (2s)\n"
	"  --urls N          how many different things they want (40)\n"
	"  --delay TIME      how long the built-in service takes (100ms)\n"
	"  --patience TIME   after which every third leaves, in the last run (30ms)\n"
	"  --connections N   to the service (64)\n"
	"  --seed N          of the schedule (1)\n"
	"  --json            print the result for a program\n";

static const char *base;
static char own_base[64];
static long callers = 2000, urls = 40, connections = 64, seed = 1;
static weft_duration during = 2 * WEFT_SECOND, patience = WEFT_MS(30);
static bool json;
static upstream service = {.delay = WEFT_MS(100)};

static const option options[] = {
	{"upstream", OPTION_TEXT, &base, 0, 0},
	{"callers", OPTION_COUNT, &callers, 1, 100000},
	{"during", OPTION_DURATION, &during, 1, 60000},
	{"urls", OPTION_COUNT, &urls, 1, 100000},
	{"delay", OPTION_DURATION, &service.delay, 0, 60000},
	{"patience", OPTION_DURATION, &patience, 1, 60000},
	{"connections", OPTION_COUNT, &connections, 1, 10000},
	{"seed", OPTION_COUNT, &seed, 0, 1000000000},
	{"json", OPTION_FLAG, &json, 0, 0},
	{NULL, OPTION_FLAG, NULL, 0, 0},
};

typedef struct {
	const char *name;
	bool merged, impatient;
	http_client *client;
	weft_flight flight;
	weft_time start;
	weft_flight_counters counters;
	samples answered, left;
	long requests, failed, abandoned;	/* atomic */
} run;

typedef struct {
	run *run;
	weft_duration at;
	bool leaves;
	char url[256];
} caller;

static int request(weft_ctx *ctx, void *arg, void **response)
{
	const caller *c = arg;

	weft_atomic_add(&c->run->requests, 1, relaxed);
	return http_get(c->run->client, ctx, c->url, (http_response **)response);
}

static weft_result ask(weft_ctx *ctx, const caller *c)
{
	weft_result r = {0};

	if (c->run->merged)
		return weft_flight_do_ctx_copy(&c->run->flight, ctx,
					       weft_key_str(c->url), request, c,
					       sizeof *c);
	r.err = request(ctx, (void *)c, &r.value);
	return r;
}

static bool is_answer(const weft_result *r)
{
	const http_response *response = r->value;

	return r->err == 0 && response->status == 200 && response->size > 0;
}

static void release(const caller *c, weft_result *r)
{
	if (c->run->merged)
		weft_result_release(r);
	else
		free(r->value);
}

static int call(weft_ctx *ctx, void *arg)
{
	const caller *c = arg;
	weft_time begin;
	weft_ctx until;
	weft_result r;

	weft_sleep(ctx, c->run->start + c->at - weft_now());
	begin = weft_now();
	weft_ctx_init_timeout(&until, ctx, patience);
	r = ask(c->leaves ? &until : ctx, c);
	if (is_answer(&r))
		samples_add(&c->run->answered, weft_now() - begin);
	else if (c->leaves && r.err == -ETIMEDOUT)
		samples_add(&c->run->left, weft_now() - begin - patience);
	else
		weft_atomic_add(&c->run->failed, 1, relaxed);
	release(c, &r);
	weft_ctx_fini(&until);
	return 0;
}

/* Few things are wanted often, many seldom. The same for each run. */
static void schedule(run *run, weft_group *g)
{
	unsigned short state[3] = {(unsigned short)seed,
				   (unsigned short)(seed >> 16), 0};

	for (long i = 0; i < callers; i++) {
		caller c = {.run = run, .leaves = run->impatient && i % 3 == 0};
		double popular = erand48(state);

		c.at = (weft_duration)(erand48(state) * (double)during);
		snprintf(c.url, sizeof c.url, "%s/item/%ld", base,
			 (long)(popular * popular * (double)urls));
		weft_group_go_copy(g, call, &c, sizeof c);
	}
}

static bool perform(run *run)
{
	long abandoned = weft_atomic_load(&service.abandoned, relaxed);
	weft_group g;
	int err;

	run->client = http_client_new(connections);
	if (run->client == NULL)
		return false;
	run->flight.drop = free;
	run->start = weft_now();
	weft_group_init(&g, NULL);
	schedule(run, &g);
	err = weft_group_wait(&g);
	weft_flight_count(&run->flight, &run->counters);
	weft_flight_fini(&run->flight);
	http_client_free(run->client);
	run->abandoned = weft_atomic_load(&service.abandoned, relaxed) - abandoned;
	return err == 0;
}

static void print_line(run *r)
{
	char p50[16], p99[16], late[16];

	printf("%-22s %8zu %8zu %8ld %9ld %9ld   %-8s %-8s %s\n", r->name,
	       r->answered.count, r->left.count, r->failed, r->requests,
	       r->abandoned,
	       duration_text(p50, samples_quantile(&r->answered, 0.5)),
	       duration_text(p99, samples_quantile(&r->answered, 0.99)),
	       r->left.count > 0
		       ? duration_text(late, samples_quantile(&r->left, 0.99))
		       : "");
}

static void print_json(run *r, bool last)
{
	printf("  {\"run\": \"%s\", \"answered\": %zu, \"left\": %zu, "
	       "\"failed\": %ld, \"requests\": %ld, \"abandoned\": %ld, "
	       "\"p50_ns\": %lld, \"p99_ns\": %lld, \"leave_p99_ns\": %lld}%s\n",
	       r->name, r->answered.count, r->left.count, r->failed, r->requests,
	       r->abandoned, (long long)samples_quantile(&r->answered, 0.5),
	       (long long)samples_quantile(&r->answered, 0.99),
	       (long long)samples_quantile(&r->left, 0.99), last ? "" : ",");
}

static void report(run *runs, int count)
{
	if (json)
		puts("[");
	else
		printf("%-22s %8s %8s %8s %9s %9s   %-8s %-8s %s\n", "", "answered",
		       "left", "failed", "requests", "abandoned", "p50", "p99",
		       "left within");
	for (int i = 0; i < count; i++)
		if (json)
			print_json(&runs[i], i == count - 1);
		else
			print_line(&runs[i]);
	if (json)
		puts("]");
	else
		printf("\n%ld requests were saved, %.0f in 100; the service was "
		       "asked at most %d times at once.\n",
		       runs[0].requests - runs[1].requests,
		       100 * (1 - (double)runs[1].requests /
					  (double)runs[0].requests),
		       weft_atomic_load(&service.most_at_once, relaxed));
}

static int run_all(void *arg)
{
	static run runs[] = {
		{.name = "each its own request"},
		{.name = "merged", .merged = true},
		{.name = "merged, a third leaves", .merged = true,
		 .impatient = true},
	};
	enum { RUNS = sizeof runs / sizeof *runs };
	long failed = 0;

	(void)arg;
	for (int i = 0; i < RUNS; i++) {
		if (!perform(&runs[i])) {
			fputs("remote_calls: no memory or descriptors left\n", stderr);
			return 1;
		}
		failed += runs[i].failed;
	}
	report(runs, RUNS);
	for (int i = 0; i < RUNS; i++) {
		samples_fini(&runs[i].answered);
		samples_fini(&runs[i].left);
	}
	if (failed > 0)
		fprintf(stderr, "remote_calls: %ld calls failed\n", failed);
	return failed > 0;
}

static int with_own_service(void *arg)
{
	int err = upstream_start(&service), status;

	if (err != 0) {
		fprintf(stderr, "remote_calls: no port to listen on: %s\n",
			strerror(-err));
		return 1;
	}
	snprintf(own_base, sizeof own_base, "http://127.0.0.1:%d", service.port);
	base = own_base;
	status = run_all(arg);
	upstream_stop(&service);
	return status;
}

int main(int argc, char **argv)
{
	int status;

	(void)argc;
	options_read(options, help, argv);
	if (base != NULL && strlen(base) > 200) {
		fputs("remote_calls: the upstream's URL is too long\n", stderr);
		return 2;
	}
	curl_global_init(CURL_GLOBAL_DEFAULT);
	status = weft_run(base != NULL ? run_all : with_own_service, NULL);
	curl_global_cleanup();
	return status;
}
