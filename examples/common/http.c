/* SPDX-License-Identifier: MIT */
#include "http.h"

#include <curl/curl.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

typedef struct request request;
struct request {
	const char *url;
	CURL *easy;
	http_response *response;
	size_t room;	/* for data, in *response */
	int err;
	bool running;	/* the multi handle has it: the owner's */
	weft_waitgroup over;

	/* Under the client's mutex. */
	bool queued;
	bool leaving;	/* its caller wants it back, finished or not */
	bool finished;
	request *next;
};

struct http_client {
	CURLM *multi;
	int epoll, wake;	/* all sockets and wake; an eventfd */
	weft_time timer;	/* when curl wants to be called; the owner's */
	weft_waitgroup owner;

	weft_mutex mutex;
	request *first, **last;	/* for the owner to look at */
	bool closing;
};

/* ---- what curl calls, in the owner ---- */

static size_t receive(char *bytes, size_t one, size_t count, void *arg)
{
	request *r = arg;
	size_t size = one * count, have = r->response ? r->response->size : 0;

	if (r->response == NULL || have + size > r->room) {
		size_t room = (have + size) * 2 + 256;
		http_response *larger =
			realloc(r->response, sizeof *larger + room + 1);

		if (larger == NULL)
			return CURL_WRITEFUNC_ERROR;
		r->response = larger;
		r->room = room;
	}
	memcpy(r->response->data + have, bytes, size);
	r->response->size = have + size;
	return size;
}

static int watch(CURL *easy, curl_socket_t fd, int what, void *arg, void *known)
{
	http_client *c = arg;
	struct epoll_event event = {.data.fd = fd};

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		epoll_ctl(c->epoll, EPOLL_CTL_DEL, fd, NULL);
		return 0;
	}
	if (what & CURL_POLL_IN)
		event.events |= EPOLLIN;
	if (what & CURL_POLL_OUT)
		event.events |= EPOLLOUT;
	if (known == NULL)
		curl_multi_assign(c->multi, fd, c);
	return epoll_ctl(c->epoll, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd,
			 &event);
}

static int set_timer(CURLM *multi, long ms, void *arg)
{
	http_client *c = arg;

	(void)multi;
	c->timer = ms < 0 ? WEFT_NEVER : weft_now() + WEFT_MS(ms);
	return 0;
}

/* ---- the owner ---- */

static int error_of(CURLcode code)
{
	switch (code) {
	case CURLE_OK:
		return 0;
	case CURLE_COULDNT_CONNECT:
		return -ECONNREFUSED;
	case CURLE_COULDNT_RESOLVE_HOST:
		return -EHOSTUNREACH;
	case CURLE_URL_MALFORMAT:
	case CURLE_UNSUPPORTED_PROTOCOL:
		return -EINVAL;
	case CURLE_OUT_OF_MEMORY:
	case CURLE_WRITE_ERROR:
		return -ENOMEM;
	default:
		return -EIO;
	}
}

static void unqueue(http_client *c, request *r)
{
	request **link = &c->first;

	while (*link != r)
		link = &(*link)->next;
	*link = r->next;
	if (c->last == &r->next)
		c->last = link;
	r->queued = false;
}

/* r is its caller's again: nothing of it is touched after this. */
static void finish(http_client *c, request *r, int err)
{
	if (r->running)
		curl_multi_remove_handle(c->multi, r->easy);
	r->err = err;
	weft_mutex_lock(&c->mutex);
	if (r->queued)
		unqueue(c, r);
	r->finished = true;
	weft_mutex_unlock(&c->mutex);
	weft_waitgroup_done(&r->over);
}

static void look_at(http_client *c, request *r, bool leaving)
{
	if (leaving)
		finish(c, r, -ECANCELED);
	else if (curl_multi_add_handle(c->multi, r->easy) != CURLM_OK)
		finish(c, r, -ENOMEM);
	else
		r->running = true;
}

/* False: there is nothing more, and never will be. */
static bool look_at_queue(http_client *c)
{
	for (;;) {
		bool leaving, closing;
		request *r;

		weft_mutex_lock(&c->mutex);
		r = c->first;
		if (r != NULL)
			unqueue(c, r);
		leaving = r != NULL && r->leaving;
		closing = c->closing;
		weft_mutex_unlock(&c->mutex);
		if (r == NULL)
			return !closing;
		look_at(c, r, leaving);
	}
}

static void collect(http_client *c)
{
	CURLMsg *message;
	int more;

	while ((message = curl_multi_info_read(c->multi, &more)) != NULL) {
		request *r;

		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &r);
		finish(c, r, error_of(message->data.result));
	}
}

