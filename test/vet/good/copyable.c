/* What is made to be copied. */
#include <string.h>
#include <weft.h>

static int query(weft_ctx *ctx, void *arg, void **value)
{
	(void)ctx;
	*value = arg;
	return 0;
}

weft_result ask(weft_flight *f, weft_key key);
weft_result ask(weft_flight *f, weft_key key)
{
	weft_key copy = key;
	weft_result r = weft_flight_do(f, copy, query, NULL), same = r;

	r = same;
	memcpy(&same, &r, sizeof(r));
	return r;
}

void wait(weft_cond *c, weft_locker locker, weft_duration d, weft_chan *ch)
{
	weft_locker copy = locker;
	weft_case one = WEFT_CASE_DEFAULT, two = one;
	weft_chan *pointer = ch;
	weft_duration later = d;

	weft_cond_init_locker(c, copy);
	weft_chan_send(ch, &pointer);
	weft_chan_send(ch, &later);
	one = two;
	weft_select(&one, 1);
}
