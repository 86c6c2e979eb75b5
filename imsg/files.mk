IMSG_OBJS = \
	imsg/imsg.o imsg/imsg-socket.o \
	imsg/imsg-buffer.o \
	imsg/messages.o \
	imsg/channel.o
