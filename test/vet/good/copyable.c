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

/* The head of a struct that is not copied itself. */
struct head {
	int key;
	long size_bytes;
};

struct body {
	struct head head;
	weft_mutex lock;
};

void copy_head(struct body *to, const struct body *from, struct head *out);
void copy_head(struct body *to, const struct body *from, struct head *out)
{
	memcpy(to, from, sizeof(struct head));
	memcpy(to, from, sizeof from->head);
	memcpy(out, from, sizeof *out);
	memcpy(to, out, sizeof(*out));
	to->head = from->head;
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
