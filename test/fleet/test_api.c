/* SPDX-License-Identifier: MIT */
/* What a fleet promises that one process can see; in a directory. */
#include "place.h"

#include <weft/ctx.h>
#include <weft/panic.h>
#include <weft/waitgroup.h>

#include <errno.h>
#include <sys/stat.h>

/* A function to be called: what it does, and what became of it. */
typedef struct {
	int err;
	const char *text;
	size_t size;		/* instead: so many bytes */
	bool holds;		/* it waits for gate, or for its context … */
	weft_waitgroup gate;
	weft_waitgroup out;	/* … and then for this */
	uint32_t begun, ended;	/* atomic: how often */
	int cause;		/* of its context, at the end */
	uint64_t token;
	bool held;
} job;

static int run_job(weft_ctx *ctx, void *arg, weft_fleet_run *run)
{
	job *j = arg;
	const char *text;
	size_t size;
	int err = 0;

	weft_atomic_add(&j->begun, 1, acq_rel);
	j->token = weft_fleet_run_token(run);
	if (j->holds)
		err = weft_waitgroup_wait_ctx(&j->gate, ctx);
	weft_waitgroup_wait(&j->out);
	j->cause = weft_ctx_cause(ctx);
	j->held = weft_fleet_run_held(run);
	for (size_t i = 0; i < j->size; i++)
		CHECK_EQ(weft_fleet_run_add(run, &"weft"[i % 4], 1), 0);
	CHECK(weft_fleet_run_data(run, &size) != NULL);
	CHECK_EQ(size, j->size);
	if (j->text != NULL)
		CHECK_EQ(weft_fleet_run_add(run, j->text, strlen(j->text)), 0);
	text = weft_fleet_run_data(run, &size);
	CHECK_EQ(size, j->size + strlen(j->text != NULL ? j->text : ""));
	CHECK(j->text == NULL || strcmp(text + j->size, j->text) == 0);
	weft_atomic_add(&j->ended, 1, acq_rel);
	return err != 0 ? err : j->err;
}

static uint32_t begun(job *j)
{
	return weft_atomic_load(&j->begun, acquire);
}

static weft_fleet_call call_of(job *j)
{
	return (weft_fleet_call){
		.key = weft_key_str("key"), .fn = run_job, .arg = j,
	};
}

static weft_fleet_call cached(job *j, weft_duration keep)
{
	weft_fleet_call c = call_of(j);

	c.mode = WEFT_FLEET_CACHE;
	c.keep = keep;
	return c;
}

/* Ask, and expect this. */
static weft_fleet_info expect(weft_fleet *f, const weft_fleet_call *c, int err,
			      const char *text)
{
	weft_fleet_info info;
	weft_bytes b;

	CHECK_EQ(weft_fleet_do(f, NULL, c, &b, &info), err);
	CHECK_EQ(b.size, strlen(text));
	CHECK(b.size == 0 || strcmp(b.data, text) == 0);
	weft_bytes_release(&b);
	CHECK(b.data == NULL);
	return info;
}

/* ---- opening ---- */

static int try_open(const char *url)
{
	weft_fleet_options o = {.warn = warn};
	weft_fleet *f;
	int err = weft_fleet_open(&f, url, &o);

	CHECK((f == NULL) == (err != 0));
	weft_fleet_close(f);
	return err;
}

TEST(fleet_open_refuses_urls_of_no_engine)
{
	CHECK_EQ(try_open(""), -EINVAL);
	CHECK_EQ(try_open("/tmp"), -EINVAL);
	CHECK_EQ(try_open("ftp://x"), -EINVAL);
	CHECK_EQ(try_open(NULL), -EINVAL);
	CHECK_EQ(try_open("dir:/no/such/folder"), -ENOENT);
}

TEST(fleet_url_is_told_without_its_password)
{
	static const struct {
		const char *url, *told;
	} urls[] = {
		{"redis://h", "redis://h"},
		{"redis://:pw@h:1/2?ns=a", "redis://:***@h:1/2?ns=a"},
		{"rediss://me:p:w@h?ns=a&db=3", "rediss://me:***@h?ns=a&db=3"},
		{"redis://me:p@w/?x@h/1", "redis://me:***@h/1"},
		{"redis://pw@h", "redis://***@h"},
		{"redis://h:1/2?ns=a@b", "redis://h:1/2?ns=a@b"},
		{"redis://me:pw@h?ns=a@b&db=3", "redis://me:***@h?ns=a@b&db=3"},
		{"redis://me:p?w@h?ns=a@b", "redis://me:***@b"},
		{"redis://me@x:p?nspw=w@h", "redis://me@x:***@h"},
		{"redis+unix://me:pw@/s?db=1", "redis+unix://me:***@/s?db=1"},
		{"unix:/tmp/s", "unix:/tmp/s"},
		{"unix::pw@/tmp/s", "unix::***@/tmp/s"},
		{"redis://h?password=pw", "redis://h?password=***"},
		{"redis://h?ns=a&nspw=pw&db", "redis://h?ns=a&nspw=***&db"},
		{"me:pw@h", "me:***@h"},
		{"pw@h", "***@h"},
		{"redis:", "redis:"},
		{"dir:/a:b@c?d=e", "dir:/a:b@c?d=e"},
		{"/a", "/a"},
		{"", ""},
	};
	char told[64], little[8];

	for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
		CHECK_EQ(weft_fleet_url_redact(urls[i].url, told, sizeof told),
			 told);
		CHECK(strcmp(told, urls[i].told) == 0);
		weft_fleet_url_redact(urls[i].url, little, sizeof little);
		CHECK(strncmp(little, urls[i].told, sizeof little - 1) == 0);
		CHECK_LT(strlen(little), sizeof little);
	}
	weft_fleet_url_redact("redis://h", little, 1);
	CHECK_EQ(little[0], 0);
}

