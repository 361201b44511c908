/* Fresh values, pointers and sizes. */
#include <stdlib.h>
#include <string.h>
#include <weft.h>

struct account {
	char name[16];
	int balance;
	weft_mutex lock;
	weft_locker locker;
};

static struct account accounts[2] = {{.balance = 1}, {.lock = {0}}};
static weft_mutex global = {0};

struct account *make(size_t n)
{
	struct account local = {0}, literal = (struct account){.balance = 2};
	struct account nested = {.lock = (weft_mutex){0}};
	struct account *p = malloc(n * sizeof(struct account));
	struct account **table = calloc(n, sizeof(struct account *));
	struct account **other = malloc(n * sizeof(*table));

	memset(&local, 0, sizeof(local));
	memset(p, 0, n * sizeof(*p));
	p->balance = literal.balance + nested.balance;
	memcpy(p->name, local.name, sizeof(local.name));
	memcpy(p, &local, offsetof(struct account, lock));
	memcpy(other, table, n * sizeof(struct account *));
	table = realloc(table, 2 * n * sizeof(*table));
	p = realloc(NULL, sizeof(*p));
	(void)global;
	(void)accounts[0];
	(void)sizeof(accounts[0]);
	free(table);
	free(other);
	return p != NULL ? p : &accounts[0];
}

struct account *choose(struct account *a, struct account *b, int which)
{
	struct account *p = which ? a : b, list[2] = {{.balance = 3}};

	p = (which++, b);
	list[0].balance = p->balance;
	return &list[1] == b ? a : p;
}

void array(weft_mutex all[4], weft_mutex (*matrix)[4], int n)
{
	weft_mutex *first = all, *row = matrix[1];

	weft_mutex_lock(&first[n]);
	weft_mutex_unlock(&row[n]);
}
