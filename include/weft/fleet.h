/* SPDX-License-Identifier: MIT */
/*
 * A fleet: one call for a key in many processes, on one machine or on many.
 *
 * What a flight (flight.h) is to the tasks of a process, a fleet is to the
 * processes of a service. Everybody who opens the same place, a directory or a
 * Redis server, and asks for the same key while a call for it runs, wherever
 * that is, waits for this call and is given its bytes or its error. In
 * libweft-fleet: pkg-config --cflags --libs weft-fleet.
 *
 *	static int load_user(weft_ctx *ctx, void *arg, weft_fleet_run *run)
 *	{
 *		row r = query(ctx, "SELECT … WHERE id = ?", arg);
 *
 *		return r.err ? r.err
 *			     : weft_fleet_run_add(run, r.text, r.size);
 *	}
 *
 *	weft_fleet *fleet;
 *
 *	weft_fleet_open(&fleet, "dir:/var/lib/shop", NULL);
 *
 *	void show_user(const char *id)		// from any task or thread
 *	{
 *		weft_fleet_call call = {
 *			.key = weft_key_str(id),
 *			.fn = load_user, .arg = (void *)id,
 *			.mode = WEFT_FLEET_CACHE, .keep = 60 * WEFT_SECOND,
 *		};
 *		weft_bytes user;
 *
 *		if (weft_fleet_do(fleet, NULL, &call, &user, NULL) == 0)
 *			print_user(user.data, user.size);
 *		weft_bytes_release(&user);
 *	}
 *
 * The callers of a process are merged first, by a flight: however many they
 * are, the place is asked once. So what flight.h says of weft_flight_do_ctx()
 * holds here: a caller can leave, the last one that leaves cancels the call,
 * and who asks for the key then waits until that is over and starts anew.
 *
 * What is guaranteed. A lapse is when a process or its machine dies, is stopped
 * or cut off for longer than lease + grace, or when the place loses what it was
 * told; docs/fleet.md has a table of them.
 *
 *   G1  Without a lapse at most one call runs for a key at a time, and everybody
 *       who asks while it runs is given its outcome.
 *   G2  What is accepted never goes backwards: every call has a token, larger
 *       than that of the call before; a result is stored only for the call that
 *       the place names as the present one, and nobody accepts one with a
 *       smaller token than that of the call they began to wait for.
 *   G3  Every wait is bounded, by ctx and by the call: a process that dies is
 *       noticed at once by those who wait on its machine, and by others within a quarter of a
 *       lease and a half second, or grace and a half second where connections
 *       have broken just before; a machine that dies or is cut off within
 *       lease, grace and a half second.
 *   G4  A function runs at least once if its process dies, since another one
 *       takes over; with at_most_once set at most once, as long as the place
 *       remembers. Exactly once cannot be had: a process that was stopped may
 *       go on beside its successor.
 *   G5  What makes an effect happen exactly once is the resource, given
 *       weft_fleet_run_token(): "UPDATE … WHERE fence < ?", or a unique key in
 *       the transaction of the effect.
 *
 * What is not: that a function stops when its lease is lost. Its context is
 * cancelled then, and weft_fleet_run_held() says so; a function that looks at
 * neither goes on, and only its token can be refused.
 *
 * Clocks. Who holds a lease counts the time that passes (CLOCK_BOOTTIME), and
 * gives up before anybody else may take over. No wall clock of a caller is
 * compared with that of another.
 */
#ifndef WEFT_FLEET_H
#define WEFT_FLEET_H

#include <weft/base.h>
#include <weft/flight.h>
#include <weft/sema.h>
#include <weft/time.h>

WEFT_BEGIN

/* A place that was opened. */
typedef struct weft_fleet weft_fleet;

/* A function that runs, as it is told about itself. */
typedef struct weft_fleet_run weft_fleet_run;

/*
 * What a call gives: size bytes at data, the same for all who were given them,
 * to be read only. All bytes zero are none.
 */