TEST(fleet_open_refuses_options_that_make_no_sense)
{
	weft_fleet_options o = {.lease = WEFT_MS(10)};
	weft_fleet *f;

	place_make();
	CHECK_EQ(weft_fleet_open(&f, place, &o), -EINVAL);
	o = (weft_fleet_options){.lease = 24 * 60 * WEFT_MINUTE + 1};
	CHECK_EQ(weft_fleet_open(&f, place, &o), -EINVAL);
	o = (weft_fleet_options){.grace = -1};
	CHECK_EQ(weft_fleet_open(&f, place, &o), -EINVAL);
	o = (weft_fleet_options){.grace = WEFT_FLEET_FOREVER};
	CHECK_EQ(weft_fleet_open(&f, place, &o), -EINVAL);
	o = (weft_fleet_options){.local_most = SIZE_MAX};
	CHECK_EQ(weft_fleet_open(&f, place, &o), -EINVAL);
	CHECK(f == NULL);
	o = (weft_fleet_options){.lease = 24 * 60 * WEFT_MINUTE};
	CHECK_EQ(weft_fleet_open(&f, place, &o), 0);
	weft_fleet_close(f);
}

TEST(fleet_open_refuses_a_directory_that_others_may_enter)
{
	place_make();
	CHECK_EQ(try_open(place), 0);
	CHECK_EQ(chmod(place_path(), 0770), 0);
	CHECK_EQ(try_open(place), -EPERM);
	CHECK_EQ(chmod(place_path(), 0701), 0);
	CHECK_EQ(try_open(place), -EPERM);
}

TEST(fleet_open_refuses_a_directory_of_somebody_else)
{
	place_make();
	if (chown(place_path(), 12345, (gid_t)-1) != 0)
		test_skip("only root can give a directory away");
	CHECK_EQ(try_open(place), -EPERM);
}

TEST(fleet_open_does_not_follow_a_link)
{
	char link[200];

	place_make();
	CHECK_EQ(try_open(place), 0);
	snprintf(link, sizeof link, "%s/link", place);
	CHECK_EQ(symlink(place_path(), link + 4), 0);
	CHECK_EQ(try_open(link), -ENOTDIR);
}

/* ---- one call ---- */

TEST_FLAVOURS(fleet_do_gives_bytes_and_error)
{
	weft_fleet *f = place_open();
	job j = {.text = "hello"};
	weft_fleet_call c = call_of(&j);
	weft_fleet_info info = expect(f, &c, 0, "hello");

	CHECK(info.answered && info.led && !info.shared && !info.kept);
	CHECK(info.token != 0 && info.token == j.token);
	CHECK(j.held);
	j.err = 42;
	j.text = "half";
	info = expect(f, &c, 42, "half");
	CHECK(info.answered && info.led);
	CHECK_LT(info.token, UINT64_C(1) << 53);
	CHECK_EQ(begun(&j), 2);
	weft_fleet_close(f);
}

TEST(fleet_do_needs_neither_bytes_nor_info)
{
	weft_fleet *f = place_open();
	job j = {.text = "x", .err = -EIO};
	weft_fleet_call c = call_of(&j);

	CHECK_EQ(weft_fleet_do(f, NULL, &c, NULL, NULL), -EIO);
	weft_fleet_close(f);
}

TEST(fleet_do_tokens_grow)
{
	weft_fleet *f = place_open();
	job j = {0};
	weft_fleet_call c = call_of(&j);
	uint64_t last = 0;

	for (int i = 0; i < 100; i++) {
		expect(f, &c, 0, "");
		CHECK_LT(last, j.token);
		last = j.token;
	}
	weft_fleet_close(f);
}

/* A call that but for this would be a good one. */
#define REFUSES(f, j, field, value)                                            \
	do {                                                                   \
		weft_fleet_call bad = call_of(j);                              \
		weft_fleet_info info = {.led = true};                          \
		weft_bytes b = {.size = 1};                                    \
                                                                               \
		bad.field = (value);                                           \
		CHECK_EQ(weft_fleet_do(f, NULL, &bad, &b, &info), -EINVAL);    \
		CHECK(b.size == 0 && !info.led);                               \
	} while (0)

TEST(fleet_do_refuses_calls_that_make_no_sense)
{
	static char long_key[(64 << 10) + 1];
	weft_fleet *f = place_open();
	job j = {0};
	weft_fleet_call c = call_of(&j);

	REFUSES(f, &j, fn, NULL);
	REFUSES(f, &j, key, ((weft_key){long_key, sizeof long_key}));
	REFUSES(f, &j, key, ((weft_key){NULL, 1}));
	REFUSES(f, &j, mode, (enum weft_fleet_mode)3);
	REFUSES(f, &j, mode, (enum weft_fleet_mode)-1);
	REFUSES(f, &j, down, (enum weft_fleet_down)2);
	REFUSES(f, &j, down, (enum weft_fleet_down)-1);
	REFUSES(f, &j, arg_size, SIZE_MAX);
	REFUSES(f, &j, keep, -1);
	REFUSES(f, &j, keep_error, -1);
	REFUSES(f, &j, stale, -1);
	REFUSES(f, &j, early, -0.1);
	REFUSES(f, &j, early, __builtin_nan(""));
	REFUSES(f, &j, early, __builtin_inf());
	REFUSES(f, &j, share_for, -1);
	REFUSES(f, &j, lease, WEFT_MS(49));
	REFUSES(f, &j, lease, -WEFT_SECOND);
	REFUSES(f, &j, lease, WEFT_FLEET_FOREVER);
	REFUSES(f, &j, max_run, -1);
	REFUSES(f, &j, max_takeovers, -1);
	CHECK_EQ(begun(&j), 0);
	c.arg = NULL;
	c.arg_size = 1;
	CHECK_EQ(weft_fleet_do(f, NULL, &c, NULL, NULL), -EINVAL);
	weft_fleet_close(f);
}

