/* SPDX-License-Identifier: ISC */
/* What is done now and then: pruning, checkpoints, the retiring of keys. */
#ifndef TOKEND_UPKEEP_H
#define TOKEND_UPKEEP_H

#include "tokend/tokend.h"

/* Starts the timers. */
void upkeep_start(void);

/*
 * Drops an old key: what is sealed under it is sealed anew first, then the
 * file is written without it. Flush the batch before. Returns 0, or -1 with
 * `problem` set and the key still there.
 */
int key_retire(uint16_t id, struct problem *problem);

#endif
