SIGN_OBJS = tokend/sign/main.o tokend/sign/block.o tokend/sign/keyname.o tokend/sign/keyring.o \
	tokend/sign/refusals.o tokend/sign/signer.o
