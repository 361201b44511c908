/* SPDX-License-Identifier: MIT */
/* What the messages do to the database, and whether it was right. */
#include "messages.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static int run(sql *db, weft_ctx *ctx, const char *statement)
{
	return sql_run(db, ctx, NULL, statement, 0, NULL);
}

int ledger_create(sql *db, weft_ctx *ctx, const settings *s)
{
	static const char *const statements[] = {
		"DROP TABLE IF EXISTS accounts",
		"DROP TABLE IF EXISTS payments",
		"DROP TABLE IF EXISTS paid",
		"DROP TABLE IF EXISTS receipts",
		"DROP TABLE IF EXISTS accepted",
		"CREATE TABLE accounts (name VARCHAR(32) PRIMARY KEY, cents BIGINT)",
		"CREATE TABLE payments (id VARCHAR(64))",
		"CREATE TABLE paid (id VARCHAR(64) PRIMARY KEY)",
		("CREATE TABLE receipts (id VARCHAR(64) PRIMARY KEY, "
		 "text VARCHAR(99), fence BIGINT)"),
		"CREATE TABLE accepted (id VARCHAR(64), text VARCHAR(99))",
	};
	char name[32];
	int err = 0;

	for (size_t i = 0; err == 0 && i < sizeof statements / sizeof *statements; i++)
		err = run(db, ctx, statements[i]);
	for (long i = 0; err == 0 && i < s->accounts; i++) {
		snprintf(name, sizeof name, "account-%ld", i);
		err = sql_run_with(db, ctx, NULL,
				   "INSERT INTO accounts VALUES (?, 0)", name);
	}
	return err;
}

/* ---- one payment ---- */

typedef struct {
	const message *m;
	const char *receipt;
	uint64_t token;
	bool guarded;
} payment;

static int pay(sql *t, weft_ctx *ctx, const message *m)
{
	char cents[24];
	int err;

	snprintf(cents, sizeof cents, "%ld", m->cents);
	err = sql_run_with(t, ctx, NULL,
			   "UPDATE accounts SET cents = cents + ? WHERE name = ?",
			   cents, m->account);
	if (err == 0)
		err = sql_run_with(t, ctx, NULL, "INSERT INTO payments VALUES (?)",
				   m->id);
	return err;
}

/* By key: in the transaction of the effect, or it is worth nothing. */
static int pay_once(sql *t, weft_ctx *ctx, const message *m)
{
	int err = sql_run_with(t, ctx, NULL, "INSERT INTO paid VALUES (?)", m->id);

	if (err == -EEXIST)
		return 0;
	return err != 0 ? err : pay(t, ctx, m);
}

static int write_receipt(sql *t, weft_ctx *ctx, const payment *p)
{
	sql_result done;
	char token[24];
	int err;

	snprintf(token, sizeof token, "%llu", (unsigned long long)p->token);
	err = sql_run_with(t, ctx, NULL, "INSERT INTO receipts VALUES (?, ?, ?)",
			   p->m->id, p->receipt, token);
	if (err != -EEXIST)
		return err;
	if (!p->guarded)
		return sql_run_with(t, ctx, NULL,
				    "UPDATE receipts SET text = ? WHERE id = ?",
				    p->receipt, p->m->id);
	/* By fence. */
	err = sql_run_with(t, ctx, &done,
			   "UPDATE receipts SET text = ?, fence = ? "
			   "WHERE id = ? AND fence < ? + 0",
			   p->receipt, token, p->m->id, token);
	if (err == 0 && done.changed == 0)
		err = -ESTALE;
	sql_result_free(&done);
	return err;
}

static int pay_and_write(sql *t, weft_ctx *ctx, void *arg)
{
	const payment *p = arg;
	int err = p->guarded ? pay_once(t, ctx, p->m) : pay(t, ctx, p->m);

	return err != 0 ? err : write_receipt(t, ctx, p);
}

int ledger_pay(sql *db, weft_ctx *ctx, const message *m, const char *receipt,
	       uint64_t token, bool guarded)
{
	payment p = {m, receipt, token, guarded};

	return sql_transaction(db, ctx, pay_and_write, &p);
}

int ledger_accept(sql *db, weft_ctx *ctx, const message *m, const char *receipt)
{
	return sql_run_with(db, ctx, NULL, "INSERT INTO accepted VALUES (?, ?)",
			    m->id, receipt);
}

/* ---- the audit ---- */

static int number(sql *db, weft_ctx *ctx, const char *statement, long *n)
{
	sql_result row;
	int err = sql_run(db, ctx, &row, statement, 0, NULL);

	if (err == 0)
		*n = atol(row.cells[0]);
	sql_result_free(&row);
	return err;
}

int ledger_audit(sql *db, weft_ctx *ctx, const settings *s, audit *a)
{
	long different = 0, poison = 0;
	int err = number(db, ctx, "SELECT COUNT(*) FROM payments", &a->paid);
	message m;

	if (err == 0)
		err = number(db, ctx, "SELECT COUNT(DISTINCT id) FROM payments",
			     &different);
	if (err == 0)
		err = number(db, ctx,
			     "SELECT COUNT(DISTINCT r.id) FROM receipts r "
			     "JOIN accepted a ON a.id = r.id WHERE a.text <> r.text",
			     &a->wrong);
	for (long n = 0; n < s->messages; n++) {
		message_make(&m, n, s);
		poison += message_is_poison(&m);
	}
	a->twice = a->paid - different;
	a->missing = s->messages - poison - different;
	return err;
}
