/* SPDX-License-Identifier: MIT */
#include "place.h"

#include "cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *place_url(const place_options *o)
{
	const char *url = o->url != NULL ? o->url : getenv("WEFT_AT");

	return url != NULL && url[0] != '\0' ? url : PLACE_DEFAULT;
}

/* While the place is opened this may be the reason why it cannot be. */
static void warn(void *arg, const char *line)
{
	place_command *c = arg;

	if (c->opened)
		cli_trouble(c->command, "%s", line);
	else
		snprintf(c->warning, sizeof(c->warning), "%s", line);
}

const char *place_error(int err, int *status)
{
	*status = CLI_UNAVAILABLE;
	switch (err) {
	case -ETIMEDOUT:
	case -ECANCELED:
		*status = CLI_LATE;
		return "nothing came in the time there was";
	case -EBADMSG:
		*status = CLI_MISMATCH;
		return "the key is in use for another command";
	case -EOWNERDEAD:
		*status = CLI_LOST;
		return "a run of it was lost, and may not be repeated";
	case -ELOOP:
		*status = CLI_LOST;
		return "too many runs of it have died";
	case -ENOENT:
		*status = CLI_NOTHING;
		return "nothing runs, and nothing is kept";
	case -EHOSTDOWN:
		return "the place does not answer";
	case -EDEADLK:
		*status = CLI_TROUBLE;
		return "a run may not wait for itself";
	default:
		return strerror(-err);
	}
}

int place_trouble(const place_command *c, int err)
{
	int status;
	const char *words = place_error(err, &status);

	if (c->key != NULL)
		cli_trouble(c->command, "%s: %s", c->key, words);
	else
		cli_trouble(c->command, "%s", words);
	return status;
}

static int run(void *arg)
{
	place_command *c = arg;
	const weft_fleet_options options = {.warn = warn, .warn_arg = c};
	const char *url = place_url(&c->options);
	weft_fleet *fleet;
	int status;
	int err = weft_fleet_open(&fleet, url, &options);

	if (err != 0) {
		cli_trouble(c->command, "%s: %s", url, c->warning[0] != '\0'
							       ? c->warning
							       : strerror(-err));
		return err == -EINVAL ? CLI_TROUBLE : CLI_UNAVAILABLE;
	}
	c->opened = true;
	if (c->warning[0] != '\0')
		cli_trouble(c->command, "%s", c->warning);
	if (c->wait > 0)
		weft_ctx_init_timeout(&c->ctx, NULL, c->wait);
	else
		weft_ctx_init(&c->ctx, NULL);
	status = c->fn(c, fleet);
	weft_ctx_fini(&c->ctx);
	weft_fleet_close(fleet);
	return status;
}

int place_main(place_command *c, const cli_options *options, int argc, char **argv)
{
	int at = 1, status;

	c->command = options->command;
	if (cli_options_read(options, argv, &at, &status) != 0)
		return status;
	if (argv[at] != NULL && strcmp(argv[at], "--") == 0)
		at++;
	if (c->wants_key && (at == argc || argv[at][0] == '\0'))
		return cli_trouble(c->command, "no key (see %s --help)", c->command);
	if (c->wants_key)
		c->key = argv[at++];
	if (c->wants_key && cli_options_read(options, argv, &at, &status) != 0)
		return status;
	if (at < argc)
		return cli_options_unexpected(options, argv[at]);
	return cli_finish_output(c->command, weft_run(run, c));
}