typedef struct weft_bytes weft_bytes;
struct weft_bytes {
	const void *data;	/* followed by a NUL that is not counted */
	size_t size;
	weft_result priv_result;
};

/*
 * Give the bytes back; *bytes is empty after that. Does nothing for empty ones.
 * The fleet may be closed by now.
 */
WEFT_API void weft_bytes_release(weft_bytes *bytes);

/* For weft_fleet_options.warn: a line without its end. */
typedef void (*weft_fleet_warn_fn)(void *arg, const char *line);

/*
 * For weft_fleet_options.waits: a caller here begins to wait for the run of key
 * that has this token, in another process, or, in weft_fleet_wait(), in this
 * one. Told anew when that run was lost and the caller waits for the next one;
 * of callers that are merged, once. Called in a task that waits with them.
 */
typedef void (*weft_fleet_waits_fn)(void *arg, weft_key key, uint64_t token);

/* All bytes zero are the defaults. */
typedef struct weft_fleet_options weft_fleet_options;
struct weft_fleet_options {
	/* Of calls that do not say: 3 s; at least 50 ms, at most a day. */
	weft_duration lease;
	weft_duration grace;	/* beyond a lapsed lease: a third of it, 1 s */
	size_t max_bytes;	/* of one result: 64 MiB */
	size_t local_most;	/* WEFT_FLEET_DOWN_RUN at once: 4 */
	weft_fleet_warn_fn warn;	/* told of what is wrong with the place */
	void *warn_arg;
	weft_fleet_waits_fn waits;	/* told of who waits here */
	void *waits_arg;
};

/*
 * Open the place that url names:
 *
 *	dir:PATH        a directory on this machine, made if it is not there, mode
 *	                0700; it must be the caller's, and not on a network
 *	dir:            /var/lib/weft for root, else /var/tmp/weft-UID
 *	redis://[[USER]:PASSWORD@]HOST[:PORT][/DB][?ns=NAME]
 *	rediss://…[?cafile=PATH&cert=PATH&key=PATH]   the same over TLS
 *	unix:PATH[?db=N&ns=NAME]   the same server by its socket
 *
 * options may be NULL, and is read in this call only.
 *
 * Returns   0            *out is it
 *           -EINVAL      no such url or none, or options that make no sense
 *           -ENOTSUP     built without that engine; a directory on a network
 *           -EPERM       the directory is not the caller's, or others may
 *                        write to it
 *           -ENOMEM, -EMFILE, -EACCES, …   what the system says
 *           A server that does not answer is no error here: see
 *           weft_fleet_call.down. Where this fails *out is NULL, and the reason
 *           was told to options->warn.
 * Context   a task or a plain thread; may switch tasks. Starts a thread, which
 *           renews leases and is not held up by tasks that compute.
 */
WEFT_API int weft_fleet_open(weft_fleet **out, const char *url,
			     const weft_fleet_options *options)
	WEFT_PRIV_WARN_UNUSED;

/*
 * Store url in to, which has room for size bytes, one at least, as people may see
 * it: with *** in place of a password, and of what may be one. Returns to, which
 * ends with a NUL, and is cut where there is no room for all of it. What the
 * fleet says of a place never has a password in it.
 */
WEFT_API char *weft_fleet_url_redact(const char *url, char *to, size_t size);

/*
 * Give up what was opened, after waiting for the calls that every caller has
 * left, and for refreshes in the background, whose contexts are cancelled. f may
 * be NULL. In the child of a fork, for what the parent had opened, this does
 * nothing. Panics when somebody is inside weft_fleet_do() or its relatives:
 * "fleet: closed while callers wait".
 *
 * Context   a task or a plain thread; may switch tasks. Nobody else may use f
 *           any more.
 * Lifetime  bytes may be released later.
 */
WEFT_API void weft_fleet_close(weft_fleet *f);

