/* SPDX-License-Identifier: ISC */
/* Inside imsg(3): what the two top bits of a frame's length say. */
#ifndef IMSG_IMSG_MARKS_H
#define IMSG_IMSG_MARKS_H

#define MARK_FD 0x80000000U /* the next descriptor belongs to this frame */
#define MARK_LOST 0x40000000U /* the sender could not send its descriptor */
#define MARKS (MARK_FD | MARK_LOST)

#endif