static void act(http_client *c, const struct epoll_event *event)
{
	int what = 0, running;
	uint64_t wakes;

	if (event->data.fd == c->wake) {
		(void)!read(c->wake, &wakes, sizeof wakes);
		return;
	}
	if (event->events & (EPOLLIN | EPOLLHUP))
		what |= CURL_CSELECT_IN;
	if (event->events & EPOLLOUT)
		what |= CURL_CSELECT_OUT;
	if (event->events & EPOLLERR)
		what |= CURL_CSELECT_ERR;
	curl_multi_socket_action(c->multi, event->data.fd, what, &running);
}

static void wait_and_act(http_client *c)
{
	struct epoll_event events[64];
	weft_ctx until;
	int count, ready, running;

	weft_ctx_init_deadline(&until, NULL, c->timer);
	ready = weft_wait_fd(&until, c->epoll, POLLIN);
	weft_ctx_fini(&until);
	count = ready > 0 ? epoll_wait(c->epoll, events, 64, 0) : 0;
	for (int i = 0; i < count; i++)
		act(c, &events[i]);
	if (c->timer <= weft_now()) {
		c->timer = WEFT_NEVER;	/* unless it sets it again */
		curl_multi_socket_action(c->multi, CURL_SOCKET_TIMEOUT, 0,
					 &running);
	}
}

static void own(void *arg)
{
	http_client *c = arg;

	weft_task_name("http client");
	while (look_at_queue(c)) {
		wait_and_act(c);
		collect(c);
	}
}

/* ---- for everybody ---- */

static void wake(http_client *c)
{
	(void)!write(c->wake, &(uint64_t){1}, sizeof(uint64_t));
}

static void client_close(http_client *c)
{
	curl_multi_cleanup(c->multi);
	if (c->epoll >= 0)
		weft_fd_close(c->epoll);
	if (c->wake >= 0)
		close(c->wake);
	free(c);
}

http_client *http_client_new(long connections)
{
	http_client *c = calloc(1, sizeof *c);
	struct epoll_event event = {.events = EPOLLIN};

	if (c == NULL)
		return NULL;
	c->last = &c->first;
	c->timer = WEFT_NEVER;
	c->epoll = epoll_create1(EPOLL_CLOEXEC);
	c->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	c->multi = curl_multi_init();
	event.data.fd = c->wake;
	if (c->multi == NULL || c->epoll < 0 ||
	    epoll_ctl(c->epoll, EPOLL_CTL_ADD, c->wake, &event) != 0) {
		client_close(c);
		return NULL;
	}
	curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, watch);
	curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c);
	curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, set_timer);
	curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c);
	curl_multi_setopt(c->multi, CURLMOPT_MAX_HOST_CONNECTIONS, connections);
	if (weft_waitgroup_go(&c->owner, own, c) != 0) {
		client_close(c);
		return NULL;
	}
	return c;
}

void http_client_free(http_client *c)
{
	weft_mutex_lock(&c->mutex);
	c->closing = true;
	weft_mutex_unlock(&c->mutex);
	wake(c);
	weft_waitgroup_wait(&c->owner);
	client_close(c);
}

static void submit(http_client *c, request *r, bool leaving)
{
	weft_mutex_lock(&c->mutex);
	r->leaving = leaving;
	if (!r->queued && !r->finished) {
		r->queued = true;
		r->next = NULL;
		*c->last = r;
		c->last = &r->next;
	}
	weft_mutex_unlock(&c->mutex);
	wake(c);
}

static bool request_prepare(request *r)
{
	r->easy = curl_easy_init();
	r->response = calloc(1, sizeof *r->response + 1);
	if (r->easy == NULL || r->response == NULL)
		return false;
	curl_easy_setopt(r->easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(r->easy, CURLOPT_PRIVATE, r);
	curl_easy_setopt(r->easy, CURLOPT_WRITEFUNCTION, receive);
	curl_easy_setopt(r->easy, CURLOPT_WRITEDATA, r);
	curl_easy_setopt(r->easy, CURLOPT_PROTOCOLS_STR, "http,https");
	return curl_easy_setopt(r->easy, CURLOPT_URL, r->url) == CURLE_OK;
}

static int request_run(http_client *c, weft_ctx *ctx, request *r)
{
	int err;

	if (!request_prepare(r))
		return -ENOMEM;
	weft_waitgroup_add(&r->over, 1);
	submit(c, r, false);
	err = weft_waitgroup_wait_ctx(&r->over, ctx);
	if (err == 0)
		return r->err;
	submit(c, r, true);
	weft_waitgroup_wait(&r->over);
	return r->err == -ECANCELED ? err : r->err;
}

int http_get(http_client *c, weft_ctx *ctx, const char *url,
	     http_response **response)
{
	request r = {.url = url};
	int err = request_run(c, ctx, &r);

	*response = NULL;
	if (err == 0) {
		curl_easy_getinfo(r.easy, CURLINFO_RESPONSE_CODE,
				  &r.response->status);
		r.response->data[r.response->size] = '\0';
		*response = r.response;
	} else {
		free(r.response);
	}
	curl_easy_cleanup(r.easy);
	return err;
}
