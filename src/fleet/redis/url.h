/* SPDX-License-Identifier: MIT */
/* Where a server is, and as whom to speak to it. */
#ifndef WEFT_SRC_FLEET_REDIS_URL_H
#define WEFT_SRC_FLEET_REDIS_URL_H

#include <weft/base.h>

typedef struct weft__redis_url weft__redis_url;
struct weft__redis_url {
	char *host, *port;	/* or */
	char *path;
	char *user, *password;	/* NULL: none */
	char *space;		/* what keys and channels begin with */
	int database;
	bool tls;
	char *ca_path, *cert_path, *key_path;	/* NULL: not given */
	char *priv_text;	/* what the others point into */
};

/*
 * Take url apart:
 *
 *	redis://[[USER]:PASSWORD@]HOST[:PORT][/DB][?ns=NAME]
 *	rediss://…[?cafile=PATH&cert=PATH&key=PATH] the same over TLS
 *	unix:PATH[?db=N][&ns=NAME]                  or redis+unix://[…@]PATH…
 *
 * %XX stands for any byte. HOST may be an IPv6 address in brackets.
 *
 * Returns 0, -ENOMEM, or -EINVAL and in *complaint what is wrong, without the
 * url, which may have a password in it.
 */
int weft__redis_url_init(weft__redis_url *u, const char *url,
			 const char **complaint);
void weft__redis_url_fini(weft__redis_url *u);

#endif
