/* SPDX-License-Identifier: MIT */
#include "sockets.h"

#include <stddef.h>
#include <sys/un.h>
#include <sys/wait.h>

void bench_pairs(struct bench_sockets *s, long n, int pairs, int flags)
{
	*s = (struct bench_sockets){
		.count = 2 * pairs, .askers = pairs, .each = n / pairs};
	for (int i = 0; i < pairs; i++) {
		int ends[2];
		BENCH_CHECK(!socketpair(AF_UNIX, SOCK_STREAM | flags, 0, ends));
		s->ends[i] = ends[0];
		s->ends[pairs + i] = ends[1];
	}
}

/* A socket whose name in the kernel's own name space is told in name. */
static int listen_at(char *name, size_t size_bytes)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int length = snprintf(name, size_bytes, "weft-bench-%d", getpid());
	memcpy(at.sun_path + 1, name, (size_t)length);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	BENCH_CHECK(fd >= 0);
	BENCH_CHECK(!bind(fd, (struct sockaddr *)&at,
			  (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
				      1 + (size_t)length)));
	BENCH_CHECK(!listen(fd, BENCH_CONNECTIONS));
	return fd;
}

/* They run wherever they can, also where P is fewer CPUs than there are. */
static pid_t start_clients(const char *name, long each)
{
	const char *program = getenv("BENCH_CLIENTS");
	char connections[16], requests[32];
	if (!program || access(program, X_OK))
		bench_fail("BENCH_CLIENTS does not say where bench-clients is");
	snprintf(connections, sizeof connections, "%d", BENCH_CONNECTIONS);
	snprintf(requests, sizeof requests, "%ld", each);
	pid_t child = fork();
	BENCH_CHECK(child >= 0);
	if (child == 0) {
		bench_unpin();
		execl(program, program, name, connections, requests, NULL);
		_exit(127);
	}
	return child;
}

void bench_clients(struct bench_sockets *s, long n, int flags)
{
	char name[32];
	int listener = listen_at(name, sizeof name);
	*s = (struct bench_sockets){.count = BENCH_CONNECTIONS,
				    .each = n / BENCH_CONNECTIONS};
	s->clients = start_clients(name, s->each);
	for (int i = 0; i < s->count; i++) {
		s->ends[i] = accept4(listener, NULL, NULL, flags);
		BENCH_CHECK(s->ends[i] >= 0);
	}
	close(listener);
	for (int i = 0; i < s->count; i++)
		bench_write_byte(s->ends[i]);
}

void bench_sockets_end(struct bench_sockets *s, int (*close_end)(int fd))
{
	int status = 0;
	if (s->clients)
		BENCH_CHECK(waitpid(s->clients, &status, 0) == s->clients);
	BENCH_CHECK(!status);
	for (int i = 0; i < s->count; i++)
		close_end(s->ends[i]);
}
