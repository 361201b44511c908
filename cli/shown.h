/* SPDX-License-Identifier: MIT */
/*
 * What the caller here has been shown, of a run that may be lost half way.
 *
 * Output comes as the pieces of a record, each with its number and the token of
 * its run: from the run itself, from live.h while it goes on elsewhere, and at
 * the end from the result. A piece that was shown is not shown again, so that
 * each of them may say all that it knows.
 *
 * When a run was lost another one begins. Its stdout is not shown as far as it
 * repeats what was, and goes on from there. If it does not repeat that it is not
 * shown at all, and the caller's output is torn. So
 *
 *   S1  what is on stdout is the beginning of one run's, and all of it unless
 *       torn is set, or the result was cut.
 *
 * stderr is for people: they are shown that of every run, with a line between.
 */
#ifndef WEFT_CLI_SHOWN_H
#define WEFT_CLI_SHOWN_H

#include "record.h"

#include <weft.h>

/* What is said of these two. */
#define SHOWN_LOST "the run that has printed this is lost, and another one begins"
#define SHOWN_TORN "%s: a run was lost, and the next one does not repeat what it " \
	"has printed: this is not the whole"

/* Returns 0, or a negative errno: then nothing is shown any more. */
typedef int (*shown_print_fn)(void *arg, enum record_kind kind,
			      const void *data, size_t size_bytes);

typedef struct shown {
	shown_print_fn print;
	void (*lost)(void *arg); /* of what was shown the run is lost */
	void *arg;		 /* of both, which must not come back here */
	bool whole;		 /* nothing of a result that was cut */

	weft_mutex lock; /* of what follows */
	uint64_t token;
	size_t pieces;		 /* of that run, that have come */
	size_t bytes, repeated;	 /* of stdout: shown; and of this run the same */
	uint64_t sum, sum_again; /* of these bytes */
	int lost_runs;
	int err;   /* of print */
	bool live; /* some of it before the result was there */
	bool torn;
} shown;

/* A piece of a run: number is how many there were before it. */
void shown_piece(shown *s, uint64_t token, size_t number,
		 enum record_kind kind, const void *data, size_t size_bytes);

/*
 * All of a run that has ended, and what is torn is known. Returns false for
 * what is no record.
 */
bool shown_result(shown *s, uint64_t token, const void *record,
		  size_t size_bytes, record_end *end);

#endif
