/* SPDX-License-Identifier: ISC */
/*
 * What relay asks for: the token by which a message of a user's may go
 * straight to its recipient's server (S1-52), ours for the way back (S1-14),
 * and what that server said of it. A ticket of ours shows that the user may
 * send to that recipient; relay can learn nothing else.
 */
#ifndef TOKEND_ELSEWHERE_H
#define TOKEND_ELSEWHERE_H

#include "imsg/channel.h"

void on_held_ask(struct channel *, const union message *, int fd);
void on_held_new(struct channel *, const union message *, int fd);
void on_held_refused(struct channel *, const union message *, int fd);

#endif
