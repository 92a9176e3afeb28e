# vla: visual-language alignment as Unix tools. `make help` lists the targets.

.DEFAULT_GOAL := all

DEPS_DEB := gcc g++ make pkg-config perl python3 mandoc groff-base libopenblas-dev libpng-dev libjpeg62-turbo-dev \
	zlib1g-dev libjansson-dev libdnnl-dev

deps:
	@if [ $$(id -u) = 0 ]; then s=; else s=sudo; fi; \
	$$s apt-get update -q && $$s env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $(DEPS_DEB)

# `make deps demo`: what follows looks at the machine, so it starts anew once the packages are there.
AFTER_DEPS := $(if $(filter deps,$(MAKECMDGOALS)),$(filter-out deps,$(MAKECMDGOALS)))
ifneq ($(AFTER_DEPS),)
$(AFTER_DEPS): deps
	@$(MAKE) --no-print-directory -j$$(nproc) $@

.PHONY: deps $(AFTER_DEPS)
else

PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
LIBDIR ?= $(PREFIX)/lib
INCDIR ?= $(PREFIX)/include
DATADIR ?= $(PREFIX)/share
MANDIR ?= $(DATADIR)/man
DESTDIR ?=
CC ?= cc
CXX ?= c++
CFLAGS ?= -O2 -g
LDFLAGS ?=
# SAN=address,undefined or SAN=thread: a sanitizer build, in a folder of its own; the first finding ends the program.
SAN ?=
# NATIVE=1 compiles for this processor only; the default build runs on any x86-64 or arm64. Kernels have no versions to
# choose from under a sanitizer, so there it shows it the one that this processor would run.
NATIVE ?= $(if $(SAN),1)
# WITH_DNNL, WITH_MPI: 1 or 0; found when not given.
WITH_DNNL ?= $(if $(wildcard /usr/include/dnnl.h /usr/local/include/dnnl.h /usr/include/oneapi/dnnl/dnnl.h),1,0)
PKG_CONFIG ?= pkg-config

comma := ,
B ?= build$(if $(SAN),-$(subst $(comma),-,$(SAN)))

MAJOR := $(shell sed -n 's/^.define VLA_VERSION_MAJOR //p' lib/vla/status.h)
MINOR := $(shell sed -n 's/^.define VLA_VERSION_MINOR //p' lib/vla/status.h)
PATCH := $(shell sed -n 's/^.define VLA_VERSION_PATCH //p' lib/vla/status.h)
VERSION := $(MAJOR).$(MINOR).$(PATCH)

WARN := -Wall -Wextra -Wpedantic -Wshadow -Wvla -Wmissing-prototypes -Wstrict-prototypes
# Kernels pass wide vectors between inlined functions only.
WARN += -Wno-psabi
BLAS_CFLAGS := $(shell $(PKG_CONFIG) --cflags openblas 2>/dev/null)
BLAS_LIBS := $(or $(shell $(PKG_CONFIG) --libs openblas 2>/dev/null),-lopenblas)
CPP := -Ilib -Icmd -D_POSIX_C_SOURCE=200809L $(BLAS_CFLAGS)
ifeq ($(WITH_DNNL),1)
CPP += -DVLA_WITH_DNNL
DNNL_LIBS := -ldnnl
endif
OPT := -std=c11 -fPIC -fvisibility=hidden -pthread -fno-math-errno -fno-trapping-math $(WARN)
ifneq ($(NATIVE),)
OPT += -march=native
endif
ifneq ($(SAN),)
OPT += -fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer
LINK := -fsanitize=$(SAN)
else
LINK := -Wl,-z,defs
endif
LIBS := $(BLAS_LIBS) $(DNNL_LIBS) -lpng -ljpeg -ljansson -lz -lm -ldl -pthread