TEST(fleet_do_takes_what_is_at_the_edge_of_sense)
{
	static char long_key[64 << 10];
	weft_fleet *f = place_open();
	job j = {0};
	weft_fleet_call c = call_of(&j);

	c.key = (weft_key){long_key, sizeof long_key};
	expect(f, &c, 0, "");
	c.key.size--;
	expect(f, &c, 0, "");
	c.lease = WEFT_MS(50);
	expect(f, &c, 0, "");
	c.lease = 24 * 60 * WEFT_MINUTE;
	c.max_run = c.share_for = WEFT_FLEET_FOREVER;
	c.mode = WEFT_FLEET_CACHE;
	c.keep = c.keep_error = c.stale = WEFT_FLEET_FOREVER;
	c.max_takeovers = INT32_MAX;
	c.early = 1e300;
	expect(f, &c, 0, "");
	CHECK_EQ(begun(&j), 4);
	weft_fleet_close(f);
}

TEST(fleet_functions_refuse_keys_that_make_no_sense)
{
	static char long_key[(64 << 10) + 1];
	weft_fleet *f = place_open();
	weft_key keys[] = {{long_key, sizeof long_key}, {NULL, 1}};
	weft_fleet_entry e;
	weft_fleet_gate g;
	weft_bytes b;

	for (int i = 0; i < 2; i++) {
		CHECK_EQ(weft_fleet_wait(f, NULL, keys[i], &b, NULL), -EINVAL);
		CHECK_EQ(weft_fleet_forget(f, NULL, keys[i]), -EINVAL);
		CHECK_EQ(weft_fleet_show(f, NULL, keys[i], &e), -EINVAL);
		CHECK_EQ(weft_fleet_gate_init(&g, f, keys[i]), -EINVAL);
	}
	CHECK_EQ(weft_fleet_list(f, NULL, NULL, NULL), -EINVAL);
	CHECK_EQ(weft_fleet_doctor(f, NULL, NULL, NULL), -EINVAL);
	weft_fleet_close(f);
}

TEST(fleet_do_takes_any_key)
{
	weft_fleet *f = place_open();
	job j = {0};
	weft_fleet_call c = cached(&j, WEFT_MINUTE);
	weft_key keys[] = {
		{"", 0}, {"\0", 1}, {"\0\0", 2}, {"../../x", 7},
		weft_key_u64(7), weft_key_u64(8),
	};

	for (int round = 0; round < 2; round++)
		for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
			c.key = keys[i];
			expect(f, &c, 0, "");
		}
	CHECK_EQ(begun(&j), sizeof keys / sizeof *keys);
	weft_fleet_close(f);
}

static int see_copy(weft_ctx *ctx, void *arg, weft_fleet_run *run)
{
	(void)ctx;
	return weft_fleet_run_add(run, arg, strlen(arg));
}

TEST(fleet_do_copies_the_argument_where_it_is_asked_to)
{
	weft_fleet *f = place_open();
	weft_fleet_call c = {
		.key = weft_key_str("k"), .fn = see_copy,
		.arg = "a copy", .arg_size = 7,
	};

	expect(f, &c, 0, "a copy");
	weft_fleet_close(f);
}

/* ---- many callers ---- */

typedef struct {
	weft_fleet *fleet;
	weft_ctx *ctx;
	weft_fleet_call call;
	int err;
	weft_fleet_info info;
	size_t size;
	bool ended;
} caller;

static void ask(void *arg)
{
	caller *c = arg;
	weft_bytes b;

	c->err = weft_fleet_do(c->fleet, c->ctx, &c->call, &b, &c->info);
	c->size = b.size;
	weft_bytes_release(&b);
	weft_atomic_store(&c->ended, true, release);
}

enum { CROWD = 12 };

static uint64_t merged(weft_fleet *f)
{
	weft_fleet_counters n;

	weft_fleet_count(f, &n);
	return n.merged;
}

static uint64_t asked(weft_fleet *f)
{
	weft_fleet_counters n;

	weft_fleet_count(f, &n);
	return n.asked;
}

TEST_FLAVOURS(fleet_do_merges_the_callers_of_a_process)
{
	weft_fleet *f = place_open();
	job j = {.text = "shared", .holds = true};
	caller callers[CROWD];
	weft_fleet_counters n;
	int leaders = 0;

	weft_waitgroup_add(&j.gate, 1);
	for (int i = 0; i < CROWD; i++) {
		callers[i] = (caller){.fleet = f, .call = call_of(&j)};
		test_start(ask, &callers[i]);
	}
	test_until(begun(&j) == 1 && merged(f) == CROWD - 1);
	weft_waitgroup_done(&j.gate);
	test_join_all();
	for (int i = 0; i < CROWD; i++) {
		CHECK_EQ(callers[i].err, 0);
		CHECK_EQ(callers[i].size, 6);
		CHECK(callers[i].info.shared);
		CHECK_EQ(callers[i].info.token, j.token);
		leaders += callers[i].info.led;
	}
	CHECK_EQ(leaders, 1);
	CHECK_EQ(begun(&j), 1);
	weft_fleet_count(f, &n);
	CHECK_EQ(n.asked, CROWD);
	CHECK_EQ(n.led, 1);
	CHECK_EQ(n.running, 0);
	CHECK_LE(n.commands, 2);	/* one question, one result */
	weft_fleet_close(f);
}

