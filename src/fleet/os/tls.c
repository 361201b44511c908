/* SPDX-License-Identifier: MIT */
#include "fleet/os/tls.h"

#include "fleet/os/lock.h"
#include "fleet/os/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct weft__tls_setup {
	SSL_CTX *context;
	BIO_METHOD *wire;
};

struct weft__tls {
	SSL *ssl;
	weft__fleet_lock lock;	/* of ssl, which is for one thread at a time */
	int fd;
};

/* ---- the wire: our descriptor, which raises no signals ---- */

/* again: what to wait for, where nothing moves now. */
static int moved(BIO *wire, ptrdiff_t n, int again)
{
	BIO_clear_retry_flags(wire);
	if (n == -EAGAIN)
		BIO_set_flags(wire, again | BIO_FLAGS_SHOULD_RETRY);
	return n < 0 ? -1 : (int)n;
}

static int wire_write(BIO *wire, const char *data, int size)
{
	weft__tls *t = BIO_get_data(wire);

	return moved(wire, weft__net_send(t->fd, data, (size_t)size),
		     BIO_FLAGS_WRITE);
}

static int wire_read(BIO *wire, char *data, int size)
{
	weft__tls *t = BIO_get_data(wire);

	return moved(wire, weft__net_recv(t->fd, data, (size_t)size),
		     BIO_FLAGS_READ);
}

static long wire_control(BIO *wire, int command, long number, void *pointer)
{
	(void)wire, (void)number, (void)pointer;
	return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *wire_new(void)
{
	BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK,
				     "weft");

	if (m == NULL)
		return NULL;
	BIO_meth_set_write(m, wire_write);
	BIO_meth_set_read(m, wire_read);
	BIO_meth_set_ctrl(m, wire_control);
	return m;
}

/* ---- what all connections share ---- */

static int complain(weft__tls_reason *why, const char *about, int err)
{
	unsigned long first = ERR_peek_error();
	const char *reason = ERR_GET_LIB(first) == ERR_LIB_SYS
				     ? strerror(ERR_GET_REASON(first))
				     : ERR_reason_error_string(first);

	snprintf(why->text, sizeof why->text, "%s: %s", about,
		 reason != NULL ? reason : "it cannot be used");
	ERR_clear_error();
	return err;
}

/* A key that needs one is refused: nobody is asked at the terminal. */
static int no_passphrase(char *to, int size, int writing, void *arg)
{
	(void)to, (void)size, (void)writing, (void)arg;
	return 0;
}

static int load(SSL_CTX *c, const char *ca, const char *cert, const char *key,
		weft__tls_reason *why)
{
	SSL_CTX_set_default_passwd_cb(c, no_passphrase);
	if (ca == NULL && SSL_CTX_set_default_verify_paths(c) != 1)
		return complain(why, "the system's certificates", -EINVAL);
	if (ca != NULL && SSL_CTX_load_verify_locations(c, ca, NULL) != 1)
		return complain(why, "cafile", -EINVAL);
	if (cert != NULL && SSL_CTX_use_certificate_chain_file(c, cert) != 1)
		return complain(why, "cert", -EINVAL);
	if (key != NULL && SSL_CTX_use_PrivateKey_file(c, key, SSL_FILETYPE_PEM) != 1)
		return complain(why, "key", -EINVAL);
	return 0;
}

int weft__tls_setup_new(weft__tls_setup **out, const char *ca_path,
			const char *cert_path, const char *key_path,
			weft__tls_reason *why)
{
	weft__tls_setup *s = calloc(1, sizeof *s);
	int err = s != NULL ? 0 : -ENOMEM;

	*out = NULL;
	if (s == NULL)
		return err;
	ERR_clear_error();	/* of others, on this thread */
	/* Our threads may run on while the process exits. */
	OPENSSL_init_ssl(OPENSSL_INIT_NO_ATEXIT, NULL);
	s->wire = wire_new();
	s->context = SSL_CTX_new(TLS_client_method());
	if (s->wire == NULL || s->context == NULL) {
		err = complain(why, "TLS", -ENOMEM);
	} else {
		SSL_CTX_set_verify(s->context, SSL_VERIFY_PEER, NULL);
		SSL_CTX_set_min_proto_version(s->context, TLS1_2_VERSION);
		SSL_CTX_set_mode(s->context,
				 SSL_MODE_ENABLE_PARTIAL_WRITE |
					 SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
		err = load(s->context, ca_path, cert_path, key_path, why);
	}
	if (err != 0)
		weft__tls_setup_free(s);
	else
		*out = s;
	return err;
}

void weft__tls_setup_free(weft__tls_setup *s)
{
	if (s == NULL)
		return;
	SSL_CTX_free(s->context);
	BIO_meth_free(s->wire);
	free(s);
}

/* ---- one connection ---- */

static bool is_address(const char *host)
{
	unsigned char room[16];

	return inet_pton(AF_INET, host, room) == 1 ||
	       inet_pton(AF_INET6, host, room) == 1;
}

/* Whose certificate is wanted. */
static bool expect(SSL *ssl, const char *host)
{
	if (is_address(host))
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl),
						     host) == 1;
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return SSL_set1_host(ssl, host) == 1 &&
	       SSL_set_tlsext_host_name(ssl, host) == 1;
}

