/* SPDX-License-Identifier: ISC */
/*
 * Where LibreSSL, which OpenBSD has, differs from OpenSSL in what is used here.
 * To be included behind a header of openssl/.
 */
#ifndef COMPAT_LIBRESSL_H
#define COMPAT_LIBRESSL_H

#ifdef LIBRESSL_VERSION_NUMBER

/* CRYPTO_EX_new(3) says whether it was successful. */
#define EX_NEW_TYPE int
#define EX_NEW_DONE 1

/* It has no memory apart for keys, but wipes every number that it frees. */
#define BN_CTX_secure_new BN_CTX_new

#else

#define EX_NEW_TYPE void
#define EX_NEW_DONE

#endif

#endif
