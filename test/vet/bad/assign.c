/* Assignments: of the object, around it, and over one that lives. */
#include <weft.h>

struct inner {
	weft_mutex lock;
};
struct account {
	int balance;
	struct inner inner[2];
	union {
		long other;
		weft_once once;
	};
};
typedef struct account account_type;

void assign(weft_mutex *a, weft_mutex *b, struct account *p, account_type *q)
{
	*a = *b;		   /* expect: weft-copy */
	*p = *q;		   /* expect: weft-copy */
	p->inner[0] = q->inner[1]; /* expect: weft-copy */
	p->inner[0].lock = *a;	   /* expect: weft-copy */
	p[1] = p[2];		   /* expect: weft-copy */
	*p = (struct account){0};  /* expect: weft-copy */
	*a = (weft_mutex){0};	   /* expect: weft-copy */
	for (;; *a = *b)	   /* expect: weft-copy */
		return;
}

#define SWAP(type, x, y)                                                       \
	do {                                                                   \
		type swapped = x;                                              \
		x = y;                                                         \
		y = swapped;                                                   \
	} while (0)

static weft_sema left, right;

void swap(void)
{
	SWAP(weft_sema, left, right); /* expect: weft-copy weft-copy weft-copy */
}
