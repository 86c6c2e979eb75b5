# The front door: make, make demo, make check, make bench, make install.
# Works with GNU make and BSD make. What is built, and from what, is in
# build.mk and in the files.mk of each folder.

TARGETS = all install clean check sanitize valgrind endure unit sandbox demo bench lint format fuzz

.PHONY: $(TARGETS) deps distclean

$(TARGETS): config.mk
	@$(MAKE) -f build.mk $@

# Without config.mk nobody has said where to install: take the defaults.
config.mk: configure
	@sh regress/deps.sh build
	./configure

# Installs what building, the demo and the tests need and is missing.
deps:
	@sh regress/deps.sh all

distclean: clean
	rm -f config.mk paths.h config.log