/*
 * The function of a call. It gives its bytes to run, by weft_fleet_run_add(),
 * and returns 0 or an error; everybody is given both, also bytes together with
 * an error. An error is passed on unchanged.
 *
 * ctx is done when the last caller in this process has left, when max_run has
 * passed, when the lease is lost, or on weft_fleet_cancel(); weft_ctx_cause() is
 * then -ECANCELED, -ETIMEDOUT, -EOWNERDEAD or -EINTR. It has the values of the first caller's context;
 * in a refresh in the background it has none.
 *
 * One that panics or exits makes every caller do the same, in other processes
 * too, there with the message only.
 */
typedef int (*weft_fleet_fn)(weft_ctx *ctx, void *arg, weft_fleet_run *run);

/*
 * Append size bytes at data to what the function gives.
 *
 * Returns   0         they are copied
 *           -EFBIG    that is more than options.max_bytes in all
 *           -ENOMEM
 *           With a nonzero return nothing is appended.
 * Context   the function, or who works for it, one at a time.
 */
WEFT_API int weft_fleet_run_add(weft_fleet_run *run, const void *data,
				size_t size);

/*
 * What was appended so far: *size_bytes bytes, there until more is appended.
 *
 * Context   as weft_fleet_run_add()
 */
WEFT_API const void *weft_fleet_run_data(const weft_fleet_run *run,
					 size_t *size_bytes);

/*
 * The token of this run: larger than that of every run of its key before, so
 * that a resource can refuse one that comes late (a fencing token). About the
 * microseconds since 1970 at which it was given, at most 2^53. 0 in a run
 * without the place (WEFT_FLEET_DOWN_RUN).
 */
WEFT_API uint64_t weft_fleet_run_token(const weft_fleet_run *run);

/* How many runs for the same calls ended by their process's death before. */
WEFT_API int weft_fleet_run_takeovers(const weft_fleet_run *run);

/*
 * Is the lease held, now, and the call not forgotten? Ask right before an effect that cannot be undone; it
 * is the clock that is read, no server. False is final. True may be outdated
 * by the time the effect happens: see G5. Always true without a place.
 *
 * Context   any task or thread, until the function has returned.
 */
WEFT_API bool weft_fleet_run_held(const weft_fleet_run *run);

/*
 * A descriptor that is the run's lock. A child process that has a copy of it
 * keeps the key taken as long as it lives, also where this process is killed.
 * The child of a fork has this one closed, and it is close-on-exec: dup(2) it
 * before the fork, and close the copy after. dir: only; -1 elsewhere.
 */
WEFT_API int weft_fleet_run_fd(const weft_fleet_run *run);

/* What a call is. */
enum weft_fleet_mode {
	/* Who asks while it runs shares it; then it is forgotten. */
	WEFT_FLEET_CALL,
	/* A value is kept for .keep, an error for .keep_error. */
	WEFT_FLEET_CACHE,
	/*
	 * A return of 0 is kept for .keep, for ever if that is 0, and the
	 * function not called again; an error for .keep_error, after which the
	 * next one tries. Written to disk before anybody is told (dir:), and
	 * never run without the place. Where there is no room for its bytes,
	 * that it has run is kept instead: who asks is told why, as -ENOSPC.
	 */
	WEFT_FLEET_ONCE,
};

/* What a caller does while the place does not answer. */
enum weft_fleet_down {
	WEFT_FLEET_DOWN_FAIL,	/* return -EHOSTDOWN, or what it says */
	/*
	 * Run the function in this process, for its callers only, at most
	 * options.local_most at a time (others wait); not with
	 * WEFT_FLEET_ONCE or at_most_once.
	 */
	WEFT_FLEET_DOWN_RUN,
};

/* One that never ends, for durations. */
#define WEFT_FLEET_FOREVER INT64_MAX

/*
 * A call, all of it but key and fn optional. Who asks for a key should describe
 * the same call everywhere: what is done is what the one whose function runs
 * has described.
 */