static weft__tls *tls_new(const weft__tls_setup *s, int fd, const char *host)
{
	weft__tls *t = calloc(1, sizeof *t);
	BIO *wire = NULL;

	if (t == NULL)
		return NULL;
	t->fd = fd;
	t->ssl = SSL_new(s->context);
	if (t->ssl != NULL)
		wire = BIO_new(s->wire);
	if (wire == NULL || !expect(t->ssl, host)) {
		BIO_free(wire);
		weft__tls_end(t);
		return NULL;
	}
	BIO_set_data(wire, t);
	BIO_set_init(wire, 1);
	SSL_set_bio(t->ssl, wire, wire);
	return t;
}

void weft__tls_end(weft__tls *t)
{
	if (t == NULL)
		return;
	SSL_free(t->ssl);
	free(t);
}

/*
 * n as SSL_read() and the like return it, with the lock held, and with no error
 * of before in the thread's queue: that would be taken for one of n.
 */
static ptrdiff_t outcome(weft__tls *t, int n)
{
	int error = SSL_get_error(t->ssl, n);

	if (n > 0)
		return n;
	ERR_clear_error();
	if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
		return -EAGAIN;
	return error == SSL_ERROR_ZERO_RETURN ? 0 : -ECONNRESET;
}

static int refuse(weft__tls *t, weft__tls_reason *why)
{
	long verdict = SSL_get_verify_result(t->ssl);

	if (verdict == X509_V_OK && ERR_peek_error() != 0)
		return complain(why, "TLS", -EPROTO);
	if (verdict == X509_V_OK) {
		snprintf(why->text, sizeof why->text,
			 "TLS: the connection was closed");
		return -EPROTO;
	}
	snprintf(why->text, sizeof why->text, "the server's certificate: %s",
		 X509_verify_cert_error_string(verdict));
	ERR_clear_error();
	return -EPROTO;
}

static int shake_hands(weft__tls *t, weft_time until, weft__tls_reason *why)
{
	int n, wanted;

	ERR_clear_error();	/* of others, on this thread */
	while ((n = SSL_connect(t->ssl)) != 1) {
		wanted = SSL_get_error(t->ssl, n);
		if (wanted != SSL_ERROR_WANT_READ &&
		    wanted != SSL_ERROR_WANT_WRITE)
			return refuse(t, why);
		if (weft__net_wait(t->fd, wanted == SSL_ERROR_WANT_READ
						  ? WEFT__NET_IN
						  : WEFT__NET_OUT,
				   -1, until) == 0) {
			snprintf(why->text, sizeof why->text, "TLS: no answer");
			return -EPROTO;
		}
	}
	return 0;
}

int weft__tls_begin(weft__tls **out, const weft__tls_setup *s, int fd,
		    const char *host, weft_time until, weft__tls_reason *why)
{
	int err;

	*out = tls_new(s, fd, host);
	if (*out == NULL)
		return complain(why, "TLS", -ENOMEM);
	err = shake_hands(*out, until, why);
	if (err != 0) {
		weft__tls_end(*out);
		*out = NULL;
	}
	return err;
}

static int bounded(size_t size)
{
	return size < 1 << 30 ? (int)size : 1 << 30;
}

ptrdiff_t weft__tls_send(weft__tls *t, const void *data, size_t size)
{
	ptrdiff_t n;

	weft__fleet_lock_take(&t->lock);
	ERR_clear_error();
	n = outcome(t, SSL_write(t->ssl, data, bounded(size)));
	weft__fleet_lock_drop(&t->lock);
	return n != 0 ? n : -ECONNRESET;
}

ptrdiff_t weft__tls_recv(weft__tls *t, void *data, size_t size)
{
	ptrdiff_t n;

	weft__fleet_lock_take(&t->lock);
	ERR_clear_error();
	n = outcome(t, SSL_read(t->ssl, data, bounded(size)));
	weft__fleet_lock_drop(&t->lock);
	return n;
}
