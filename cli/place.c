/* SPDX-License-Identifier: MIT */
#include "place.h"

#include "cli.h"
#include "keeper.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The library's, whose programs may use the place, too. */
enum { KEY_MOST = 64 * 1024 };

const char *place_url(const place_options *o)
{
	const char *url = o->url != NULL ? o->url : getenv("WEFT_AT");

	return url != NULL && url[0] != '\0' ? url : PLACE_DEFAULT;
}

place_name place_name_of(const place_options *o)
{
	place_name name;

	weft_fleet_url_redact(place_url(o), name.text, sizeof(name.text));
	return name;
}

/* Held back, as it may be the reason of a failure, which is told in one line. */
static void warn(void *arg, const char *line)
{
	place_command *c = arg;

	weft_mutex_lock(&c->lock);
	snprintf(c->warning, sizeof(c->warning), "%s", line);
	weft_mutex_unlock(&c->lock);
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
	case -EMFILE:
	case -ENFILE:
	case -ENOMEM:
	case -EAGAIN:
		*status = CLI_NO_RESOURCES;
		return strerror(-err);
	default:
		return strerror(-err);
	}
}

int place_open_status(int err)
{
	int status;

	if (err == -EINVAL)
		return CLI_TROUBLE;
	place_error(err, &status);
	return status == CLI_NO_RESOURCES ? status : CLI_UNAVAILABLE;
}

int place_trouble(place_command *c, int err)
{
	int status;
	const char *words = place_error(err, &status);

	weft_mutex_lock(&c->lock);
	weft_atomic_store(&c->told, true, relaxed);
	cli_trouble(c->command, "%s%s%s%s%s%s", c->key != NULL ? c->key : "",
		    c->key != NULL ? ": " : "", words,
		    c->warning[0] != '\0' ? " (" : "", c->warning,
		    c->warning[0] != '\0' ? ")" : "");
	weft_mutex_unlock(&c->lock);
	return status;
}

static int run(void *arg)
{
	place_command *c = arg;
	const weft_fleet_options options = {.warn = warn, .warn_arg = c,
					    .waits = c->waits,
					    .waits_arg = c->waits_arg};
	weft_fleet *fleet;
	int status;
	int err = weft_fleet_open(&fleet, place_url(&c->options), &options);

	if (err != 0) {
		cli_trouble(c->command, "%s: %s", place_name_of(&c->options).text,
			    c->warning[0] != '\0' ? c->warning : strerror(-err));
		return place_open_status(err);
	}
	if (c->wait > 0)
		weft_ctx_init_timeout(&c->ctx, NULL, c->wait);
	else
		weft_ctx_init(&c->ctx, NULL);
	status = c->fn(c, fleet);
	weft_ctx_fini(&c->ctx);
	weft_fleet_close(fleet);
	if (c->warning[0] != '\0' && !c->told)
		cli_trouble(c->command, "%s", c->warning);
	return status;
}

static int finish_output(const place_command *c, int status)
{
	return cli_finish_output(c->command, CLI_OK) == CLI_OK ? status : CLI_IO;
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
	if (c->wants_key && strlen(c->key) > KEY_MOST)
		return cli_trouble(c->command, "the key is longer than %d bytes",
				   KEY_MOST);
	signal(SIGXFSZ, SIG_IGN); /* a file that is too large is an error */
	if (c->blocks_pipe)
		keeper_block_pipe();
	return finish_output(c, weft_run(run, c));
}
