/* SPDX-License-Identifier: MIT */
/* Waiting for changes of records: one inotify queue and one thread a process. */
#include "fleet/dir/dir.h"

#include "fleet/os/fd.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

/*
 * A leader that ends touches the record and closes it; one that dies closes it,
 * and one that is superseded has its file unlinked. Renewals write, and are no
 * news. Nobody but leaders and those who forget opens a record for writing.
 */
enum { EVENTS = IN_CLOSE_WRITE | IN_ATTRIB | IN_DELETE_SELF };

struct weft__dir_watched {
	weft__dir_watched *next;
	uint64_t id[2];
	int wd;
	int users;
};

/* With the lock held. */
static void dispatch(weft__dir *d, const struct inotify_event *event)
{
	for (weft__dir_watched *w = d->watcher.watched; w != NULL; w = w->next)
		if (w->wd == event->wd)
			weft__fleet_news(d->core, w->id);
	if (event->mask & IN_Q_OVERFLOW)
		weft__fleet_news_all(d->core);
}

static void take_events(weft__dir *d)
{
	char buffer[4096] __attribute__((aligned(8)));
	ssize_t n = read(d->watcher.fd, buffer, sizeof buffer);

	weft__fleet_lock_take(&d->watcher.lock);
	for (ssize_t at = 0; at < n;) {
		const struct inotify_event *event = (void *)(buffer + at);

		dispatch(d, event);
		at += (ssize_t)sizeof *event + event->len;
	}
	weft__fleet_lock_drop(&d->watcher.lock);
}

static void *watch(void *arg)
{
	weft__dir *d = arg;
	struct pollfd fds[] = {
		{.fd = d->watcher.fd, .events = POLLIN},
		{.fd = d->watcher.stop_fd, .events = POLLIN},
	};

	for (;;) {
		if (poll(fds, 2, -1) < 0)
			continue;
		if (fds[1].revents != 0)
			return NULL;
		take_events(d);
	}
}

/* With the lock held; once. */
static void start(weft__dir *d)
{
	weft__dir_watcher *w = &d->watcher;

	w->tried = true;
	w->fd = -1;
	w->stop_fd = eventfd(0, EFD_CLOEXEC);
	if (w->stop_fd < 0)
		return;
	weft__fleet_fd_begin();
	w->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	weft__fleet_fd_end(w->fd);
	if (w->fd >= 0 &&
	    weft__fleet_thread_start(&w->thread, "weft-watch", watch, d) != 0) {
		weft__fleet_fd_close(w->fd);
		w->fd = -1;
	}
	if (w->fd < 0)
		close(w->stop_fd);
}

void weft__dir_watch_stop(weft__dir *d)
{
	weft__dir_watcher *w = &d->watcher;
	uint64_t one = 1;

	if (!w->tried || w->fd < 0)
		return;
	while (write(w->stop_fd, &one, sizeof one) < 0)
		;
	weft__fleet_thread_join(w->thread);
	weft__fleet_fd_close(w->fd);
	close(w->stop_fd);
}

/* With the lock held. */
static weft__dir_watched *find(weft__dir *d, int wd)
{
	weft__dir_watched *w = d->watcher.watched;

	while (w != NULL && w->wd != wd)
		w = w->next;
	return w;
}

static weft__dir_watched *add(weft__dir *d, const weft__fleet_id *id, int wd)
{
	weft__dir_watched *w = malloc(sizeof *w);

	if (w == NULL) {
		inotify_rm_watch(d->watcher.fd, wd);
		return NULL;
	}
	*w = (weft__dir_watched){
		.next = d->watcher.watched,
		.id = {id->word[0], id->word[1]},
		.wd = wd,
	};
	d->watcher.watched = w;
	return w;
}

weft__dir_watched *weft__dir_watch(weft__dir *d, const weft__fleet_id *id)
{
	weft__dir_watched *w = NULL;
	char path[80];
	int wd;

	/* Wherever this process has gone, or the place, since it was opened. */
	snprintf(path, sizeof path, "/proc/self/fd/%d/%s", d->keys, id->hex);
	weft__fleet_lock_take(&d->watcher.lock);
	if (!d->watcher.tried)
		start(d);
	if (d->watcher.fd >= 0) {
		wd = inotify_add_watch(d->watcher.fd, path, EVENTS);
		if (wd >= 0 && (w = find(d, wd)) == NULL)
			w = add(d, id, wd);
		if (w != NULL)
			w->users++;
	}
	weft__fleet_lock_drop(&d->watcher.lock);
	return w;
}

void weft__dir_unwatch(weft__dir *d, weft__dir_watched *w)
{
	weft__dir_watched **p = &d->watcher.watched;

	if (w == NULL)
		return;
	weft__fleet_lock_take(&d->watcher.lock);
	if (--w->users == 0) {
		inotify_rm_watch(d->watcher.fd, w->wd);
		while (*p != w)
			p = &(*p)->next;
		*p = w->next;
		free(w);
	}
	weft__fleet_lock_drop(&d->watcher.lock);
}
