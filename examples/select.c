/* SPDX-License-Identifier: MIT */
/*
 * One task serves two channels until it is told to stop; main asks it, looks
 * whether there is an answer yet, and waits for it.
 */
#include <stdio.h>
#include <weft.h>

static weft_chan questions, answers, ended;
static weft_ctx stop;

static void serve(void *arg)
{
	int question, answer, served = 0;

	for (;;) {
		weft_case cases[] = {
			WEFT_CASE_RECV(&questions, &question),
			WEFT_CASE_DONE(&stop),
		};

		if (weft_select(cases, 2) == 1)
			break;
		answer = question * 2;
		weft_chan_send(&answers, &answer);
		served++;
	}
	printf("stopped after %d questions\n", served);
	weft_chan_close(&ended);
	(void)arg;
}

int main(void)
{
	int question = 21, answer;
	weft_case look[] = {
		WEFT_CASE_RECV(&answers, &answer),
		WEFT_CASE_DEFAULT,
	};

	if (weft_chan_init(&questions, sizeof question, 0) != 0 ||
	    weft_chan_init(&answers, sizeof answer, 0) != 0 ||
	    weft_go(serve, NULL) != 0)
		return 1;
	if (weft_select(look, 2) == 1)
		printf("no answer without a question\n");
	weft_chan_send(&questions, &question);
	if (weft_chan_recv(&answers, &answer))
		printf("the answer is %d\n", answer);
	weft_ctx_cancel(&stop, 0);
	weft_chan_recv(&ended, NULL);
	weft_ctx_fini(&stop);
}
/*
 * Output:
 * no answer without a question
 * the answer is 42
 * stopped after 1 questions
 */
