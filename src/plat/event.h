/* SPDX-License-Identifier: MIT */
/* A descriptor that is readable from a signal on until it is cleared. */
#ifndef WEFT_SRC_PLAT_EVENT_H
#define WEFT_SRC_PLAT_EVENT_H

/* The descriptor, or a negative errno value. */
int weft__event_open(void);
void weft__event_close(int fd);
void weft__event_signal(int fd);
void weft__event_clear(int fd);

#endif
