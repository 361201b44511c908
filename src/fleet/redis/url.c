/* SPDX-License-Identifier: MIT */
#include "fleet/redis/url.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DATABASE = 1 << 20, MAX_SPACE_BYTES = 64 };

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Replace every %XX, in place. False: something else follows a %, or a NUL. */
static bool decode(char *text)
{
	char *to = text;

	if (text == NULL)
		return true;
	for (; *text != '\0'; text++) {
		if (*text == '%') {
			int high = hex_digit(text[1]);
			int low = high < 0 ? -1 : hex_digit(text[2]);

			if (low < 0 || high * 16 + low == 0)
				return false;
			*to++ = (char)(high * 16 + low);
			text += 2;
		} else {
			*to++ = *text;
		}
	}
	*to = '\0';
	return true;
}

/* Cut text at its first (last) c. Returns what follows, NULL without a c. */
static char *cut(char *text, char c)
{
	char *at = text ? strchr(text, c) : NULL;

	if (at != NULL)
		*at++ = '\0';
	return at;
}

static char *cut_last(char *text, char c)
{
	char *at = strrchr(text, c);

	if (at != NULL)
		*at++ = '\0';
	return at;
}

static bool read_number(const char *text, int most, int *number)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (!isdigit((unsigned char)*text) || *end != '\0' || n < 0 || n > most)
		return false;
	*number = (int)n;
	return true;
}

/* A brace would move the slot of the keys, a blank end a word of a message. */
static bool is_space_name(const char *name)
{
	return *name != '\0' && strlen(name) <= MAX_SPACE_BYTES &&
	       strpbrk(name, "{} \t\r\n") == NULL;
}

/* The file that an option of TLS names; NULL: it is no such option. */
static char **file_of(weft__redis_url *u, const char *option)
{
	if (strcmp(option, "cafile") == 0)
		return &u->ca_path;
	if (strcmp(option, "cert") == 0)
		return &u->cert_path;
	return strcmp(option, "key") == 0 ? &u->key_path : NULL;
}

static const char *read_options(weft__redis_url *u, char *text)
{
	while (text != NULL && *text != '\0') {
		char *next = cut(text, '&'), *value = cut(text, '=');

		if (value == NULL || !decode(value))
			return "an option without a value";
		if (strcmp(text, "db") == 0) {
			if (!read_number(value, MAX_DATABASE, &u->database))
				return "db is not a number";
		} else if (strcmp(text, "ns") == 0) {
			if (!is_space_name(value))
				return "ns is empty, has blanks or braces, or is longer than 64 bytes";
			u->space = value;
		} else if (file_of(u, text) != NULL) {
			if (!u->tls)
				return "cafile, cert and key are for rediss://";
			*file_of(u, text) = value;
		} else {
			return "an option that is none of ns, db, cafile, cert and key";
		}
		text = next;
	}
	return NULL;
}

/* USER:PASSWORD@ or :PASSWORD@; returns what follows. */
static char *read_user(weft__redis_url *u, char *text)
{
	char *rest = cut_last(text, '@');

	if (rest == NULL)
		return text;
	u->password = cut(text, ':');
	u->user = *text != '\0' ? text : NULL;
	return rest;
}

static const char *read_host(weft__redis_url *u, char *text)
{
	int port;

	u->host = text;
	if (*text == '[') {
		u->host = text + 1;
		text = cut(text, ']');
		if (text == NULL)
			return "a [ without a ]";
	}
	u->port = cut(text, ':');
	if (u->port == NULL)
		u->port = "6379";
	if (!read_number(u->port, 65535, &port) || port == 0)
		return "the port is not a number from 1 to 65535";
	if (*u->host == '\0')
		return "no host";
	return NULL;
}

static const char *read_server(weft__redis_url *u, char *text)
{
	char *at = strrchr(text, '@');
	char *database = strchr(at != NULL ? at : text, '/');
	const char *complaint;

	if (database != NULL)
		*database++ = '\0';
	complaint = read_host(u, read_user(u, text));
	if (complaint == NULL && database != NULL && *database != '\0' &&
	    !read_number(database, MAX_DATABASE, &u->database))
		complaint = "the database is not a number";
	return complaint;
}

static const char *read_path(weft__redis_url *u, char *text)
{
	u->path = read_user(u, text);
	return *u->path == '/' ? NULL : "the path does not begin with a /";
}

static char *skip(char *text, const char *prefix)
{
	size_t length = strlen(prefix);

	return strncmp(text, prefix, length) == 0 ? text + length : NULL;
}

static const char *read_url(weft__redis_url *u, char *text)
{
	char *rest, *options = cut(text, '?');
	const char *complaint = "not redis://, rediss://, unix: or redis+unix://";

	if ((rest = skip(text, "redis://")) != NULL) {
		complaint = read_server(u, rest);
	} else if ((rest = skip(text, "rediss://")) != NULL) {
		u->tls = true;
		complaint = read_server(u, rest);
	} else if ((rest = skip(text, "redis+unix://")) != NULL ||
		   (rest = skip(text, "unix://")) != NULL ||
		   (rest = skip(text, "unix:")) != NULL) {
		complaint = read_path(u, rest);
	}
	if (complaint == NULL)
		complaint = read_options(u, options);
	if (complaint == NULL && !u->cert_path != !u->key_path)
		complaint = "cert and key belong together";
	if (complaint == NULL && u->user != NULL && u->password == NULL)
		complaint = "a user without a password";
	if (complaint == NULL && !(decode(u->host) && decode(u->path) &&
				   decode(u->user) && decode(u->password)))
		complaint = "a % that is not followed by two digits";
	return complaint;
}

int weft__redis_url_init(weft__redis_url *u, const char *url,
			 const char **complaint)
{
	*u = (weft__redis_url){.space = "weft"};
	u->priv_text = malloc(strlen(url) + 1);
	if (u->priv_text == NULL)
		return -ENOMEM;
	*complaint = read_url(u, strcpy(u->priv_text, url));
	if (*complaint == NULL)
		return 0;
	weft__redis_url_fini(u);
	return -EINVAL;
}

void weft__redis_url_fini(weft__redis_url *u)
{
	free(u->priv_text);
	u->priv_text = NULL;
}
