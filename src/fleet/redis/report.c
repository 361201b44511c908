/* SPDX-License-Identifier: MIT */
/* What there is on the server, and whether it keeps what a fleet promises. */
#include "fleet/redis/redis.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- one key ---- */

enum { RECORD, HEAD, BYTES, WAITERS, CLOCK, QUESTIONS };

static void ask_one(weft__redis_words w[QUESTIONS], const weft__redis *e,
		    const char *hex)
{
	static const char *const commands[] = {
		[RECORD] = "HGETALL", [HEAD] = "GETRANGE", [BYTES] = "STRLEN",
		[WAITERS] = "ZCARD",  [CLOCK] = "TIME",
	};
	static const char kinds[] = "MRRW";

	for (int i = 0; i < QUESTIONS; i++) {
		weft__redis_text(&w[i], commands[i]);
		if (i != CLOCK)
			weft__redis_key(&w[i], e, kinds[i], hex, NULL);
	}
	weft__redis_number(&w[HEAD], 0);
	weft__redis_number(&w[HEAD], WEFT__REDIS_HEAD - 1);
}

static const redisReply *field(const redisReply *record, const char *name)
{
	for (size_t i = 0; i + 1 < record->elements; i += 2)
		if (strcmp(record->element[i]->str, name) == 0)
			return record->element[i + 1];
	return NULL;
}

static int64_t number(const redisReply *record, const char *name)
{
	const redisReply *f = field(record, name);

	return f != NULL ? strtoll(f->str, NULL, 10) : 0;
}

static void read_who(const redisReply *record, weft_fleet_entry *entry)
{
	const redisReply *who = field(record, "who");
	const char *blank = who ? strchr(who->str, ' ') : NULL;

	if (blank == NULL)
		return;
	snprintf(entry->host, sizeof entry->host, "%.*s",
		 (int)(blank - who->str), who->str);
	entry->pid = strtoll(blank, NULL, 10);
}

/* Only of this machine, and this name space of processes, anything is known. */
static bool is_dead(const weft__redis *e, const redisReply *record)
{
	const redisReply *who = field(record, "who");
	long long pid, start;
	unsigned long long space;
	char boot[33];

	return who != NULL &&
	       sscanf(who->str, "%*s %lld %lld %llu %32s", &pid, &start, &space,
		      boot) == 4 &&
	       strcmp(boot, e->lookout.boot) == 0 &&
	       weft__fleet_is_gone(&e->lookout.self, pid, start, space);
}

static void read_record(const weft__redis *e, const redisReply *record,
			int64_t now_ms, weft_fleet_entry *entry)
{
	const redisReply *key = field(record, "k"), *state = field(record, "s");
	size_t shown = key ? key->len : 0;

	if (shown > sizeof entry->key)
		shown = sizeof entry->key;
	if (key != NULL)
		memcpy(entry->key, key->str, shown);
	entry->key_size = (size_t)number(record, "ks");
	entry->token = (uint64_t)number(record, "e");
	entry->takeovers = (int)number(record, "n");
	entry->age = WEFT_MS(now_ms - number(record, "at"));
	entry->left = WEFT_MS(number(record, "u") - now_ms);
	entry->state = WEFT_FLEET_IDLE;
	if (state != NULL && strcmp(state->str, "run") == 0) {
		entry->state = WEFT_FLEET_RUNNING;
		entry->dead = is_dead(e, record);
	}
	if (state != NULL && strcmp(state->str, "lost") == 0)
		entry->state = WEFT_FLEET_LOST;
	read_who(record, entry);
}

static void read_kept(const weft__fleet_result *r, size_t bytes,
		      weft_duration left, weft_fleet_entry *entry)
{
	entry->state = WEFT_FLEET_KEPT;
	entry->token = r->epoch;
	entry->takeovers = r->takeovers;
	entry->age = r->age;
	entry->took = r->took;
	entry->err = r->err;
	entry->size = bytes - WEFT__REDIS_HEAD;
	entry->stale = r->fresh <= 0;
	entry->unstored = r->ending == WEFT__FLEET_UNSTORED;
	entry->left = left;
}

