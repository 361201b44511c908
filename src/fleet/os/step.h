/* SPDX-License-Identifier: MIT */
/*
 * Steps at which a test can let a process die, or be stopped. In the library
 * they are nothing; in the one that tests are linked with, WEFT_FLEET_STEP says
 * at which one, and what, and the how manieth time:
 *
 *	WEFT_FLEET_STEP=dir-renamed:kill:1
 */
#ifndef WEFT_SRC_FLEET_OS_STEP_H
#define WEFT_SRC_FLEET_OS_STEP_H

#ifdef WEFT_FLEET_STEPS
void weft__fleet_step(const char *name);
#else
#define weft__fleet_step(name) ((void)0)
#endif

#endif
