/* SPDX-License-Identifier: MIT */
#include "weft_bench.h"

double waitgroup_add_done(long n)
{
	weft_waitgroup object = {0}, *wg = &object;
	int64_t start = bench_now();
	for (long i = n; i; i--) {
		BENCH_OPAQUE(wg);
		weft_waitgroup_add(wg, 1);
		weft_waitgroup_done(wg);
	}
	double ns = bench_per_op(start, n);
	weft_waitgroup_wait(wg);
	return ns;
}