static weft_duration left_of(const char *head, int64_t now_ms)
{
	int64_t until = weft__redis_good_until(head);

	return until == INT64_MAX ? WEFT_FLEET_FOREVER
				  : WEFT_MS(until - now_ms);
}

static int read_one(const weft__redis *e, redisReply *const got[QUESTIONS],
		    weft_fleet_entry *entry)
{
	int64_t now_ms = strtoll(got[CLOCK]->element[0]->str, NULL, 10) * 1000 +
			 strtoll(got[CLOCK]->element[1]->str, NULL, 10) / 1000;
	weft__fleet_result *r = weft__redis_result(
		got[HEAD]->str, got[HEAD]->len, got[HEAD]->len, now_ms);
	weft_duration left;

	memset(entry, 0, sizeof *entry);
	if (got[RECORD]->elements == 0 && r == NULL)
		return -ENOENT;
	read_record(e, got[RECORD], now_ms, entry);
	entry->waiters = (int)got[WAITERS]->integer;
	left = r != NULL ? left_of(got[HEAD]->str, now_ms) : 0;
	if (left > 0 && entry->state == WEFT_FLEET_IDLE)
		read_kept(r, (size_t)got[BYTES]->integer, left, entry);
	free(r);
	return 0;
}

static int show_hex(weft__redis *e, weft_ctx *ctx, const char *hex,
		    weft_fleet_entry *entry)
{
	static const int types[] = {
		[RECORD] = REDIS_REPLY_ARRAY,   [HEAD] = REDIS_REPLY_STRING,
		[BYTES] = REDIS_REPLY_INTEGER,  [WAITERS] = REDIS_REPLY_INTEGER,
		[CLOCK] = REDIS_REPLY_ARRAY,
	};
	weft__redis_words words[QUESTIONS] = {0};
	weft__redis_request *asked[QUESTIONS] = {0};
	redisReply *got[QUESTIONS] = {0};
	int err = 0, i;

	ask_one(words, e, hex);
	for (i = 0; i < QUESTIONS && err == 0; i++)
		err = weft__redis_post(e, &words[i], &asked[i]);
	for (i = 0; i < QUESTIONS && asked[i] != NULL; i++) {
		weft_time until = err == 0 ? WEFT__REDIS_PATIENTLY : weft_now();
		int failed = weft__redis_await(e, asked[i], NULL, &words[i], ctx,
					       until, &got[i]);

		if (err == 0)
			err = failed;
		if (err == 0 && got[i]->type != types[i])
			err = -EIO;
	}
	if (err == 0)
		err = read_one(e, got, entry);
	for (i = 0; i < QUESTIONS; i++)
		if (got[i] != NULL)
			freeReplyObject(got[i]);
	return err;
}

int weft__redis_show(weft__fleet_engine *engine, weft_ctx *ctx,
		     const weft__fleet_id *id, weft_fleet_entry *entry)
{
	return show_hex((weft__redis *)engine, ctx, id->hex, entry);
}

/* ---- all keys ---- */

/* A pattern for the records; what is special in patterns is escaped. */
static void pattern(const weft__redis *e, char *to)
{
	for (const char *p = e->url.space; *p != '\0'; p++) {
		if (strchr("*?[]\\^-", *p) != NULL)
			*to++ = '\\';
		*to++ = *p;
	}
	strcpy(to, ":{*}:M");
}

/* What stands between the braces of a record's key. False: it is no such key. */
static bool hex_of(const weft__redis *e, const redisReply *key, char hex[33])
{
	size_t at = strlen(e->url.space) + 2;

	if (key->type != REDIS_REPLY_STRING || key->len != at + 32 + 3)
		return false;
	memcpy(hex, key->str + at, 32);
	hex[32] = '\0';
	return true;
}

/* One page. 1: fn wants no more. */
static int list_page(weft__redis *e, weft_ctx *ctx, const redisReply *keys,
		     weft_fleet_list_fn fn, void *arg)
{
	weft_fleet_entry entry;
	char hex[33];
	int err = 0;

	for (size_t i = 0; i < keys->elements && err == 0; i++) {
		if (!hex_of(e, keys->element[i], hex))
			continue;
		err = show_hex(e, ctx, hex, &entry);
		if (err == 0 && !fn(arg, &entry))
			return 1;
		if (err == -ENOENT)
			err = 0;
	}
	return err;
}

