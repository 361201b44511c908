/* Functions that copy bytes, seen by the pointer or by the size. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <weft.h>

struct node {
	int key;
	weft_mutex lock;
};

static int compare(const void *a, const void *b)
{
	return ((const struct node *)a)->key - ((const struct node *)b)->key;
}

void bytes(struct node *p, struct node *q, void *raw, char *text, size_t n)
{
	memcpy(p, q, n);			     /* expect: weft-copy */
	memcpy(raw, q, n);			     /* expect: weft-copy */
	memcpy(raw, text, sizeof(struct node));	     /* expect: weft-copy */
	memcpy(raw, text, n * sizeof(*p));	     /* expect: weft-copy */
	memcpy((char *)p, text, n);		     /* expect: weft-copy */
	memcpy(&p->lock, &q->lock, 4);		     /* expect: weft-copy */
	memmove(p + 1, p, n);			     /* expect: weft-copy */
	bcopy(p, q, n);				     /* expect: weft-copy */
	__builtin_memcpy(p, q, n);		     /* expect: weft-copy */
	qsort(p, n, sizeof(*p), compare);	     /* expect: weft-copy */
	qsort(raw, n, sizeof(struct node), compare); /* expect: weft-copy */
	p = realloc(p, 2 * sizeof(*p));		     /* expect: weft-copy */
	raw = realloc(raw, n * sizeof(struct node)); /* expect: weft-copy */
	p = reallocarray(p, n, sizeof(*p));	     /* expect: weft-copy */
	(void)p;
}

void array(weft_once (*all)[8], struct node *q, weft_chan *c, weft_group *g)
{
	struct node own[4];

	memcpy(own, q, sizeof(own));	       /* expect: weft-copy */
	memcpy(all[0], all[1], sizeof(*all));  /* expect: weft-copy */
	weft_chan_send(c, q);		       /* expect: weft-copy */
	weft_group_go_copy(g, NULL, q, sizeof(*q)); /* expect: weft-copy */
	if (weft_go_copy(NULL, q, sizeof(*q)) != 0)  /* expect: weft-copy */
		return;
}
