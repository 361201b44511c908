/* SPDX-License-Identifier: MIT */
/* What bare_wait.c, bare_fd.c and bare_thread.c have of the subject "bare". */
#ifndef BARE_WAIT_H
#define BARE_WAIT_H

double bare_spawn_tree(long n);
double bare_group_limit16(long n);
double bare_flight_hot(long n);
double bare_cond_pingpong(long n);
double bare_cond_barrier(long n);
double bare_chan_pingpong(long n);
double bare_chan_buffered(long n);
double bare_select_pingpong(long n);

double bare_fd_pingpong(long n);
double bare_fd_echo100(long n);
double bare_fd_serve100(long n);

double bare_thread_sema(long n);
double bare_thread_sema_pingpong(long n);

#endif