typedef struct weft_fleet_call weft_fleet_call;
struct weft_fleet_call {
	weft_key key;		/* of at most 64 KiB */
	weft_fleet_fn fn;
	void *arg;		/* must outlive the call … */
	size_t arg_size;	/* … unless this is not 0: fn has a copy */
	enum weft_fleet_mode mode;

	/* How long results are kept, from the end of the run: as in flight.h. */
	weft_duration keep;
	weft_duration keep_error;
	weft_duration stale;	/* beyond keep, while one refreshes */
	double early;		/* refresh ahead of keep (XFetch); 1 is good */
	/* WEFT_FLEET_CALL: a result at most that old is good enough. */
	weft_duration share_for;

	weft_duration lease;	/* 0: options.lease; else 50 ms to a day */
	weft_duration max_run;	/* then ctx is done, and the lease not renewed */
	/*
	 * A key whose runs have killed so many processes, one after another, is
	 * given up with -ELOOP until it is forgotten; 0: 3. So often does a
	 * caller begin a run whose lease is lost, and that nobody takes over, as
	 * where answers take half a lease; then that is -EHOSTDOWN.
	 */
	int max_takeovers;
	/*
	 * Nobody takes over: -EOWNERDEAD until forgotten. The same where it has
	 * run, and there was no room for its bytes.
	 */
	bool at_most_once;
	enum weft_fleet_down down;
	/* Of what fn will do, 0: none; who asks with another has -EBADMSG. */
	uint64_t fingerprint;
};

/* What a caller learns beside the bytes. */
typedef struct weft_fleet_info weft_fleet_info;
struct weft_fleet_info {
	bool answered;	/* the return is a function's, not the fleet's own */
	bool led;	/* it was this caller's function that ran */
	bool shared;	/* others were given the result too, or their result it is */
	bool kept;	/* the run had ended before the caller asked */
	bool stale;	/* … more than keep ago; a refresh is on its way */
	bool alone;	/* run without the place: WEFT_FLEET_DOWN_RUN */
	/*
	 * The function ran, but what it gave could not be stored: there was no
	 * room, the lease was lost, the key forgotten, or the place did not
	 * answer. Where it ran here, these are its bytes, and others may be given
	 * another result; else the return says why there are none.
	 */
	bool unstored;
	uint64_t token;	/* of the run */
	int takeovers;	/* weft_fleet_run_takeovers() of the run */
	weft_duration age;	/* since the end of the run */
	weft_duration took;	/* the run */
};

/*
 * Get the bytes for call->key: run call->fn, unless somebody in the fleet does
 * already, or the result of an earlier call is kept; else wait for theirs.
 * The function is called in a task. *out and *info may be left out with NULL.
 *
 * Returns   0, or what the function returned; info->answered is true
 *           else, info->answered is false, the function was not called for
 *           this caller or has not ended, and *out is empty:
 *           -ECANCELED   ctx was cancelled
 *           -ETIMEDOUT   ctx's deadline passed
 *           -EDEADLK     the caller is the function that runs for the key
 *           -EBADMSG     the key is in use for another fingerprint
 *           -EOWNERDEAD  at_most_once: a process died while it ran
 *           -ELOOP       max_takeovers processes died while it ran
 *           -EHOSTDOWN   the place does not answer, or too late for leases to be
 *                        kept: see max_takeovers
 *           -ENOSPC, -EDQUOT, -EIO, -EROFS, -EMFILE, -ENFILE   it cannot be
 *                        used, for the system's reason; also where a function
 *                        ran elsewhere and there was no room for its bytes
 *           -EFBIG       the result is larger than options.max_bytes
 *           -ECHILD      f was opened before a fork, in the parent
 *           -EINVAL      call makes no sense: a mode that there is not, no
 *                        function, a key of more than 64 KiB, a duration or a
 *                        number below zero, a lease out of range, early not
 *                        finite
 *           -ENOMEM
 * Context   a task or a plain thread; may switch tasks.
 * Order     fn's return happens before the return of everybody in this process
 *           who is given its result.
 * Lifetime  fn may still run when every caller has left: see arg. The bytes are
 *           released with weft_bytes_release().
 */
