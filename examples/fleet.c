/* SPDX-License-Identifier: MIT */
/*
 * One call in several processes: four of them want the same report at once. One
 * makes it, all print it; who asks within the next minute has it without a call.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weft.h>
#include <weft/fleet.h>

static int make_report(weft_ctx *ctx, void *arg, weft_fleet_run *run)
{
	(void)arg;
	puts("making the report");
	fflush(stdout);
	weft_sleep(ctx, WEFT_MS(300));
	return weft_fleet_run_add(run, "all is well", 11);
}

static int want_report(const char *url)
{
	weft_fleet_call call = {
		.key = weft_key_str("report"), .fn = make_report,
		.mode = WEFT_FLEET_CACHE, .keep = WEFT_MINUTE,
	};
	weft_fleet *fleet;
	weft_bytes report;

	if (weft_fleet_open(&fleet, url, NULL) != 0 ||
	    weft_fleet_do(fleet, NULL, &call, &report, NULL) != 0)
		return 1;
	printf("%s\n", (const char *)report.data);
	weft_bytes_release(&report);
	weft_fleet_close(fleet);
	return 0;
}

int main(void)
{
	char url[] = "dir:/tmp/weft-example-XXXXXX", command[64];

	if (mkdtemp(url + 4) == NULL)
		return 1;
	for (int i = 0; i < 4; i++)
		if (fork() == 0)
			return want_report(url);
	while (wait(NULL) > 0)
		;
	snprintf(command, sizeof command, "rm -r %s", url + 4);
	return system(command);
}
/*
 * Output:
 * making the report
 * all is well
 * all is well
 * all is well
 * all is well
 */
