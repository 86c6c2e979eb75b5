/* SPDX-License-Identifier: ISC */
#ifndef COMPAT_MEMORY_FILE_H
#define COMPAT_MEMORY_FILE_H

/*
 * An empty file without a name, in memory: memfd_create(2). For a process that
 * may open no file: sandbox_memory_files() lets it, since nothing that others
 * have can be reached by it. Returns a descriptor (close-on-exec, read and
 * write), or -1 with errno; ENOSYS where there is no such thing.
 */
int compat_memory_file(void);

#endif
