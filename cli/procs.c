/* SPDX-License-Identifier: MIT */
#include "procs.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct proc {
	pid_t pid, parent, group;
	bool found;
} proc;

typedef struct procs {
	proc *list;
	size_t count, room;
} procs;

/* The name in parentheses may hold anything, parentheses too. */
static bool read_stat(const char *pid, proc *p)
{
	char path[64], text[512];
	const char *rest;
	char state;
	ssize_t size;
	int fd;

	snprintf(path, sizeof(path), "/proc/%.20s/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	size = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[size > 0 ? size : 0] = '\0';
	rest = strrchr(text, ')');
	p->pid = atoi(pid);
	p->found = false;
	return rest != NULL &&
	       sscanf(rest, ") %c %d %d", &state, &p->parent, &p->group) == 3 &&
	       state != 'Z';
}

static bool add(procs *all, const char *pid)
{
	if (all->count == all->room) {
		size_t room = all->room != 0 ? 2 * all->room : 256;
		proc *list = realloc(all->list, room * sizeof(*list));

		if (list == NULL)
			return false;
		all->list = list;
		all->room = room;
	}
	if (read_stat(pid, &all->list[all->count]))
		all->count++;
	return true;
}

static void read_all(procs *all)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	bool room = true;

	if (dir == NULL)
		return;
	while (room && (entry = readdir(dir)) != NULL)
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
			room = add(all, entry->d_name);
	closedir(dir);
}

static bool is_found(const procs *all, pid_t pid)
{
	for (const proc *p = all->list; p < all->list + all->count; p++)
		if (p->pid == pid)
			return p->found;
	return false;
}

/* Numbers wrap around: a child may have a smaller one than its parent. */
static void find_descendants(procs *all, pid_t root)
{
	bool more;

	do {
		more = false;
		for (proc *p = all->list; p < all->list + all->count; p++) {
			if (p->found || p->pid == root ||
			    (p->parent != root && !is_found(all, p->parent)))
				continue;
			p->found = true;
			more = true;
		}
	} while (more);
}

int procs_signal_descendants(pid_t root, int signal,
			     bool (*has_heard)(void *arg, pid_t group), void *arg)
{
	procs all = {0};
	int sent = 0;

	read_all(&all);
	find_descendants(&all, root);
	for (const proc *p = all.list; p < all.list + all.count; p++) {
		if (!p->found || (has_heard != NULL && has_heard(arg, p->group)))
			continue;
		if (kill(p->pid, signal) != 0)
			continue;
		kill(p->pid, SIGCONT);
		sent++;
	}
	free(all.list);
	return sent;
}
