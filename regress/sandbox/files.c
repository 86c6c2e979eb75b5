/* SPDX-License-Identifier: ISC */
/* What is done with files. */
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "regress/sandbox/actions.h"

/* Calls with constant arguments, each a function of its own. */
#define TRY(name, call)                       \
	static int name(void)                 \
	{                                     \
		return (call) == -1 ? -1 : 0; \
	}

static char buffer[4096];
static struct stat status;
static struct flock lock = {.l_type = F_WRLCK};
static struct iovec part = {.iov_base = buffer, .iov_len = 1};

TRY(open_read, open("read", O_RDONLY))
TRY(open_passwd, open("/etc/passwd", O_RDONLY))
TRY(open_directory, open("/", O_RDONLY | O_DIRECTORY))
TRY(open_by_syscall, syscall(SYS_openat, AT_FDCWD, "read", O_RDONLY))
TRY(open_below, openat(world.dirfd, "read", O_RDONLY))
TRY(stat_path, stat("read", &status))
TRY(lstat_path, lstat("read", &status))
TRY(access_path, access("read", R_OK))
TRY(read_link, readlink("/proc/self", buffer, sizeof(buffer)))
TRY(seek, lseek(world.read_fd, 0, SEEK_SET))
TRY(seek_append, lseek(world.append_fd, 0, SEEK_SET))
TRY(read_at, pread(world.read_fd, buffer, 1, 0))
TRY(open_write, open("write", O_WRONLY))
TRY(open_both, open("write", O_RDWR))
TRY(open_append, openat(world.dirfd, "append", O_WRONLY | O_APPEND))
TRY(truncate_open, open("write", O_WRONLY | O_TRUNC))
TRY(truncate_read_only, open("write", O_RDONLY | O_TRUNC))
TRY(create, open("new", O_WRONLY | O_CREAT, 0600))
TRY(create_read_only, open("new2", O_RDONLY | O_CREAT, 0600))
TRY(create_unnamed, open(".", O_WRONLY | O_TMPFILE, 0600))
TRY(file_truncate, ftruncate(world.write_fd, 10))
TRY(file_truncate_append, ftruncate(world.append_fd, 0))
TRY(write_at, pwrite(world.write_fd, "x", 1, 0))
TRY(writev_at, pwritev(world.write_fd, &part, 1, 0))
TRY(writev2_at, syscall(SYS_pwritev2, world.write_fd, &part, 1, 0, 0, 0))
TRY(allocate, posix_fallocate(world.write_fd, 0, 10) == 0 ? 0 : -1)
TRY(path_truncate, truncate("write", 10))
TRY(sync_system, syncfs(world.write_fd))
TRY(make_directory, mkdir("directory", 0700))
TRY(rename_file, rename("append", "renamed"))
TRY(link_file, link("read", "linked"))
TRY(link_unnamed, linkat(world.dirfd, "read", world.dirfd, "linked2", 0))
TRY(unlink_file, unlink("write"))
TRY(make_symlink, symlink("read", "symlinked"))
TRY(make_fifo, mkfifo("fifo", 0600))
TRY(change_mode, chmod("read", 0600))
TRY(change_mode_fd, fchmod(world.read_fd, 0600))
TRY(change_owner, chown("read", getuid(), getgid()))
TRY(change_times, utimes("read", NULL))
TRY(lock_file, flock(world.write_fd, LOCK_EX))
TRY(lock_range, fcntl(world.write_fd, F_SETLK, &lock))
TRY(splice_file, syscall(SYS_splice, world.read_fd, NULL, 1, NULL, 1, 0))
TRY(open_handle, syscall(SYS_open_by_handle_at, -1, NULL, 0))
TRY(notify, syscall(SYS_inotify_init1, 0))
TRY(memory_file, syscall(SYS_memfd_create, "x", 0))

static int
openat2_call(void)
{
	uint64_t how[3] = {O_RDONLY, 0, 0};

	return (int)syscall(SYS_openat2, AT_FDCWD, "read", how, sizeof(how)) ==
		-1
	    ? -1
	    : 0;
}

