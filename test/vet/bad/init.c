/* Initialisation by copy, with and without names, at any depth. */
#include <weft.h>

struct pair {
	weft_mutex first, second;
};
struct job {
	int n;
	struct pair locks;
};

static struct job jobs[2];
static weft_waitgroup wg;

void init(const struct job *job, int which)
{
	struct job whole = *job;			 /* expect: weft-copy */
	struct job element = jobs[1];			 /* expect: weft-copy */
	struct job part = {1, {job->locks.first}};	 /* expect: weft-copy */
	struct job named = {.locks = job->locks};	 /* expect: weft-copy */
	struct job deep = {.locks.second = jobs[0].locks.first}; /* expect: weft-copy */
	struct job array[2] = {[1] = *job};		 /* expect: weft-copy */
	struct job chosen = which ? jobs[0] : jobs[1];	 /* expect: weft-copy */
	struct job fresh_or_not = which ? jobs[0] : (struct job){0}; /* expect: weft-copy */
	struct job comma = (which++, jobs[0]);		 /* expect: weft-copy */
	struct job block = ({ which++; jobs[0]; });	 /* expect: weft-copy */
	struct job *literal = &(struct job){.locks = jobs[0].locks}; /* expect: weft-copy */
	__auto_type same = wg;				 /* expect: weft-copy */
	static int done;

	for (weft_waitgroup copy = wg; !done; done++)	 /* expect: weft-copy */
		(void)copy;
	(void)whole;
	(void)element;
	(void)part;
	(void)named;
	(void)deep;
	(void)array;
	(void)chosen;
	(void)fresh_or_not;
	(void)comma;
	(void)block;
	(void)literal;
	(void)same;
}