int weft__redis_list(weft__fleet_engine *engine, weft_ctx *ctx,
		     weft_fleet_list_fn fn, void *arg)
{
	weft__redis *e = (weft__redis *)engine;
	char match[160], cursor[24] = "0";
	int err;

	pattern(e, match);
	do {
		weft__redis_words w = {0};
		redisReply *reply;

		weft__redis_text(&w, "SCAN");
		weft__redis_text(&w, cursor);
		weft__redis_text(&w, "MATCH");
		weft__redis_text(&w, match);
		weft__redis_text(&w, "COUNT");
		weft__redis_text(&w, "500");
		err = weft__redis_do(e, NULL, &w, ctx, &reply);
		if (err != 0)
			return err;
		snprintf(cursor, sizeof cursor, "%s", reply->element[0]->str);
		err = list_page(e, ctx, reply->element[1], fn, arg);
		freeReplyObject(reply);
	} while (err == 0 && strcmp(cursor, "0") != 0);
	return err == 1 ? 0 : err;
}

/* ---- the doctor ---- */

void weft__redis_fact(const char *info, const char *name, char *value,
		      size_t size)
{
	size_t length = strlen(name);

	*value = '\0';
	for (const char *line = info; line != NULL; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, name, length) == 0 && line[length] == ':') {
			snprintf(value, size, "%s", line + length + 1);
			value[strcspn(value, "\r\n")] = '\0';
			return;
		}
	}
}

bool weft__redis_evicts(const char *info)
{
	char policy[32], most[32];

	weft__redis_fact(info, "maxmemory_policy", policy, sizeof policy);
	weft__redis_fact(info, "maxmemory", most, sizeof most);
	return *policy != '\0' && strcmp(policy, "noeviction") != 0 &&
	       strcmp(most, "0") != 0;
}

typedef struct {
	weft_fleet_doctor_fn fn;
	void *arg;
	bool broken;
} visit;

__attribute__((format(printf, 4, 5)))
static void tell(visit *v, enum weft_fleet_verdict verdict, const char *what,
		 const char *format, ...)
{
	char found[256];
	va_list args;

	va_start(args, format);
	vsnprintf(found, sizeof found, format, args);
	va_end(args);
	v->broken |= verdict == WEFT_FLEET_BROKEN;
	v->fn(v->arg, verdict, what, found);
}

static void tell_server(visit *v, const char *info)
{
	char version[32], mode[32], role[32], replicas[16];
	bool replica;

	weft__redis_fact(info, "redis_version", version, sizeof version);
	weft__redis_fact(info, "redis_mode", mode, sizeof mode);
	weft__redis_fact(info, "role", role, sizeof role);
	weft__redis_fact(info, "connected_slaves", replicas, sizeof replicas);
	replica = strcmp(role, "slave") == 0;
	tell(v, atoi(version) < 7 ? WEFT_FLEET_BROKEN : WEFT_FLEET_FINE, "server",
	     "redis %s%s", version,
	     atoi(version) < 7 ? ": 7 or later is needed" : "");
	if (strcmp(mode, "cluster") == 0)
		tell(v, WEFT_FLEET_BROKEN, "mode",
		     "a cluster: one server is needed, with or without replicas");
	tell(v, replica ? WEFT_FLEET_BROKEN
			: atoi(replicas) > 0 ? WEFT_FLEET_WARNING
					     : WEFT_FLEET_FINE,
	     "role", replica ? "a replica, which takes no writes"
			     : atoi(replicas) > 0
				       ? "a master with %s replicas: a failover may lose what was written last"
				       : "a master with %s replicas",
	     replicas);
}

