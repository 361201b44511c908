/* SPDX-License-Identifier: MIT */
#include "fleet/os/tls.h"

#include <errno.h>
#include <stdio.h>

int weft__tls_setup_new(weft__tls_setup **out, const char *ca_path,
			const char *cert_path, const char *key_path,
			weft__tls_reason *why)
{
	(void)ca_path, (void)cert_path, (void)key_path;
	*out = NULL;
	snprintf(why->text, sizeof why->text,
		 "built without OpenSSL, and so without TLS");
	return -ENOTSUP;
}

void weft__tls_setup_free(weft__tls_setup *s)
{
	(void)s;
}

/* Nobody has a setup for these. */

int weft__tls_begin(weft__tls **out, const weft__tls_setup *s, int fd,
		    const char *host, weft_time until, weft__tls_reason *why)
{
	(void)out, (void)s, (void)fd, (void)host, (void)until, (void)why;
	return -ENOTSUP;
}

void weft__tls_end(weft__tls *t)
{
	(void)t;
}

ptrdiff_t weft__tls_send(weft__tls *t, const void *data, size_t size)
{
	(void)t, (void)data, (void)size;
	return -ENOTSUP;
}

ptrdiff_t weft__tls_recv(weft__tls *t, void *data, size_t size)
{
	(void)t, (void)data, (void)size;
	return -ENOTSUP;
}
