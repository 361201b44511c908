/* Users mark types of their own with the same word. */
struct __attribute__((annotate("weft_nocopy"))) handle {
	int fd;
};
struct server {
	struct handle listener;
};

void use(struct server *a, struct server *b)
{
	*a = *b; /* expect: weft-copy */
}