TEST(fleet_do_lets_callers_leave_and_cancels_when_the_last_has_left)
{
	weft_fleet *f = place_open();
	job j = {.text = "late", .holds = true}, next = {.text = "new"};
	weft_ctx first, second;
	caller a = {.fleet = f, .ctx = &first, .call = call_of(&j)};
	caller b = {.fleet = f, .ctx = &second, .call = call_of(&j)};
	caller c = {.fleet = f, .call = call_of(&next)};

	weft_ctx_init(&first, NULL);
	weft_ctx_init(&second, NULL);
	weft_waitgroup_add(&j.gate, 1);
	test_start(ask, &a);
	test_until(begun(&j) == 1);
	test_start(ask, &b);
	test_until(merged(f) == 1);
	weft_ctx_cancel(&first, 0);
	test_until(weft_atomic_load(&a.ended, acquire));
	CHECK_EQ(a.err, -ECANCELED);
	CHECK(!a.info.answered);
	CHECK_EQ(weft_atomic_load(&j.ended, acquire), 0);
	weft_waitgroup_add(&j.out, 1);
	weft_ctx_cancel(&second, 0);
	test_until(weft_atomic_load(&b.ended, acquire));
	/* Neither is it given the rest of the dying run, nor does it overlap. */
	test_start(ask, &c);
	test_until(merged(f) == 1 && asked(f) == 3);
	CHECK_EQ(begun(&next), 0);
	weft_waitgroup_done(&j.out);
	test_join_all();
	CHECK_EQ(weft_atomic_load(&j.ended, acquire), 1);
	CHECK_EQ(j.cause, -ECANCELED);
	CHECK_EQ(c.err, 0);
	CHECK(c.info.led);
	CHECK_EQ(b.err, -ECANCELED);
	weft_fleet_close(f);
	weft_ctx_fini(&first);
	weft_ctx_fini(&second);
}

TEST(fleet_do_with_a_done_context_asks_nobody)
{
	weft_fleet *f = place_open();
	job j = {0};
	weft_fleet_call c = call_of(&j);
	weft_ctx ctx;

	weft_ctx_init_timeout(&ctx, NULL, 0);
	CHECK_EQ(weft_fleet_do(f, &ctx, &c, NULL, NULL), -ETIMEDOUT);
	CHECK_EQ(begun(&j), 0);
	weft_ctx_fini(&ctx);
	weft_fleet_close(f);
}

static int ask_itself(weft_ctx *ctx, void *arg, weft_fleet_run *run)
{
	weft_fleet *f = arg;
	weft_fleet_call c = {.key = weft_key_str("self"), .fn = ask_itself,
			     .arg = f};

	(void)run;
	return weft_fleet_do(f, ctx, &c, NULL, NULL);
}

TEST(fleet_do_in_its_own_function_is_a_deadlock)
{
	weft_fleet *f = place_open();
	weft_fleet_call c = {.key = weft_key_str("self"), .fn = ask_itself,
			     .arg = f};

	CHECK_EQ(weft_fleet_do(f, NULL, &c, NULL, NULL), -EDEADLK);
	weft_fleet_close(f);
}

/* ---- endings ---- */

static int panic_now(weft_ctx *ctx, void *arg, weft_fleet_run *run)
{
	(void)ctx;
	(void)run;
	if (arg != NULL)
		weft_panic_value(arg);
	weft_panic("no %s today", "milk");
}

static int exit_now(weft_ctx *ctx, void *arg, weft_fleet_run *run)
{
	(void)ctx;
	(void)arg;
	(void)run;
	weft_exit();
}

TEST_FLAVOURS(fleet_do_panics_as_the_function_does)
{
	weft_fleet *f = place_open();
	caller c = {.fleet = f, .call = {.key = weft_key_str("k"), .fn = panic_now}};
	job j = {.text = "fine"};
	weft_fleet_call again = call_of(&j);
	weft_panic_info info;
	int value;

	CHECK_EQ(weft_try(ask, &c, &info), WEFT_PANICKED);
	CHECK(strcmp(info.message, "no milk today") == 0);
	c.call.arg = &value;
	CHECK_EQ(weft_try(ask, &c, &info), WEFT_PANICKED);
	CHECK(info.value == &value);
	c.call.fn = exit_now;
	CHECK_EQ(weft_try(ask, &c, &info), WEFT_EXITED);
	again.key = weft_key_str("k");
	expect(f, &again, 0, "fine");
	weft_fleet_close(f);
}

TEST(fleet_run_add_refuses_what_is_too_large)
{
	place_choose();
	weft_fleet *f = place_open_with((weft_fleet_options){.max_bytes = 8});
	weft_fleet_call c = {.key = weft_key_str("k"), .fn = see_copy,
			     .arg = "12345678"};

	expect(f, &c, 0, "12345678");
	c.arg = "123456789";
	expect(f, &c, -EFBIG, "");
	weft_fleet_close(f);
}

TEST(fleet_do_refuses_results_that_are_too_large_for_this_process)
{
	job j = {.size = 5000};
	weft_fleet_call c = cached(&j, WEFT_MINUTE);
	weft_fleet *f = place_open(), *g;

	c.stale = WEFT_MINUTE;
	CHECK_EQ(weft_fleet_do(f, NULL, &c, NULL, NULL), 0);
	g = place_open_with((weft_fleet_options){.max_bytes = 4999});
	CHECK_EQ(weft_fleet_do(g, NULL, &c, NULL, NULL), -EFBIG);
	weft_fleet_close(g);
	g = place_open_with((weft_fleet_options){.max_bytes = 5000});
	CHECK_EQ(weft_fleet_do(g, NULL, &c, NULL, NULL), 0);
	CHECK_EQ(begun(&j), 1);
	weft_fleet_close(g);
	weft_fleet_close(f);
}

TEST(fleet_do_carries_large_results)
{
	static const size_t sizes[] = {1, 3000, 3500, 4096, 1 << 20};
	weft_fleet *f = place_open();

	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		job j = {.size = sizes[i]};
		weft_fleet_call c = cached(&j, WEFT_MINUTE);
		weft_bytes b;

		c.key = weft_key_u64(i);
		for (int round = 0; round < 2; round++) {
			CHECK_EQ(weft_fleet_do(f, NULL, &c, &b, NULL), 0);
			CHECK_EQ(b.size, sizes[i]);
			for (size_t k = 0; k < b.size; k++)
				CHECK(((const char *)b.data)[k] == "weft"[k % 4]);
			weft_bytes_release(&b);
		}
		CHECK_EQ(begun(&j), 1);
	}
	weft_fleet_close(f);
}

