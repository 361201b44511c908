/* SPDX-License-Identifier: MIT */
#include "holders.h"

#include "inside.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* k/NAME, as docs/fleet.md has it. */
enum { NAME_DIGITS = 32 };

static bool is_record(const char *path)
{
	const char *name = strrchr(path, '/');

	return name != NULL && name - path >= 2 &&
	       strncmp(name - 2, "/k/", 3) == 0 &&
	       strlen(name + 1) == NAME_DIGITS &&
	       strspn(name + 1, "0123456789abcdef") == NAME_DIGITS;
}

/* The lock of a key is an open record; one that was replaced has another name. */
static bool has_lock(const char *pid)
{
	char path[64], to[4096];
	struct dirent *entry;
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%.20s/fd", pid);
	dir = opendir(path);
	while (dir != NULL && !found && (entry = readdir(dir)) != NULL) {
		ssize_t n = readlinkat(dirfd(dir), entry->d_name, to,
				       sizeof(to) - 1);

		to[n > 0 ? n : 0] = '\0';
		found = is_record(to);
	}
	if (dir != NULL)
		closedir(dir);
	return found;
}

static bool is_inside(const char *pid, const char *run)
{
	char path[64], *variable = NULL;
	size_t room = 0;
	bool found = false;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%.20s/environ", pid);
	file = fopen(path, "re");
	while (file != NULL && !found && getdelim(&variable, &room, '\0', file) > 0)
		found = strncmp(variable, INSIDE, strlen(INSIDE)) == 0 &&
			strstr(variable, run) != NULL;
	if (file != NULL)
		fclose(file);
	free(variable);
	return found;
}

static void add(holders *h, const char *pid)
{
	size_t size = strlen(h->text);

	if (size + strlen(pid) + 3 <= sizeof(h->text))
		sprintf(h->text + size, "%s%s", size > 0 ? ", " : "", pid);
}

static void find(holders *h, const char *run)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;

	h->text[0] = '\0';
	while (dir != NULL && (entry = readdir(dir)) != NULL)
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' &&
		    is_inside(entry->d_name, run) && has_lock(entry->d_name))
			add(h, entry->d_name);
	if (dir != NULL)
		closedir(dir);
}

bool holders_of_dead(weft_key key, const weft_fleet_entry *e, holders *h)
{
	if (!e->dead)
		return false;
	find(h, inside_name_of(key, e->token).text);
	return e->left < 0 || h->text[0] != '\0';
}