LIB_SRC := $(wildcard lib/*/*.c)
CMD_SRC := $(wildcard cmd/vla-*.c)
COMMON_SRC := $(wildcard cmd/common/*.c)
UNIT_SRC := $(wildcard tests/unit/test_*.c)
UNIT_HELP := $(filter-out $(UNIT_SRC),$(wildcard tests/unit/*.c))
FUZZ_SRC := $(wildcard tests/fuzz/fuzz_*.c)
BENCH_SRC := $(wildcard tests/bench/bench_*.c)
REF_SRC := $(wildcard tests/reference/ref_*.c)
HEADERS := $(wildcard lib/vla/*.h)

LIB_OBJ := $(LIB_SRC:%.c=$(B)/obj/%.o)
COMMON_OBJ := $(COMMON_SRC:%.c=$(B)/obj/%.o)
TOOLS := $(CMD_SRC:cmd/%.c=$(B)/bin/%)
UNITS := $(UNIT_SRC:tests/unit/%.c=$(B)/unit/%)
FUZZERS := $(FUZZ_SRC:tests/fuzz/%.c=$(B)/fuzz/%)
BENCHES := $(BENCH_SRC:tests/bench/%.c=$(B)/bench/%)
REFS := $(REF_SRC:tests/reference/%.c=$(B)/reference/%)
MAN1 := $(wildcard man/*.1)
MAN5 := $(wildcard man/*.5)
MAN7 := $(wildcard man/*.7)

SONAME := libvla.so.$(MAJOR)
# V=1 shows whole command lines.
Q := $(if $(V),,@)

all: $(B)/lib/libvla.so $(B)/lib/libvla.a $(TOOLS) $(B)/share/vla

$(B)/obj/%.o: %.c
	@mkdir -p $(@D)
	@echo '  CC   $@'
	$(Q)$(CC) $(CPP) $(OPT) $(CFLAGS) -MMD -MP -c -o $@ $<

# What the public headers declare is exported, nothing else: the resolvers of multiversioned kernels ignore -fvisibility.
$(B)/lib/libvla.map: $(HEADERS)
	@mkdir -p $(@D)
	$(Q){ echo '{ global:'; cat $(HEADERS) | tr '\n' ' ' | grep -oE 'VLA_API [^;(]*\(' | grep -oE 'vla_[a-z0-9_]+\($$' | \
		tr '(' ';' | sort -u; echo 'local: *; };'; } >$@

$(B)/lib/$(SONAME): $(LIB_OBJ) $(B)/lib/libvla.map
	@mkdir -p $(@D)
	@echo '  LINK $@'
	$(Q)$(CC) -shared $(LINK) -Wl,-soname,$(SONAME) -Wl,--version-script=$(B)/lib/libvla.map $(LDFLAGS) -o $@ $(LIB_OBJ) $(LIBS)

$(B)/lib/libvla.so: $(B)/lib/$(SONAME)
	$(Q)ln -sf $(SONAME) $@

$(B)/lib/libvla.a: $(LIB_OBJ)
	@mkdir -p $(@D)
	@rm -f $@
	@echo '  AR   $@'
	$(Q)$(AR) rcs $@ $(LIB_OBJ)

# The tools find the library beside them, so the build folder and an installed tree can be moved.
$(B)/bin/%: $(B)/obj/cmd/%.o $(COMMON_OBJ) $(B)/lib/libvla.so
	@mkdir -p $(@D)
	@echo '  LINK $@'
	$(Q)$(CC) $(OPT) $(LDFLAGS) -Wl,-rpath,'$$ORIGIN/../lib' -o $@ $< $(COMMON_OBJ) -L$(B)/lib -lvla -lpthread -lm

$(B)/share/vla:
	@mkdir -p $(B)/share
	$(Q)ln -sfn $(abspath lib/share) $@

$(B)/unit/%: $(B)/obj/tests/unit/%.o $(UNIT_HELP:%.c=$(B)/obj/%.o) $(B)/lib/libvla.a
	@mkdir -p $(@D)
	@echo '  LINK $@'
	$(Q)$(CC) $(OPT) $(LDFLAGS) -o $@ $< $(UNIT_HELP:%.c=$(B)/obj/%.o) $(B)/lib/libvla.a $(LIBS)

$(B)/fuzz/%: $(B)/obj/tests/fuzz/%.o $(B)/obj/tests/fuzz/replay.o $(B)/lib/libvla.a
	@mkdir -p $(@D)
	@echo '  LINK $@'
	$(Q)$(CC) $(OPT) $(LDFLAGS) -o $@ $< $(B)/obj/tests/fuzz/replay.o $(B)/lib/libvla.a $(LIBS)

$(B)/bench/%: $(B)/obj/tests/bench/%.o $(B)/lib/libvla.a
	@mkdir -p $(@D)
	@echo '  LINK $@'
	$(Q)$(CC) $(OPT) $(LDFLAGS) -o $@ $< $(B)/lib/libvla.a $(LIBS)

$(B)/reference/%: $(B)/obj/tests/reference/%.o $(B)/lib/libvla.a
	@mkdir -p $(@D)
	$(CC) $(OPT) $(LDFLAGS) -o $@ $< $(B)/lib/libvla.a $(LIBS)

-include $(LIB_OBJ:.o=.d) $(COMMON_OBJ:.o=.d) $(CMD_SRC:%.c=$(B)/obj/%.d) $(UNIT_SRC:%.c=$(B)/obj/%.d) \
	$(FUZZ_SRC:%.c=$(B)/obj/%.d) $(BENCH_SRC:%.c=$(B)/obj/%.d) $(REF_SRC:%.c=$(B)/obj/%.d)

# --- tests -----------------------------------------------------------------------------------------------------

TESTS_T := $(wildcard tests/checks/*.t) $(wildcard tests/cli/*.t)
PROVE = B=$(B) OMP_NUM_THREADS=1 prove $(PROVEFLAGS)

# Everything that needs no network, no shared data and no GPU; parts that find none of the optional data say SKIP.
check: all $(UNITS) $(FUZZERS)
	@$(PROVE) $(TESTS_T) $(UNITS) $(FUZZERS)

unit: all $(UNITS)
	@$(PROVE) $(UNITS)

cli: all
	@$(PROVE) $(wildcard tests/cli/*.t)

# Independent references (PyTorch) and the slow parts of the suite.
check-long: check $(REFS)
	@VLA_LONG=1 $(PROVE) $(TESTS_T) $(UNITS) $(wildcard tests/reference/*.t)

asan:
	$(MAKE) SAN=address,undefined check

tsan:
	$(MAKE) SAN=thread unit

bench: all $(BENCHES)
	@for b in $(BENCHES) $(wildcard tests/bench/*.sh); do B=$(B) $$b || exit 1; done

# Claims say shown, not shown or not resolved; a run that was interrupted goes on.
CLAIMS := $(wildcard tests/claims/[0-9][0-9]-*)

claims: all
	@bad=0; for c in $(CLAIMS); do B=$(B) $$c; r=$$?; [ $$r = 0 ] || [ $$r = 77 ] || bad=1; done; exit $$bad

claim-%: all
	@B=$(B) $(or $(wildcard tests/claims/$*-*),$(error no claim $*))

# clang builds each fuzz target with libFuzzer; `make check` replays the corpora with the plain compiler.
fuzz:
	$(MAKE) B=build-fuzz CC=clang CFLAGS='-O1 -g -fsanitize=fuzzer-no-link,address,undefined' build-fuzz/lib/libvla.a
	@mkdir -p build-fuzz/fuzz
	for f in $(FUZZ_SRC); do clang $(CPP) -g -fsanitize=fuzzer,address,undefined -o build-fuzz/fuzz/$$(basename $$f .c) $$f \
		build-fuzz/lib/libvla.a $(LIBS) || exit 1; done

# Tables that programs write (*_data.c) have a form of their own.
# Programs in single quotes are awk's or an inner shell's, and functions are called by their names (SC2016, SC2317).
lint:
	clang-format --dry-run -Werror $(filter-out %_data.c,$(LIB_SRC)) $(HEADERS) $(CMD_SRC) $(COMMON_SRC) $(UNIT_SRC) $(wildcard lib/*/*.h)
	cppcheck --quiet --error-exitcode=1 --std=c11 --enable=warning,portability --inline-suppr -Ilib lib cmd
	shellcheck -s sh -e SC2016,SC2317 $(wildcard tests/*.sh tests/*/*.sh tests/*/*.t)

# --- demo ------------------------------------------------------------------------------------------------------

# Pictures of your own: make demo PHOTOS=DIR. Without it a few are drawn by the tree itself.
demo: all
	@B=$(B) PHOTOS='$(PHOTOS)' sh tests/demo.sh

# --- install ---------------------------------------------------------------------------------------------------

install: all
	install -d '$(DESTDIR)$(BINDIR)' '$(DESTDIR)$(LIBDIR)/pkgconfig' '$(DESTDIR)$(INCDIR)/vla' '$(DESTDIR)$(DATADIR)/vla' \
		'$(DESTDIR)$(MANDIR)/man1' '$(DESTDIR)$(MANDIR)/man5' '$(DESTDIR)$(MANDIR)/man7'
	install -m 755 $(TOOLS) '$(DESTDIR)$(BINDIR)'
	install -m 755 $(B)/lib/$(SONAME) '$(DESTDIR)$(LIBDIR)/libvla.so.$(VERSION)'
	ln -sf libvla.so.$(VERSION) '$(DESTDIR)$(LIBDIR)/$(SONAME)'
	ln -sf $(SONAME) '$(DESTDIR)$(LIBDIR)/libvla.so'
	install -m 644 $(B)/lib/libvla.a '$(DESTDIR)$(LIBDIR)'
	install -m 644 $(HEADERS) '$(DESTDIR)$(INCDIR)/vla'
	sed -e 's|@PREFIX@|$(PREFIX)|; s|@LIBDIR@|$(LIBDIR)|; s|@INCDIR@|$(INCDIR)|; s|@VERSION@|$(VERSION)|' lib/vla/vla.pc.in \
		>'$(DESTDIR)$(LIBDIR)/pkgconfig/vla.pc'
	cd lib/share && find . -type d -exec install -d '$(DESTDIR)$(DATADIR)/vla/{}' \; && \
		find . -type f -exec install -m 644 '{}' '$(DESTDIR)$(DATADIR)/vla/{}' \;
	$(if $(MAN1),install -m 644 $(MAN1) '$(DESTDIR)$(MANDIR)/man1')
	$(if $(MAN5),install -m 644 $(MAN5) '$(DESTDIR)$(MANDIR)/man5')
	$(if $(MAN7),install -m 644 $(MAN7) '$(DESTDIR)$(MANDIR)/man7')

uninstall:
	rm -f $(TOOLS:$(B)/bin/%='$(DESTDIR)$(BINDIR)/%')
	rm -f '$(DESTDIR)$(LIBDIR)/libvla.so' '$(DESTDIR)$(LIBDIR)/$(SONAME)' '$(DESTDIR)$(LIBDIR)/libvla.so.$(VERSION)' \
		'$(DESTDIR)$(LIBDIR)/libvla.a' '$(DESTDIR)$(LIBDIR)/pkgconfig/vla.pc'
	rm -rf '$(DESTDIR)$(INCDIR)/vla' '$(DESTDIR)$(DATADIR)/vla'
	rm -f $(MAN1:man/%='$(DESTDIR)$(MANDIR)/man1/%') $(MAN5:man/%='$(DESTDIR)$(MANDIR)/man5/%') \
		$(MAN7:man/%='$(DESTDIR)$(MANDIR)/man7/%')

# The installed tools answer, and uninstalling leaves no file behind.
installcheck: all
	@d=$$(mktemp -d) && $(MAKE) -s install DESTDIR=$$d PREFIX=/usr && $$d/usr/bin/vla-model show >/dev/null && \
		$(MAKE) -s uninstall DESTDIR=$$d PREFIX=/usr && left=$$(find $$d ! -type d) && rm -rf $$d && \
		if [ -n "$$left" ]; then echo "left: $$left"; exit 1; fi && echo 'installcheck: ok'

dist:
	@grep -q '^## $(VERSION)' NEWS.md || { echo 'NEWS.md does not name $(VERSION)'; exit 1; }
	git archive --prefix=vla-$(VERSION)/ -o vla-$(VERSION).tar.gz HEAD

tags:
	ctags -R lib cmd

clean:
	rm -rf build build-*

help:
	@echo 'make             build with what is there (oneDNN is found, not required)'
	@echo 'make deps        install the Debian packages'
	@echo 'make demo        search a few pictures; PHOTOS=DIR for your own'
	@echo 'make check       the test suite; check-long adds the slow parts; asan, tsan: under sanitizers'
	@echo 'make bench       speed, as ratios within one run'
	@echo 'make claims      what is shown by measurement; claim-NN: one of them'
	@echo 'make lint fuzz install installcheck uninstall dist tags clean'
	@echo 'variables: V PREFIX BINDIR LIBDIR INCDIR MANDIR DESTDIR CC CFLAGS LDFLAGS SAN NATIVE WITH_DNNL B'

.PHONY: all check unit cli check-long asan tsan bench claims fuzz lint demo deps install installcheck uninstall dist tags clean help
.SECONDARY:
endif