WEFT_API int weft_fleet_do(weft_fleet *f, weft_ctx *ctx,
			   const weft_fleet_call *call, weft_bytes *out,
			   weft_fleet_info *info);

/*
 * Wait for the call for key that runs, without starting one; where none runs,
 * have what is kept of the last one, stale or not. Where the process dies that runs
 * it, and others wait who take over, wait for theirs.
 *
 * Returns   as weft_fleet_do(), and
 *           -ENOENT      nothing runs and nothing is kept, also where what was
 *                        waited for was forgotten or given up
 *           -EOWNERDEAD  also where its process died while this waited, and nobody
 *                        is left who waits for it in weft_fleet_do(), or of those
 *                        who are nobody has come within options.lease and .grace
 */
WEFT_API int weft_fleet_wait(weft_fleet *f, weft_ctx *ctx, weft_key key,
			     weft_bytes *out, weft_fleet_info *info);

/*
 * Make the next one who asks for key start a new call. What is kept is thrown
 * away. A call that runs, wherever that is, is void: it goes on beside the new
 * one for those of its own process who wait for it already, its result is not
 * stored, and who waits elsewhere starts anew. Its process lets nobody join it
 * any more once it has tried to renew the lease: within a quarter of that. This
 * takes back -EOWNERDEAD and -ELOOP, too.
 *
 * Returns   0            done, also if there was nothing
 *           else as weft_fleet_do()
 * Context   a task or a plain thread, the key's function included; may switch
 *           tasks.
 * Order     what happened before this call happens before the function of any
 *           call that is started for the key later.
 */
WEFT_API int weft_fleet_forget(weft_fleet *f, weft_ctx *ctx, weft_key key);

/*
 * Cancel the call for key that runs, wherever that is: its function's context is
 * done, for -EINTR, once its process has tried to renew the lease: within a quarter of
 * that. What the function then returns is given to all who wait, as ever. token is
 * that of the run that is meant, as weft_fleet_show() has it; 0 is whichever runs.
 *
 * Returns   0            it will be told; it may be ending by itself
 *           -ENOENT      nothing runs, or another run; also where the connection
 *                        broke, and what was told has ended since
 *           else as weft_fleet_do()
 * Context   a task or a plain thread; may switch tasks.
 */
WEFT_API int weft_fleet_cancel(weft_fleet *f, weft_ctx *ctx, weft_key key,
			       uint64_t token);

/*
 * A gate: one lock of the fleet, wanted by many callers of each process, each
 * for work of its own. The callers of a process queue up here, and only the first
 * of them contends for the lock; who is through hands it to the next one
 * without asking the place, so that a thousand callers cost it a few commands.
 *
 *	static weft_fleet_gate stock;
 *
 *	weft_fleet_gate_init(&stock, fleet, weft_key_str("stock"));
 *
 *	int take_from_stock(weft_ctx *ctx, int pieces)
 *	{
 *		weft_fleet_pass pass;
 *		int err = weft_fleet_gate_lock(&stock, ctx, &pass);
 *
 *		if (err != 0)
 *			return err;
 *		err = update(pass.ctx, "… SET n = n - ?, fence = ?, seq = ?"
 *			     " WHERE (fence, seq) < (?, ?)", pieces, pass);
 *		weft_fleet_gate_unlock(&stock);
 *		return err;
 *	}
 *
 *   - Within a process the callers are served in the order in which they came.
 *   - While another process waits it is not kept for more than .most_passes
 *     callers nor for longer than .most_time. Who has had to give it up for that
 *     waits a moment before contending again; on Redis processes are served in the
 *     order in which they came, and one that is up to 250 ms away has its turn.
 *   - pass.token and pass.seq together grow with every passage, in the whole
 *     fleet: a fencing token in two parts. What G1 to G5 say of a run holds for
 *     each passage.
 *
 * The two fields may be set between init and the first lock.
 */