static int
list_directory(void)
{
	int fd = dup(world.dirfd);
	DIR *dir = fdopendir(fd);

	errno = 0;
	return dir != NULL && readdir(dir) != NULL ? 0 : -1;
}

static int
working_directory(void)
{
	return getcwd(buffer, sizeof(buffer)) == NULL ? -1 : 0;
}

/* Clearing O_APPEND gains nothing as long as the offset cannot be moved. */
static int
overwrite_by_flags(void)
{
	if (fcntl(world.append_fd, F_SETFL, 0) == -1 ||
	    lseek(world.append_fd, 0, SEEK_SET) == -1)
		return -1;
	return write(world.append_fd, "X", 1) == 1 ? 0 : -1;
}

const struct action file_actions[] = {
    {"open for reading", "rpath", REFUSED, open_read},
    {"open /etc/passwd", "rpath|getpw", REFUSED, open_passwd},
    {"open a directory", "rpath", REFUSED, open_directory},
    {"open by bare system call", "rpath", REFUSED, open_by_syscall},
    {"open below a descriptor", "rpath", REFUSED, open_below},
    {"openat2", NULL, REFUSED, openat2_call},
    {"stat", "rpath|wpath|cpath|getpw", REFUSED, stat_path},
    {"lstat", "rpath|wpath|cpath|getpw", REFUSED, lstat_path},
    {"access", "rpath|wpath|cpath|getpw", REFUSED, access_path},
    {"readlink", "rpath|wpath|cpath|getpw", REFUSED, read_link},
    {"getcwd", "rpath|wpath|cpath|getpw", REFUSED, working_directory},
    {"list a directory", "rpath|getpw", REFUSED, list_directory},
    {"lseek", "rpath|wpath", REFUSED, seek},
    {"lseek in an append-only file", "rpath|wpath", REFUSED, seek_append},
    {"pread", "rpath|wpath", REFUSED, read_at},
    {"open for writing", "wpath", KILLED, open_write},
    {"open for both", "wpath", KILLED, open_both},
    {"open for appending", "wpath", KILLED, open_append},
    {"open with O_TRUNC", "wpath", KILLED, truncate_open},
    {"open with O_RDONLY and O_TRUNC", "rpath wpath", KILLED,
	truncate_read_only},
    {"create", "wpath cpath", KILLED, create},
    {"create for reading", "rpath cpath", KILLED, create_read_only},
    {"create unnamed", "wpath cpath", KILLED, create_unnamed},
    {"ftruncate", "wpath", KILLED, file_truncate},
    {"ftruncate an append-only file", "wpath", KILLED, file_truncate_append},
    {"pwrite", "wpath", KILLED, write_at},
    {"pwritev", "wpath", KILLED, writev_at},
    {"pwritev2", NULL, KILLED, writev2_at},
    {"overwrite by F_SETFL", "rpath|wpath", REFUSED, overwrite_by_flags},
    {"fallocate", "wpath", KILLED, allocate},
    {"truncate", "wpath", KILLED, path_truncate},
    {"syncfs", "wpath", REFUSED, sync_system},
    {"mkdir", "cpath", KILLED, make_directory},
    {"link", "cpath", KILLED, link_file},
    {"linkat", "cpath", KILLED, link_unnamed},
    {"symlink", "cpath", KILLED, make_symlink},
    {"rename", "cpath", KILLED, rename_file},
    {"unlink", "cpath", KILLED, unlink_file},
    {"mkfifo", NULL, KILLED, make_fifo},
    {"chmod", "fattr", KILLED, change_mode},
    {"fchmod", "fattr", KILLED, change_mode_fd},
    {"chown", "chown", KILLED, change_owner},
    {"utimes", "fattr", REFUSED, change_times},
    {"flock", "flock", REFUSED, lock_file},
    {"fcntl lock", "flock", REFUSED, lock_range},
    {"splice", NULL, REFUSED, splice_file},
    {"open_by_handle_at", NULL, KILLED, open_handle},
    {"inotify", NULL, REFUSED, notify},
    {"memfd_create", NULL, REFUSED, memory_file},
};
const size_t nfile_actions = sizeof(file_actions) / sizeof(file_actions[0]);
