IMSG_OBJS = imsg/imsg.o imsg/imsg-buffer.o