typedef struct weft_fleet_gate weft_fleet_gate;
struct weft_fleet_gate {
	int most_passes;	/* 32 after init */
	weft_duration most_time;	/* 100 ms after init */

	weft_fleet *priv_fleet;
	void *priv_key;
	size_t priv_key_size;
	weft_sema priv_turn;	/* of who may be inside, or contend */
	uint32_t priv_queue;	/* atomic: callers that want it, and the one inside */
	uint64_t priv_passes;	/* with this lease … */
	uint64_t priv_window;	/* … before it was last known that nobody waits */
	weft_time priv_since;	/* … when that was */
	weft_time priv_not_before;
	void *priv_hold;
	WEFT_PRIV_NOCOPY(weft_fleet_gate)
};

/* What a caller is given that is let through. Valid until its unlock. */
typedef struct weft_fleet_pass weft_fleet_pass;
struct weft_fleet_pass {
	uint64_t token;
	uint64_t seq;	/* from 1 on, for each token */
	weft_ctx *ctx;	/* done when the lease is lost; else without end */
};

/*
 * Make *g the gate of key, which is copied.
 *
 * Returns   0, -ENOMEM, or -EINVAL: the key is longer than 64 KiB, or not there
 */
WEFT_API int weft_fleet_gate_init(weft_fleet_gate *g, weft_fleet *f,
				  weft_key key) WEFT_PRIV_WARN_UNUSED;

/*
 * End the life of *g, before that of its fleet. Panics when somebody is inside
 * or waits: "fleet: gate finished while it is used".
 */
WEFT_API void weft_fleet_gate_fini(weft_fleet_gate *g);

/*
 * Wait until the caller is let through, or ctx is done. pass may be NULL.
 *
 * Returns   0            it is inside; weft_fleet_gate_unlock() ends that
 *           -ECANCELED   ctx was cancelled first
 *           -ETIMEDOUT   ctx's deadline passed first
 *           -EHOSTDOWN, -ENOSPC, …   the place, as weft_fleet_do() says
 *           -ECHILD      the fleet was opened before a fork, in the parent
 *           -ENOMEM
 * Context   a task or a plain thread, not inside already; may switch tasks.
 * Order     the unlock of whoever was inside before happens before the return,
 *           in this process; elsewhere as the resource has it.
 */
WEFT_API int weft_fleet_gate_lock(weft_fleet_gate *g, weft_ctx *ctx,
				  weft_fleet_pass *pass) WEFT_PRIV_WARN_UNUSED;

/*
 * Is the lease held, now? For the caller inside: see weft_fleet_run_held().
 */
WEFT_API bool weft_fleet_gate_held(const weft_fleet_gate *g);

/*
 * Let the next one through.
 *
 * Returns   0            the lease was held all the time
 *           -EOWNERDEAD  it was lost: somebody else may have been inside, too
 *           -ECHILD      the fleet was opened before a fork, in the parent
 *           Panics when nobody is inside: "fleet: gate unlocked by nobody".
 * Context   the caller inside, or whoever it hands this on to; may switch tasks.
 * Order     what came before happens before the next one's return from lock.
 */
WEFT_API int weft_fleet_gate_unlock(weft_fleet_gate *g);

/* What a key is doing. */
enum weft_fleet_state {
	WEFT_FLEET_IDLE,	/* nothing: what was kept is over, or given up */
	WEFT_FLEET_RUNNING,
	WEFT_FLEET_KEPT,	/* its result can be had */
	WEFT_FLEET_LOST,	/* a process died in it, and nobody takes over */
};