TEST(fleet_do_ends_a_run_that_takes_too_long)
{
	weft_fleet *f = place_open();
	job j = {.holds = true};
	weft_fleet_call c = call_of(&j);

	weft_waitgroup_add(&j.gate, 1);
	c.max_run = WEFT_MS(20);
	expect(f, &c, -ETIMEDOUT, "");
	CHECK_EQ(j.cause, -ETIMEDOUT);
	weft_fleet_close(f);
}

TEST(fleet_do_holds_its_lease_longer_than_its_length)
{
	place_choose();
	weft_fleet *f = place_open_with((weft_fleet_options){.lease = WEFT_MS(200)});
	job j = {.holds = true, .text = "slow"};
	caller c = {.fleet = f, .call = call_of(&j)};
	weft_fleet_counters n;

	weft_waitgroup_add(&j.gate, 1);
	test_start(ask, &c);
	test_until(begun(&j) == 1);
	weft_sleep(NULL, WEFT_MS(600));
	weft_waitgroup_done(&j.gate);
	test_join_all();
	CHECK_EQ(c.err, 0);
	CHECK(j.held && !c.info.unstored);
	weft_fleet_count(f, &n);
	CHECK_EQ(n.lost, 0);
	CHECK_LE(5, n.commands);	/* renewals */
	weft_fleet_close(f);
}

/* ---- keeping ---- */

TEST_FLAVOURS(fleet_cache_keeps_a_value)
{
	weft_fleet *f = place_open();
	job j = {.text = "kept"};
	weft_fleet_call c = cached(&j, WEFT_MINUTE);
	weft_fleet_info info;
	weft_fleet_counters n;

	CHECK(!expect(f, &c, 0, "kept").kept);
	info = expect(f, &c, 0, "kept");
	CHECK(info.kept && info.shared && !info.led && !info.stale);
	CHECK_EQ(info.token, j.token);
	CHECK_EQ(begun(&j), 1);
	weft_fleet_count(f, &n);
	CHECK_EQ(n.kept, 1);
	weft_fleet_close(f);
	f = place_open();
	CHECK(expect(f, &c, 0, "kept").kept);
	weft_fleet_close(f);
}

TEST(fleet_cache_keeps_a_value_no_longer_than_that)
{
	weft_fleet *f = place_open();
	job j = {.text = "kept"};
	weft_fleet_call c = cached(&j, WEFT_MS(30));

	expect(f, &c, 0, "kept");
	weft_sleep(NULL, WEFT_MS(31));
	CHECK(!expect(f, &c, 0, "kept").kept);
	CHECK_EQ(begun(&j), 2);
	weft_fleet_close(f);
}

TEST(fleet_cache_keeps_errors_for_a_time_of_their_own)
{
	weft_fleet *f = place_open();
	job j = {.err = 7, .text = "why"};
	weft_fleet_call c = cached(&j, WEFT_MINUTE);

	CHECK(!expect(f, &c, 7, "why").kept);
	CHECK(!expect(f, &c, 7, "why").kept);
	CHECK_EQ(begun(&j), 2);
	c.keep_error = WEFT_MINUTE;
	CHECK(!expect(f, &c, 7, "why").kept);
	CHECK(expect(f, &c, 7, "why").kept);
	CHECK_EQ(begun(&j), 3);
	weft_fleet_close(f);
}

TEST(fleet_cache_gives_the_stale_value_while_one_refreshes)
{
	weft_fleet *f = place_open();
	job old = {.text = "old"};
	job new = {.text = "new", .holds = true};
	weft_fleet_call c = cached(&old, WEFT_MS(10));
	weft_fleet_info info;

	c.stale = WEFT_MINUTE;
	expect(f, &c, 0, "old");
	weft_sleep(NULL, WEFT_MS(11));
	weft_waitgroup_add(&new.gate, 1);
	c.arg = &new;
	for (int i = 0; i < 10; i++) {
		info = expect(f, &c, 0, "old");
		CHECK(info.kept && info.stale);
	}
	test_until(begun(&new) == 1);
	weft_waitgroup_done(&new.gate);
	c.keep = WEFT_MINUTE;
	do
		info = (weft_fleet_info){0};
	while (weft_fleet_do(f, NULL, &c, NULL, &info) == 0 && info.stale);
	CHECK_EQ(begun(&new), 1);
	CHECK_EQ(info.token, new.token);
	weft_fleet_close(f);
}

TEST(fleet_cache_keeps_the_stale_value_when_its_refresh_fails)
{
	weft_fleet *f = place_open();
	job old = {.text = "old"}, bad = {.err = 5};
	weft_fleet_call c = cached(&old, WEFT_MS(1));

	c.stale = WEFT_MINUTE;
	expect(f, &c, 0, "old");
	weft_sleep(NULL, WEFT_MS(2));
	c.arg = &bad;
	do
		CHECK(expect(f, &c, 0, "old").stale);
	while (weft_atomic_load(&bad.ended, acquire) < 3);
	weft_fleet_close(f);
}

TEST(fleet_cache_refreshes_early_where_it_is_asked_to)
{
	weft_fleet *f = place_open();
	job j = {.text = "v"};
	weft_fleet_call c = cached(&j, WEFT_MINUTE);

	expect(f, &c, 0, "v");
	for (int i = 0; i < 20; i++)
		expect(f, &c, 0, "v");
	CHECK_EQ(begun(&j), 1);
	c.early = 1e12;
	CHECK(expect(f, &c, 0, "v").kept);
	test_until(begun(&j) >= 2);
	weft_fleet_close(f);
}

