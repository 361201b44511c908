/* Comments that do not silence what stands there. */
#include <weft.h>

void assign(weft_mutex *a, weft_mutex *b)
{
	*a = *b; /* weft-vet: allow ctx -- another check; expect: weft-copy */
	*a = *b; /* weft-vet: allow nothing copy; expect: weft-copy */
	*a = *b; /* weft-vet: allow copyright; expect: weft-copy */
	/* weft-vet: allow copy -- too far away */

	*a = *b; /* expect: weft-copy */
	a++; /* weft-vet: allow copy -- not a line of its own */
	*a = *b; /* expect: weft-copy */
}
