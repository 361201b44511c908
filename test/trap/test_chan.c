/* SPDX-License-Identifier: MIT */
/* Misuse of channels: each ends its process and says why. */
#include "queue.h"
#include "test.h"

#include <weft/chan.h>

static weft_chan chan;

static void send_one(void *arg)
{
	(void)arg;
	weft_chan_send(&chan, NULL);
}

static void receive_one(void *arg)
{
	(void)arg;
	weft_chan_recv(&chan, NULL);
}

static void select_one(void *arg)
{
	weft_case cases[] = {WEFT_CASE_SEND(&chan, NULL)};

	(void)arg;
	weft_select(cases, 1);
}

static void close_while_queued(weft_fn fn)
{
	test_start(fn, NULL);
	test_until(chan_queued(&chan) == 1);
	weft_chan_close(&chan);
	test_join_all();
}

TEST_TRAP(chan_send_on_a_closed_one, "panic: send on closed channel")
{
	weft_chan_close(&chan);
	weft_chan_send(&chan, NULL);
}

TEST_TRAP(chan_send_on_a_closed_one_with_room, "panic: send on closed channel")
{
	int value = 1;

	CHECK_EQ(weft_chan_init(&chan, sizeof value, 1), 0);
	weft_chan_close(&chan);
	weft_chan_send(&chan, &value);
}

TEST_TRAP(chan_try_send_on_a_closed_one, "panic: send on closed channel")
{
	weft_chan_close(&chan);
	weft_chan_try_send(&chan, NULL);
}

TEST_TRAP(chan_close_while_one_sends, "panic: send on closed channel")
{
	close_while_queued(send_one);
}

TEST_TRAP(select_send_on_a_closed_one, "panic: send on closed channel")
{
	weft_chan_close(&chan);
	select_one(NULL);
}

TEST_TRAP(chan_close_while_a_select_sends, "panic: send on closed channel")
{
	close_while_queued(select_one);
}

TEST_TRAP(chan_close_twice, "panic: close of closed channel")
{
	weft_chan_close(&chan);
	weft_chan_close(&chan);
}

TEST_TRAP(chan_close_of_null, "panic: close of nil channel")
{
	weft_chan_close(NULL);
}

TEST_TRAP(chan_size_overflow, "panic: makechan: size out of range")
{
	(void)!weft_chan_init(&chan, 16, SIZE_MAX / 8);
}

TEST_TRAP(chan_size_beyond_the_address_space,
	  "panic: makechan: size out of range")
{
	(void)!weft_chan_init(&chan, 1, (size_t)PTRDIFF_MAX + 1);
}

TEST_TRAP(chan_finished_while_it_is_waited_for,
	  "panic: channel: finished while it is waited for")
{
	test_start(receive_one, NULL);
	test_until(chan_queued(&chan) == 1);
	weft_chan_fini(&chan);
}
