/* Parameters, arguments, results. */
#include <stdarg.h>
#include <weft.h>

struct shared {
	weft_cond cond;
	int n;
};

static struct shared shared;

void take(weft_mutex m);		    /* expect: weft-copy */
struct shared give(void);		    /* expect: weft-copy */
void print(const char *format, ...);
typedef void handler(struct shared s);	    /* expect: weft-copy */
struct handlers {
	void (*on_event)(int, weft_group);  /* expect: weft-copy */
};

void take(weft_mutex m) /* a second declaration: reported where it was first */
{
	weft_mutex_lock(&m);
}

struct shared give(void)
{
	return shared; /* expect: weft-copy */
}

static int local(struct shared *p, struct shared s) /* expect: weft-copy */
{
	return p->n + s.n;
}

int call(weft_mutex *m, handler *handle)
{
	take(*m);			  /* expect: weft-copy */
	print("%d", shared);		  /* expect: weft-copy */
	handle(shared);			  /* expect: weft-copy */
	return local(&shared, shared);	  /* expect: weft-copy */
}
