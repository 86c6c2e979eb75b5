/* SPDX-License-Identifier: ISC */
#ifndef LIB_VERSION_H
#define LIB_VERSION_H

#define STOKEN_VERSION "0.6"

#endif