TEST(fleet_call_is_shared_for_a_while_where_it_is_asked_to)
{
	weft_fleet *f = place_open();
	job j = {.text = "v"};
	weft_fleet_call c = call_of(&j);

	expect(f, &c, 0, "v");
	CHECK(!expect(f, &c, 0, "v").kept);
	c.share_for = WEFT_MINUTE;
	CHECK(expect(f, &c, 0, "v").kept);
	c.share_for = WEFT_FLEET_FOREVER;
	CHECK(expect(f, &c, 0, "v").kept);
	CHECK_EQ(begun(&j), 2);
	weft_fleet_close(f);
}

TEST(fleet_call_is_shared_for_ever_where_it_is_asked_to)
{
	weft_fleet *f = place_open();
	job j = {.text = "v"};
	weft_fleet_call c = call_of(&j);

	c.share_for = WEFT_FLEET_FOREVER;
	expect(f, &c, 0, "v");
	CHECK(expect(f, &c, 0, "v").kept);
	CHECK_EQ(begun(&j), 1);
	weft_fleet_close(f);
}

TEST(fleet_once_runs_once_ever)
{
	weft_fleet *f = place_open();
	job j = {.err = 3, .text = "not yet"};
	weft_fleet_call c = call_of(&j);

	c.mode = WEFT_FLEET_ONCE;
	expect(f, &c, 3, "not yet");
	j.err = 0;
	j.text = "done";
	expect(f, &c, 0, "done");
	for (int i = 0; i < 3; i++) {
		weft_fleet_close(f);
		f = place_open();
		CHECK(expect(f, &c, 0, "done").kept);
	}
	CHECK_EQ(begun(&j), 2);
	weft_fleet_close(f);
}

/* ---- forgetting ---- */

TEST(fleet_forget_throws_away_what_is_kept)
{
	weft_fleet *f = place_open();
	job j = {.text = "v"}, big = {.size = 10000};
	weft_fleet_call c = cached(&j, WEFT_MINUTE);

	CHECK_EQ(weft_fleet_forget(f, NULL, c.key), 0);
	expect(f, &c, 0, "v");
	CHECK_EQ(weft_fleet_forget(f, NULL, c.key), 0);
	CHECK(!expect(f, &c, 0, "v").kept);
	c.arg = &big;
	CHECK_EQ(weft_fleet_forget(f, NULL, c.key), 0);
	for (int i = 0; i < 2; i++) {
		CHECK_EQ(weft_fleet_do(f, NULL, &c, NULL, NULL), 0);
		CHECK_EQ(weft_fleet_forget(f, NULL, c.key), 0);
	}
	CHECK_EQ(begun(&big), 2);
	weft_fleet_close(f);
}

TEST(fleet_forget_voids_the_run_in_progress)
{
	weft_fleet *f = place_open();
	job old = {.text = "old", .holds = true}, new = {.text = "new"};
	caller a = {.fleet = f, .call = cached(&old, WEFT_MINUTE)};
	weft_fleet_call c = cached(&new, WEFT_MINUTE);

	weft_waitgroup_add(&old.gate, 1);
	test_start(ask, &a);
	test_until(begun(&old) == 1);
	CHECK_EQ(weft_fleet_forget(f, NULL, c.key), 0);
	CHECK(expect(f, &c, 0, "new").led);
	weft_waitgroup_done(&old.gate);
	test_join_all();
	CHECK_EQ(a.err, 0);
	CHECK_EQ(a.size, 3);
	CHECK(a.info.unstored);
	CHECK_LT(old.token, new.token);
	CHECK(expect(f, &c, 0, "new").kept);
	weft_fleet_close(f);
}

TEST(fleet_runs_that_are_forgotten_one_after_another_go_on)
{
	enum { MANY = 3 };
	weft_fleet *f[MANY], *other = place_open();
	job j[MANY] = {{.text = "own", .holds = true},
		       {.text = "own", .holds = true},
		       {.text = "own", .holds = true}};
	caller c[MANY];

	for (int i = 0; i < MANY; i++) {
		f[i] = place_open();
		c[i] = (caller){.fleet = f[i], .call = call_of(&j[i])};
		weft_waitgroup_add(&j[i].gate, 1);
		test_start(ask, &c[i]);
		test_until(begun(&j[i]) == 1);
		CHECK_EQ(weft_fleet_forget(other, NULL, c[i].call.key), 0);
	}
	for (int i = 0; i < MANY; i++)
		weft_waitgroup_done(&j[i].gate);
	test_join_all();
	for (int i = 0; i < MANY; i++) {
		CHECK_EQ(c[i].err, 0);
		CHECK(c[i].info.led && c[i].info.unstored);
		CHECK_EQ(begun(&j[i]), 1);
		CHECK_EQ(j[i].cause, 0);
		weft_fleet_close(f[i]);
	}
	weft_fleet_close(other);
}

/* ---- fingerprints ---- */

TEST(fleet_do_refuses_another_fingerprint)
{
	weft_fleet *f = place_open();
	job j = {.text = "v"}, held = {.holds = true};
	weft_fleet_call c = cached(&j, WEFT_MINUTE);
	caller a = {.fleet = f, .call = call_of(&held)};

	c.fingerprint = 1;
	expect(f, &c, 0, "v");
	CHECK(expect(f, &c, 0, "v").kept);
	c.fingerprint = 2;
	CHECK(!expect(f, &c, -EBADMSG, "").answered);
	c.fingerprint = 0;
	CHECK(expect(f, &c, 0, "v").kept);

	c.key = weft_key_str("old");
	c.keep = 1;
	c.stale = WEFT_MINUTE;
	c.fingerprint = 1;
	expect(f, &c, 0, "v");
	weft_sleep(NULL, WEFT_MS(5));
	c.fingerprint = 2;
	expect(f, &c, -EBADMSG, "");
	c.mode = WEFT_FLEET_CALL;
	expect(f, &c, -EBADMSG, "");

	a.call.key = c.key = weft_key_str("other");
	a.call.fingerprint = 1;
	c.fingerprint = 2;
	weft_waitgroup_add(&held.gate, 1);
	test_start(ask, &a);
	test_until(begun(&held) == 1);
	caller b = {.fleet = f, .call = c};
	test_start(ask, &b);
	test_until(merged(f) == 1);
	weft_waitgroup_done(&held.gate);
	test_join_all();
	CHECK_EQ(a.err, 0);
	CHECK_EQ(b.err, -EBADMSG);
	weft_fleet_close(f);
}

