/* SPDX-License-Identifier: MIT */
#include "cli.h"
#include "json.h"
#include "place.h"

#include <stdio.h>
#include <string.h>

static const char help[] =
	"usage: weft doctor [OPTION...]\n"
	"\n"
	"Examine the place: can it be used, and would a setting break a promise? Exits\n"
	"with 0 when all is well, 1 when something does not work or may not some day, 69\n"
	"when the place cannot be opened.\n"
	"\n"
	"      --at URL          the place ($WEFT_AT, or dir:)\n"
	"      --json            an object for each fact, a line each\n"
	"  -h, --help            print this\n";

typedef struct doctor {
	bool as_json;
	int bad;
} doctor;

static const char *const verdicts[] = {
	[WEFT_FLEET_FINE] = "fine",
	[WEFT_FLEET_WARNING] = "warning",
	[WEFT_FLEET_BROKEN] = "broken",
};

static void print_json(enum weft_fleet_verdict verdict, const char *what,
		       const char *found)
{
	json j = {0};

	json_add(&j, "{\"verdict\": \"%s\", \"what\": ", verdicts[verdict]);
	json_add_string(&j, what, strlen(what));
	json_add(&j, ", \"found\": ");
	json_add_string(&j, found, strlen(found));
	json_add(&j, "}\n");
	if (!j.failed)
		fwrite(j.text, 1, j.size, stdout);
	json_fini(&j);
}

static void tell(void *arg, enum weft_fleet_verdict verdict, const char *what,
		 const char *found)
{
	doctor *d = arg;

	d->bad += verdict != WEFT_FLEET_FINE;
	if (d->as_json)
		print_json(verdict, what, found);
	else
		printf("%-8s %-16s %s\n", verdicts[verdict], what, found);
}

static int examine(place_command *c, weft_fleet *fleet)
{
	doctor d = {.as_json = c->options.json};
	int err;

	if (!d.as_json)
		printf("%-8s %-16s %s\n", "", "place",
		       place_name_of(&c->options).text);
	err = weft_fleet_doctor(fleet, &c->ctx, tell, &d);
	return err != 0 || d.bad > 0 ? CLI_BAD_RESULT : CLI_OK;
}

int cmd_doctor(int argc, char **argv)
{
	place_command c = {.fn = examine};
	const cli_option table[] = {
		{"at", 0, CLI_TEXT, &c.options.url, 0, 0},
		{"json", 0, CLI_FLAG_ON, &c.options.json, 0, 0},
	};
	const cli_options options = {"weft doctor", help, table, 2};

	return place_main(&c, &options, argc, argv);
}