static void tell_memory(visit *v, const char *info)
{
	char policy[32], most[32];
	bool none, evicts = weft__redis_evicts(info);

	weft__redis_fact(info, "maxmemory_policy", policy, sizeof policy);
	weft__redis_fact(info, "maxmemory_human", most, sizeof most);
	none = strcmp(most, "0B") == 0;
	tell(v, evicts || strcmp(policy, "noeviction") != 0 ? WEFT_FLEET_WARNING
							    : WEFT_FLEET_FINE,
	     "memory", "maxmemory %s, %s%s", none ? "none" : most, policy,
	     evicts ? ": records may be thrown away; once is refused" : "");
}

static void tell_disk(visit *v, const char *info)
{
	char aof[8], saved[16], loading[8];

	weft__redis_fact(info, "aof_enabled", aof, sizeof aof);
	weft__redis_fact(info, "rdb_last_bgsave_status", saved, sizeof saved);
	weft__redis_fact(info, "loading", loading, sizeof loading);
	if (strcmp(loading, "1") == 0)
		tell(v, WEFT_FLEET_BROKEN, "disk", "it reads its data");
	else if (strcmp(saved, "ok") != 0)
		tell(v, WEFT_FLEET_BROKEN, "disk", "the last save failed");
	else if (strcmp(aof, "1") != 0)
		tell(v, WEFT_FLEET_WARNING, "disk",
		     "no append-only file: what was kept since the last save is lost with the server");
	else
		tell(v, WEFT_FLEET_FINE, "disk", "append-only file");
}

static int ask_info(weft__redis *e, weft_ctx *ctx, redisReply **reply)
{
	weft__redis_words w = {0};
	int err;

	weft__redis_text(&w, "INFO");
	err = weft__redis_do(e, NULL, &w, ctx, reply);
	if (err == 0 && (*reply)->type != REDIS_REPLY_STRING) {
		freeReplyObject(*reply);
		err = -EIO;
	}
	return err;
}

/* Asks for a key that nobody has, as everybody does. */
static void tell_scripts(visit *v, weft__redis *e, weft_ctx *ctx)
{
	weft__fleet_ask ask = {
		.id = {.hex = "00000000000000000000000000000000"},
		.attempt = {.hex = "00000000000000000000000000000000"},
		.key = {"", 0}, .passive = true, .lease = WEFT_SECOND,
	};
	weft__fleet_answer a = {0};
	weft_time start = weft_now();
	int err = e->base.ops->join(&e->base, ctx, &ask, &a);

	e->base.ops->leave(&e->base, &ask, false);
	free(a.result);
	if (err == -ENOENT || err == 0)
		tell(v, WEFT_FLEET_FINE, "scripts", "answered in %.2f ms",
		     (double)(weft_now() - start) / 1e6);
	else
		tell(v, WEFT_FLEET_BROKEN, "scripts", "%s", strerror(-err));
}

static void tell_inbox(visit *v, weft__redis *e)
{
	if (weft__redis_conn_is_up(&e->news))
		tell(v, WEFT_FLEET_FINE, "inbox", "subscribed");
	else if (weft__redis_conn_is_up(&e->commands))
		tell(v, WEFT_FLEET_WARNING, "inbox",
		     "none (an ACL needs &%s:ib:*): waiting takes up to half a second longer",
		     e->url.space);
}

int weft__redis_doctor(weft__fleet_engine *engine, weft_ctx *ctx,
		       weft_fleet_doctor_fn fn, void *arg)
{
	weft__redis *e = (weft__redis *)engine;
	visit v = {fn, arg, false};
	redisReply *info;
	int err = ask_info(e, ctx, &info);

	if (err == 0) {
		tell_server(&v, info->str);
		tell_memory(&v, info->str);
		tell_disk(&v, info->str);
		freeReplyObject(info);
	} else if (!weft_ctx_done(ctx)) {
		tell(&v, WEFT_FLEET_BROKEN, "server", "%s",
		     weft__redis_conn_is_up(&e->commands)
			     ? "it answers with an error, or not at all"
			     : "no connection");
	}
	if (!weft_ctx_done(ctx))
		tell_scripts(&v, e, ctx);
	if (!weft_ctx_done(ctx))
		tell_inbox(&v, e);
	if (weft_ctx_done(ctx))
		return weft_ctx_err(ctx);
	return v.broken ? -EHOSTDOWN : 0;
}
