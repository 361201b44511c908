/* SPDX-License-Identifier: MIT */
/*
 * The one task that writes to stdout and stderr: spool after spool, in the
 * order in which they were handed over. One that is not closed yet is printed
 * as it comes, and those behind it wait.
 */
#ifndef WEFT_CLI_PRINTER_H
#define WEFT_CLI_PRINTER_H

#include "spool.h"

typedef struct printer printer;
typedef struct printer_item printer_item;

struct printer_item {
	spool output;
	printer_item *next;
};

/* How an item is printed. All but frame may be NULL. */
typedef struct printer_style {
	void (*begin)(printer *p, printer_item *item);
	void (*frame)(printer *p, printer_item *item, const spool_frame *f);
	void (*end)(printer *p, printer_item *item);
	void (*done)(printer *p, printer_item *item); /* always, and last */
} printer_style;

struct printer {
	const printer_style *style;
	void *arg;			     /* of whoever made the style */
	void (*on_error)(printer *p);	     /* the first time that a write fails */
	void (*before_write)(printer *p, int fd, const char *data, size_t size);
	int err; /* of stdout: a negative errno; nothing is written any more */

	weft_mutex lock;
	weft_cond changed;
	printer_item *first, **last;
	bool closed;
	weft_waitgroup running;
	char block[SPOOL_BLOCK_BYTES];
};

/* Returns 0, or -ENOMEM. */
int printer_start(printer *p);

/* Print the item, when those before it are closed and printed. */
void printer_add(printer *p, printer_item *item);

/* Some item has got more, or was closed. */
void printer_wake(printer *p);

/*
 * Wait until everything is printed that was handed over. Returns 0, or
 * -ECANCELED when ctx was cancelled and a second later it was not done still.
 */
int printer_finish(printer *p, weft_ctx *ctx);

/* For styles: write all of it. What stderr does not take is dropped. */
void printer_write(printer *p, int fd, const char *data, size_t size_bytes);

#endif
