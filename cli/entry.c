/* SPDX-License-Identifier: MIT */
#include "entry.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

const char *entry_state(const weft_fleet_entry *e)
{
	static const char *const states[] = {
		[WEFT_FLEET_IDLE] = "idle",
		[WEFT_FLEET_RUNNING] = "running",
		[WEFT_FLEET_KEPT] = "kept",
		[WEFT_FLEET_LOST] = "lost",
	};

	return states[e->state];
}

static size_t key_size(const weft_fleet_entry *e)
{
	return e->key_size < sizeof(e->key) ? e->key_size : sizeof(e->key);
}

bool entry_is_here(const weft_fleet_entry *e)
{
	struct utsname self;

	return uname(&self) == 0 && strcmp(self.nodename, e->host) == 0;
}

const char *entry_key(const weft_fleet_entry *e, char room[257])
{
	size_t size = key_size(e);

	for (size_t i = 0; i < size; i++)
		room[i] = e->key[i] < 0x20 || e->key[i] == 0x7f ? '?'
								: (char)e->key[i];
	room[size] = '\0';
	return room;
}

static void add_seconds(json *j, const char *name, weft_duration d)
{
	if (d == WEFT_FLEET_FOREVER)
		json_add(j, ", \"%s\": null", name);
	else
		json_add(j, ", \"%s\": %.6f", name, (double)d / 1e9);
}

bool entry_print_json(const weft_fleet_entry *e, const holders *dead)
{
	json j = {0};
	bool good;

	json_add(&j, "{\"key\": ");
	json_add_string(&j, (const char *)e->key, key_size(e));
	json_add(&j, ", \"key_bytes\": %zu, \"state\": \"%s\", \"token\": %llu, "
		 "\"takeovers\": %d, \"host\": ", e->key_size, entry_state(e),
		 (unsigned long long)e->token, e->takeovers);
	json_add_string(&j, e->host, strlen(e->host));
	json_add(&j, ", \"pid\": %lld", (long long)e->pid);
	if (e->waiters >= 0 && e->state == WEFT_FLEET_RUNNING)
		json_add(&j, ", \"waiters\": %d", e->waiters);
	if (dead != NULL)
		json_add(&j, ", \"dead\": true, \"held_by\": [%s]", dead->text);
	add_seconds(&j, "age_s", e->age);
	add_seconds(&j, "left_s", e->left);
	if (e->state == WEFT_FLEET_KEPT) {
		add_seconds(&j, "took_s", e->took);
		json_add(&j, ", \"error\": %d, \"bytes\": %zu, \"stale\": %s, "
			 "\"unstored\": %s", e->err, e->size,
			 e->stale ? "true" : "false",
			 e->unstored ? "true" : "false");
	}
	json_add(&j, "}\n");
	good = !j.failed;
	if (good)
		fwrite(j.text, 1, j.size, stdout);
	json_fini(&j);
	return good;
}
