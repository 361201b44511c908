/* SPDX-License-Identifier: MIT */
#include "printer.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

/* A write may take as long as somebody does not read: others have our place. */
static ssize_t write_some(int fd, const char *data, size_t size_bytes)
{
	ssize_t n;

	weft_blocking_begin();
	n = write(fd, data, size_bytes);
	if (n < 0)
		n = -weft_errno();
	weft_blocking_end();
	if (n == -EAGAIN)
		n = weft_wait_fd(NULL, fd, POLLOUT) < 0 ? -EIO : 0;
	return n == -EINTR ? 0 : n;
}

void printer_write(printer *p, int fd, const char *data, size_t size_bytes)
{
	size_t done = 0;

	if (p->err != 0 && fd == STDOUT_FILENO)
		return;
	if (p->before_write != NULL)
		p->before_write(p, fd, data, size_bytes);
	while (done < size_bytes) {
		ssize_t n = write_some(fd, data + done, size_bytes - done);

		if (n < 0 && fd == STDOUT_FILENO) {
			p->err = (int)n;
			p->on_error(p);
		}
		if (n < 0)
			return;
		done += (size_t)n;
	}
}

/* Returns the item that is to be printed now, or NULL: there will be none. */
static printer_item *next_item(printer *p)
{
	printer_item *item;

	weft_mutex_lock(&p->lock);
	while (p->first == NULL && !p->closed)
		weft_cond_wait(&p->changed);
	item = p->first;
	weft_mutex_unlock(&p->lock);
	return item;
}

static void drop(printer *p, printer_item *item)
{
	weft_mutex_lock(&p->lock);
	p->first = item->next;
	if (p->first == NULL)
		p->last = &p->first;
	weft_mutex_unlock(&p->lock);
	spool_fini(&item->output);
	if (p->style->done != NULL)
		p->style->done(p, item);
}

/*
 * Looked at with the lock held: who writes to the spool takes it afterwards, to
 * wake us, so that nothing comes in between unseen.
 */
static int wait_for_frame(printer *p, printer_item *item, spool_frame *f)
{
	int state;

	weft_mutex_lock(&p->lock);
	while ((state = spool_read(&item->output, f)) == SPOOL_EMPTY)
		weft_cond_wait(&p->changed);
	weft_mutex_unlock(&p->lock);
	return state;
}

static void print(printer *p, printer_item *item)
{
	spool_frame f = {.data = p->block};
	int state;

	if (p->style->begin != NULL)
		p->style->begin(p, item);
	while ((state = wait_for_frame(p, item, &f)) == SPOOL_FRAME)
		p->style->frame(p, item, &f);
	if (state < 0 && p->err == 0) {
		p->err = state;
		p->on_error(p);
	}
	if (p->style->end != NULL)
		p->style->end(p, item);
	drop(p, item);
}

static void print_all(void *arg)
{
	printer *p = arg;
	printer_item *item;

	weft_task_name("printer");
	while ((item = next_item(p)) != NULL)
		print(p, item);
}

int printer_start(printer *p)
{
	weft_cond_init(&p->changed, &p->lock);
	p->last = &p->first;
	return weft_waitgroup_go(&p->running, print_all, p);
}

void printer_add(printer *p, printer_item *item)
{
	weft_mutex_lock(&p->lock);
	item->next = NULL;
	*p->last = item;
	p->last = &item->next;
	weft_mutex_unlock(&p->lock);
	weft_cond_signal(&p->changed);
}

void printer_wake(printer *p)
{
	weft_mutex_lock(&p->lock);
	weft_mutex_unlock(&p->lock);
	weft_cond_signal(&p->changed);
}

int printer_finish(printer *p, weft_ctx *ctx)
{
	weft_ctx last_second;
	int err;

	weft_mutex_lock(&p->lock);
	p->closed = true;
	weft_mutex_unlock(&p->lock);
	weft_cond_signal(&p->changed);
	if (weft_waitgroup_wait_ctx(&p->running, ctx) == 0)
		return 0;
	weft_ctx_init_timeout(&last_second, NULL, WEFT_SECOND);
	err = weft_waitgroup_wait_ctx(&p->running, &last_second);
	weft_ctx_fini(&last_second);
	return err == 0 ? 0 : -ECANCELED;
}
