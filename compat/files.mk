COMPAT_OBJS_Linux = compat/calls.o compat/landlock.o compat/pledge.o \
	compat/sanitizer.o compat/timingsafe.o compat/trap.o compat/unveil.o
COMPAT_OBJS = $(COMPAT_OBJS_$(OS)) compat/describe.o compat/prove.o compat/memory_file.o \
	compat/syncfs.o compat/tmpfile.o
