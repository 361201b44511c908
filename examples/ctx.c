/* SPDX-License-Identifier: MIT */
/*
 * One order, three couriers, half a second: the first problem stops them all,
 * everybody can ask what it was, and the customer is told in any case.
 */
#include <stdio.h>
#include <weft.h>

enum { OUT_OF_STOCK = 42 };

static const char order_key;	/* its address is what counts */

static void courier(void *arg)
{
	weft_ctx *ctx = arg;
	int err = weft_sleep(ctx, WEFT_MINUTE);

	if (err == -ECANCELED)
		printf("courier: order %s is off, cause %d\n",
		       (char *)weft_ctx_value(ctx, &order_key),
		       weft_ctx_cause(ctx));
}

static void tell_customer(void *told)
{
	puts("customer: told");
	weft_waitgroup_done(told);
}

int main(void)
{
	weft_waitgroup couriers = {0}, told = {0};
	weft_ctx order, delivery;
	weft_ctx_after after = {0};

	weft_ctx_init_value(&order, NULL, &order_key, "A-17");
	weft_ctx_init_timeout(&delivery, &order, WEFT_MS(500));
	for (int i = 0; i < 3; i++)
		if (weft_waitgroup_go(&couriers, courier, &delivery) != 0)
			return 1;

	weft_ctx_cancel(&order, OUT_OF_STOCK);
	weft_waitgroup_wait(&couriers);
	printf("done: %d %d\n", weft_ctx_done(&order), weft_ctx_done(&delivery));

	weft_waitgroup_add(&told, 1);	/* now, or whenever it is done */
	if (weft_ctx_after_start(&after, &order, tell_customer, &told) == 0)
		weft_waitgroup_wait(&told);
	weft_ctx_fini(&delivery);
	weft_ctx_fini(&order);
}
/*
 * Output:
 * courier: order A-17 is off, cause 42
 * courier: order A-17 is off, cause 42
 * courier: order A-17 is off, cause 42
 * done: 1 1
 * customer: told
 */
