/* SPDX-License-Identifier: MIT */
/*
 * A lock of the fleet that a hundred tasks of this process want: the directory is
 * asked a few times, not a hundred, and each passage has a token of its own.
 */
#include <stdio.h>
#include <stdlib.h>
#include <weft.h>
#include <weft/fleet.h>

static weft_fleet_gate stock;
static int pieces = 1000;
static uint64_t fence[2];

static int take(weft_ctx *ctx, void *arg)
{
	weft_fleet_pass pass;
	int err = weft_fleet_gate_lock(&stock, ctx, &pass);

	(void)arg;
	if (err != 0)
		return err;
	if (pass.token > fence[0] ||
	    (pass.token == fence[0] && pass.seq > fence[1])) {
		fence[0] = pass.token;
		fence[1] = pass.seq;
		weft_sleep(ctx, WEFT_US(50));	/* a query */
		pieces -= 3;
	}
	return weft_fleet_gate_unlock(&stock);
}

int main(void)
{
	char url[] = "dir:/tmp/weft-example-XXXXXX", command[64];
	weft_fleet_counters n;
	weft_fleet *fleet;
	weft_group g = {0};

	if (mkdtemp(url + 4) == NULL || weft_fleet_open(&fleet, url, NULL) != 0 ||
	    weft_fleet_gate_init(&stock, fleet, weft_key_str("stock")) != 0)
		return 1;
	for (int i = 0; i < 100; i++)
		weft_group_go(&g, take, NULL);
	if (weft_group_wait(&g) == 0)
		printf("%d pieces left\n", pieces);
	weft_fleet_count(fleet, &n);
	printf("%d passages, %s\n", (int)n.passes,
	       n.commands < 50 ? "few commands" : "many commands");
	weft_fleet_gate_fini(&stock);
	weft_fleet_close(fleet);
	snprintf(command, sizeof command, "rm -r %s", url + 4);
	return system(command);
}
/*
 * Output:
 * 700 pieces left
 * 100 passages, few commands
 */