/* ---- looking ---- */

static bool count_keys(void *arg, const weft_fleet_entry *e)
{
	CHECK_EQ(e->key_size, 3);
	++*(int *)arg;
	return true;
}

static bool stop_at_once(void *arg, const weft_fleet_entry *e)
{
	(void)e;
	++*(int *)arg;
	return false;
}

TEST(fleet_list_and_show_tell_what_is_there)
{
	weft_fleet *f = place_open();
	job j = {.text = "v"}, held = {.holds = true};
	weft_fleet_call c = cached(&j, WEFT_MINUTE);
	caller a = {.fleet = f, .call = call_of(&held)};
	weft_fleet_entry e;
	int n = 0;

	CHECK_EQ(weft_fleet_show(f, NULL, c.key, &e), -ENOENT);
	expect(f, &c, 0, "v");
	CHECK_EQ(weft_fleet_show(f, NULL, c.key, &e), 0);
	CHECK_EQ(e.state, WEFT_FLEET_KEPT);
	CHECK(e.key_size == 3 && memcmp(e.key, "key", 3) == 0);
	CHECK(e.token == j.token && e.size == 1 && e.err == 0);
	CHECK_LT(0, e.left);
	CHECK_LE(e.left, WEFT_MINUTE);

	a.call.key = weft_key_str("run");
	weft_waitgroup_add(&held.gate, 1);
	test_start(ask, &a);
	test_until(begun(&held) == 1);
	CHECK_EQ(weft_fleet_show(f, NULL, a.call.key, &e), 0);
	CHECK_EQ(e.state, WEFT_FLEET_RUNNING);
	CHECK_EQ(e.pid, getpid());
	CHECK_LT(0, e.left);
	CHECK_EQ(weft_fleet_list(f, NULL, count_keys, &n), 0);
	CHECK_EQ(n, 2);
	CHECK_EQ(weft_fleet_list(f, NULL, stop_at_once, &n), 0);
	CHECK_EQ(n, 3);
	weft_waitgroup_done(&held.gate);
	test_join_all();
	CHECK_EQ(weft_fleet_show(f, NULL, a.call.key, &e), 0);
	CHECK_EQ(e.state, WEFT_FLEET_IDLE);
	CHECK_EQ(weft_fleet_forget(f, NULL, c.key), 0);
	CHECK_EQ(weft_fleet_show(f, NULL, c.key, &e), 0);
	CHECK_EQ(e.state, WEFT_FLEET_IDLE);
	weft_fleet_close(f);
}

static void wait_for_key(void *arg)
{
	caller *c = arg;
	weft_bytes b;

	c->err = weft_fleet_wait(c->fleet, c->ctx, c->call.key, &b, &c->info);
	c->size = b.size;
	weft_bytes_release(&b);
}

/* What options.waits was told. */
typedef struct {
	uint32_t times;		/* atomic */
	uint64_t token;
	bool key_fits;
} told;

static void note_wait(void *arg, weft_key key, uint64_t token)
{
	told *t = arg;

	t->key_fits = key.size == 3 && memcmp(key.data, "key", 3) == 0;
	t->token = token;
	weft_atomic_add(&t->times, 1, acq_rel);
}

TEST(fleet_wait_starts_nothing)
{
	told t = {0};
	weft_fleet *f;
	job j = {.holds = true, .text = "soon"};
	caller a = {.call = call_of(&j)}, w;

	place_choose();
	f = place_open_with((weft_fleet_options){.waits = note_wait,
						 .waits_arg = &t});
	a.fleet = f;
	w = a;
	wait_for_key(&w);
	CHECK_EQ(w.err, -ENOENT);
	weft_waitgroup_add(&j.gate, 1);
	test_start(ask, &a);
	test_until(begun(&j) == 1);
	test_start(wait_for_key, &w);
	test_until(weft_atomic_load(&t.times, acquire) == 1);
	weft_waitgroup_done(&j.gate);
	test_join_all();
	CHECK_EQ(w.err, 0);
	CHECK_EQ(w.size, 4);
	CHECK(w.info.shared && !w.info.led);
	wait_for_key(&w);
	CHECK_EQ(w.err, -ENOENT);	/* a call's result is not kept */
	weft_fleet_close(f);
}

TEST(fleet_tells_of_what_its_callers_wait_for)
{
	weft_fleet *f = place_open(), *g;
	told t = {0};
	job j = {.holds = true, .text = "soon"};
	caller a = {.fleet = f, .call = call_of(&j)}, b, w;

	g = place_open_with((weft_fleet_options){.waits = note_wait,
						 .waits_arg = &t});
	b = w = (caller){.fleet = g, .call = a.call};
	weft_waitgroup_add(&j.gate, 1);
	test_start(ask, &a);
	test_until(begun(&j) == 1);
	test_start(ask, &b);
	test_until(weft_atomic_load(&t.times, acquire) == 1);
	CHECK_EQ(t.token, j.token);
	CHECK(t.key_fits);
	t.token = 0;
	test_start(wait_for_key, &w);
	test_until(weft_atomic_load(&t.times, acquire) == 2);
	CHECK_EQ(t.token, j.token);
	weft_waitgroup_done(&j.gate);
	test_join_all();
	CHECK_EQ(b.info.token, j.token);
	CHECK_EQ(t.times, 2);
	weft_fleet_close(g);
	weft_fleet_close(f);
}