/* A key of the place, as it was at some moment. A plain value. */
typedef struct weft_fleet_entry weft_fleet_entry;
struct weft_fleet_entry {
	unsigned char key[256];	/* its first bytes */
	size_t key_size;	/* all of them */
	enum weft_fleet_state state;
	uint64_t token;		/* of the last run */
	int takeovers;
	int waiters;		/* other processes that wait for it, about; -1: unknown */
	char host[64];		/* who runs it, or did */
	int64_t pid;
	weft_duration age;	/* since the run's start; of one kept, its end */
	weft_duration took;	/* the run; of one kept */
	weft_duration left;	/* of the lease, of what is kept; negative: lapsed */
	int err;		/* of one kept: what the function returned */
	size_t size;		/* of one kept: its bytes */
	bool stale;		/* of one kept */
	bool unstored;		/* … without its bytes, for which there was no room:
				 * err says why */
	bool dead;		/* of one that runs: its process is known to be,
				 * what that has left has the key still */
};

/* Returns false to be told no more. */
typedef bool (*weft_fleet_list_fn)(void *arg, const weft_fleet_entry *entry);

/*
 * Call fn(arg, entry) for every key of the place, in no order; one that comes or
 * goes meanwhile may be told or not.
 *
 * Returns   0, also where fn returned false; else as weft_fleet_do()
 * Context   a task or a plain thread; fn is called in it.
 */
WEFT_API int weft_fleet_list(weft_fleet *f, weft_ctx *ctx,
			     weft_fleet_list_fn fn, void *arg);

/*
 * Store what key is doing in *entry.
 *
 * Returns   0, or -ENOENT: the place knows nothing of it; else as
 *           weft_fleet_do()
 */
WEFT_API int weft_fleet_show(weft_fleet *f, weft_ctx *ctx, weft_key key,
			     weft_fleet_entry *entry);

/* What a fact is worth. */
enum weft_fleet_verdict {
	WEFT_FLEET_FINE,
	WEFT_FLEET_WARNING,	/* a promise may be broken some day */
	WEFT_FLEET_BROKEN,	/* it does not work like that */
};

/* what: one word or two, as "free space"; found: the rest of the line. */
typedef void (*weft_fleet_doctor_fn)(void *arg, enum weft_fleet_verdict verdict,
				     const char *what, const char *found);

/*
 * Examine the place: that it can be used, what version it is, what of its
 * settings would break a promise; a fact a call of fn.
 *
 * Returns   0            no fact was WEFT_FLEET_BROKEN
 *           -EHOSTDOWN   one was
 *           -ECANCELED, -ETIMEDOUT   ctx was done before the end
 */
WEFT_API int weft_fleet_doctor(weft_fleet *f, weft_ctx *ctx,
			       weft_fleet_doctor_fn fn, void *arg);

/* What this process has done so far. */
typedef struct weft_fleet_counters weft_fleet_counters;
struct weft_fleet_counters {
	uint64_t asked;		/* callers … */
	uint64_t merged;	/* … that shared the question of another one here */
	uint64_t led;		/* functions that were called, refreshes included … */
	uint64_t took_over;	/* … after a process had died or lost its lease */
	uint64_t alone;		/* … without the place */
	uint64_t kept;		/* questions answered with what was kept … */
	uint64_t stale;		/* … longer ago than keep */
	uint64_t waited;	/* questions answered with a run elsewhere */
	uint64_t lost;		/* leases that were lost */
	uint64_t unstored;	/* results that could not be stored */
	uint64_t missed;	/* ended runs whose result was gone when it was asked for */
	uint64_t commands;	/* sent to the place, renewals included */
	uint64_t down;		/* commands that it did not answer */
	uint64_t passes;	/* callers that gates have let through … */
	uint64_t leases;	/* … with that many leases */
	size_t running;		/* leases that are held now */
};

/* Store f's counters in *counters. Never switches tasks. */
WEFT_API void weft_fleet_count(weft_fleet *f, weft_fleet_counters *counters);

WEFT_END

#endif
