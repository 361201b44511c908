/* SPDX-License-Identifier: MIT */
/*
 * What a command printed and how it ended, as bytes: what is kept of a run,
 * and what goes through a socket while it runs. A record is a row of pieces,
 * each with a header of eight bytes; the last one says how it ended. Readable
 * on every machine of a fleet.
 */
#ifndef WEFT_CLI_RECORD_H
#define WEFT_CLI_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum record_kind {
	RECORD_STDOUT = 1,
	RECORD_STDERR = 2,
	RECORD_END = 3,
};

#define RECORD_HEADER_BYTES 8

void record_header(unsigned char header[RECORD_HEADER_BYTES],
		   enum record_kind kind, size_t size_bytes);

/* Returns false for what is no header. */
bool record_read_header(const unsigned char header[RECORD_HEADER_BYTES],
			enum record_kind *kind, size_t *size_bytes);

/* How a command ended, or why there is no command that could have. */
typedef struct record_end {
	int status;	/* to exit with */
	bool own;	/* it is weft's own failure */
	bool cut;	/* there was more output than is kept */
	char why[16];	/* exited, killed, timed-out, not-run, done, trouble … */
	/* What one caller has had of it; not in what is kept. */
	char run[12];	/* whose run: here, elsewhere, before; or empty */
	bool live;	/* some of its output as it came */
	int lost;	/* runs of which output was shown, and which were lost */
} record_end;

/* It took longer than --max-run. */
bool record_timed_out(const record_end *end);

/* It was ended by weft kill. */
bool record_cancelled(const record_end *end);

/* What is said of these, and of output that was cut. */
#define RECORD_TIMED_OUT "the command took longer than --max-run and was ended"
#define RECORD_CANCELLED "the command was ended by weft kill"
#define RECORD_CUT "there was more output than is kept"

#define RECORD_END_BYTES 96

/* As text, for people with strings(1). Returns its size. */
size_t record_end_write(char text[RECORD_END_BYTES], const record_end *end);
bool record_end_read(const char *text, size_t size_bytes, record_end *end);

/* A piece of output: kind is RECORD_STDOUT or RECORD_STDERR. */
typedef void (*record_piece_fn)(void *arg, enum record_kind kind,
				const void *data, size_t size_bytes);

/*
 * Hand the output of a whole record to piece, which may be NULL, and read how
 * it ended. Returns false for what is none.
 */
bool record_read(const void *record, size_t size_bytes, record_piece_fn piece,
		 void *arg, record_end *end);

#endif
