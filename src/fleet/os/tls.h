/* SPDX-License-Identifier: MIT */
/*
 * TLS over a descriptor of net.h: tls.c has OpenSSL's, no_tls.c is for builds
 * without it. The other side has to show a certificate that is good for its name.
 */
#ifndef WEFT_SRC_FLEET_OS_TLS_H
#define WEFT_SRC_FLEET_OS_TLS_H

#include <weft/base.h>
#include <weft/time.h>

/* What all connections to a place share. */
typedef struct weft__tls_setup weft__tls_setup;

/* One connection. */
typedef struct weft__tls weft__tls;

/* What went wrong, in words. */
typedef struct {
	char text[160];
} weft__tls_reason;

/*
 * ca_path: the certificates to trust, in one file; NULL: the system's. cert_path and
 * key_path: our own, or NULL.
 *
 * Returns 0 and *out; or, with *why, -ENOTSUP: built without, -EINVAL: a file
 * that cannot be used, or -ENOMEM.
 */
int weft__tls_setup_new(weft__tls_setup **out, const char *ca_path,
			const char *cert_path, const char *key_path,
			weft__tls_reason *why);
/* s may be NULL. */
void weft__tls_setup_free(weft__tls_setup *s);

/*
 * Speak TLS on fd, which is connected to host, and have made sure of that until
 * the time is until.
 *
 * Returns 0 and *out, which must end before fd is closed; or, with *why,
 * -EPROTO or -ENOMEM.
 */
int weft__tls_begin(weft__tls **out, const weft__tls_setup *s, int fd,
		    const char *host, weft_time until, weft__tls_reason *why);
/* t may be NULL. */
void weft__tls_end(weft__tls *t);

/* As weft__net_send() and _recv(). From several threads at once. */
ptrdiff_t weft__tls_send(weft__tls *t, const void *data, size_t size);
ptrdiff_t weft__tls_recv(weft__tls *t, void *data, size_t size);

#endif