static void cancel_run_in_progress(bool cancels_any)
{
	weft_fleet *f = place_open(), *g;
	told t = {0};
	job j = {.holds = true, .text = "half"};
	caller a = {.fleet = f, .call = call_of(&j)}, b;

	g = place_open_with((weft_fleet_options){.waits = note_wait,
						 .waits_arg = &t});
	CHECK_EQ(weft_fleet_cancel(g, NULL, a.call.key, 0), -ENOENT);
	weft_waitgroup_add(&j.gate, 1);
	a.call.lease = WEFT_MS(400);
	b = (caller){.fleet = g, .call = a.call};
	test_start(ask, &a);
	test_until(begun(&j) == 1);
	test_start(ask, &b);
	test_until(weft_atomic_load(&t.times, acquire) == 1);
	CHECK_EQ(weft_fleet_cancel(g, NULL, a.call.key, j.token + 1), -ENOENT);
	CHECK_EQ(weft_fleet_cancel(g, NULL, a.call.key, j.token - 1), -ENOENT);
	CHECK_EQ(weft_fleet_cancel(g, NULL, a.call.key, cancels_any ? 0 : j.token), 0);
	test_join_all();
	CHECK_EQ(j.cause, -EINTR);
	CHECK(j.held);
	CHECK_EQ(a.err, -ECANCELED);
	CHECK_EQ(b.err, -ECANCELED);
	CHECK(a.info.answered && b.info.answered && !b.info.led);
	CHECK_EQ(b.size, 4);
	CHECK_EQ(begun(&j), 1);
	CHECK_EQ(weft_fleet_cancel(g, NULL, a.call.key, 0), -ENOENT);
	weft_waitgroup_done(&j.gate);
	weft_fleet_close(g);
	weft_fleet_close(f);
}

TEST(fleet_cancel_ends_the_run_in_progress_and_all_are_given_its_end)
{
	cancel_run_in_progress(true);
}

TEST(fleet_cancel_ends_the_run_that_is_meant_and_no_other)
{
	cancel_run_in_progress(false);
}

static void note_fact(void *arg, enum weft_fleet_verdict verdict, const char *what,
		      const char *found)
{
	int *facts = arg;

	CHECK_NE(verdict, WEFT_FLEET_BROKEN);
	CHECK(what[0] != '\0' && found[0] != '\0');
	++*facts;
}

TEST(fleet_doctor_finds_a_good_place_good)
{
	weft_fleet *f = place_open();
	int facts = 0;

	CHECK_EQ(weft_fleet_doctor(f, NULL, note_fact, &facts), 0);
	CHECK_LE(4, facts);
	weft_fleet_close(f);
}

/* ---- a place that is not there any more ---- */

TEST(fleet_do_without_its_place_fails_or_runs_alone)
{
	weft_fleet *f = place_open();
	job j = {.text = "alone"};
	weft_fleet_call c = cached(&j, WEFT_MINUTE);
	weft_fleet_info info;
	weft_fleet_counters n;

	if (strncmp(place, "dir:", 4) != 0)
		test_skip("only in directories");
	place_remove();
	CHECK(!expect(f, &c, -EHOSTDOWN, "").answered);
	c.down = WEFT_FLEET_DOWN_RUN;
	info = expect(f, &c, 0, "alone");
	CHECK(info.answered && info.alone && info.unstored && info.token == 0);
	CHECK(j.held);
	c.mode = WEFT_FLEET_ONCE;
	expect(f, &c, -EHOSTDOWN, "");
	c = call_of(&j);
	c.down = WEFT_FLEET_DOWN_RUN;
	c.at_most_once = true;
	expect(f, &c, -EHOSTDOWN, "");
	CHECK_EQ(begun(&j), 1);
	weft_fleet_count(f, &n);
	CHECK_EQ(n.alone, 1);
	CHECK_LE(1, n.down);
	weft_fleet_close(f);
}

TEST(fleet_close_cancels_refreshes)
{
	weft_fleet *f = place_open();
	job old = {.text = "old"}, endless = {.holds = true};
	weft_fleet_call c = cached(&old, WEFT_MS(1));

	c.stale = WEFT_MINUTE;
	expect(f, &c, 0, "old");
	weft_sleep(NULL, WEFT_MS(2));
	weft_waitgroup_add(&endless.gate, 1);
	c.arg = &endless;
	expect(f, &c, 0, "old");
	test_until(begun(&endless) == 1);
	weft_fleet_close(f);
	CHECK_EQ(endless.cause, -ECANCELED);
}

static void ask_in_child(void *arg)
{
	caller *c = arg;

	CHECK_EQ(weft_fleet_do(c->fleet, NULL, &c->call, NULL, NULL), -ECHILD);
	CHECK_EQ(weft_fleet_forget(c->fleet, NULL, c->call.key), -ECHILD);
	weft_fleet_close(c->fleet);
}

TEST(fleet_of_the_parent_is_refused_in_the_child_of_a_fork)
{
	weft_fleet *f = place_open();
	job j = {0};
	caller c = {.fleet = f, .call = call_of(&j)};

	CHECK_EQ(process_join(process_start(ask_in_child, &c)), 0);
	expect(f, &c.call, 0, "");
	weft_fleet_close(f);
}

TEST_TRAP(fleet_close_panics_while_callers_wait, "fleet: closed while callers wait")
{
	weft_fleet *f = place_open();
	job j = {.holds = true};
	caller c = {.fleet = f, .call = call_of(&j)};

	weft_waitgroup_add(&j.gate, 1);
	test_start(ask, &c);
	test_until(begun(&j) == 1);
	place_remove();	/* nobody else will */
	weft_fleet_close(f);
}
