# vla: visual-language alignment as Unix tools. `make help` lists the targets.

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
# SAN=address,undefined or SAN=thread: a sanitizer build, in a folder of its own.
SAN ?=
# NATIVE=1 compiles for this processor only; the default build runs on any x86-64 or arm64.
NATIVE ?=
# WITH_DNNL, WITH_MPI: 1 or 0; found when not given.
WITH_DNNL ?= $(if $(wildcard /usr/include/dnnl.h /usr/local/include/dnnl.h /usr/include/oneapi/dnnl/dnnl.h),1,0)
PKG_CONFIG ?= pkg-config

comma := ,
B ?= build$(if $(SAN),-$(subst $(comma),-,$(SAN)))

MAJOR := $(shell sed -n 's/^.define VLA_VERSION_MAJOR //p' lib/vla/status.h)
MINOR := $(shell sed -n 's/^.define VLA_VERSION_MINOR //p' lib/vla/status.h)
PATCH := $(shell sed -n 's/^.define VLA_VERSION_PATCH //p' lib/vla/status.h)
VERSION := $(MAJOR).$(MINOR).$(PATCH)

DEPS_DEB := gcc g++ make pkg-config perl python3 mandoc groff-base libopenblas-dev libpng-dev libjpeg62-turbo-dev zlib1g-dev \
	libjansson-dev libdnnl-dev

WARN := -Wall -Wextra -Wpedantic -Wshadow -Wvla -Wmissing-prototypes -Wstrict-prototypes
BLAS_CFLAGS := $(shell $(PKG_CONFIG) --cflags openblas 2>/dev/null)
BLAS_LIBS := $(or $(shell $(PKG_CONFIG) --libs openblas 2>/dev/null),-lopenblas)
CPP := -Ilib -D_POSIX_C_SOURCE=200809L $(BLAS_CFLAGS)
ifeq ($(WITH_DNNL),1)
CPP += -DVLA_WITH_DNNL
DNNL_LIBS := -ldnnl
endif
OPT := -std=c11 -fPIC -fvisibility=hidden -pthread -fno-math-errno -fno-trapping-math $(WARN)
ifneq ($(NATIVE),)
OPT += -march=native
endif
ifneq ($(SAN),)
OPT += -fsanitize=$(SAN) -fno-omit-frame-pointer
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
HEADERS := $(wildcard lib/vla/*.h)

LIB_OBJ := $(LIB_SRC:%.c=$(B)/obj/%.o)
COMMON_OBJ := $(COMMON_SRC:%.c=$(B)/obj/%.o)
TOOLS := $(CMD_SRC:cmd/%.c=$(B)/bin/%)
UNITS := $(UNIT_SRC:tests/unit/%.c=$(B)/unit/%)
FUZZERS := $(FUZZ_SRC:tests/fuzz/%.c=$(B)/fuzz/%)
BENCHES := $(BENCH_SRC:tests/bench/%.c=$(B)/bench/%)
MAN1 := $(wildcard man/*.1)
MAN5 := $(wildcard man/*.5)
MAN7 := $(wildcard man/*.7)

SONAME := libvla.so.$(MAJOR)

all: $(B)/lib/libvla.so $(B)/lib/libvla.a $(TOOLS) $(B)/share/vla

$(B)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPP) $(OPT) $(CFLAGS) -MMD -MP -c -o $@ $<

$(B)/lib/$(SONAME): $(LIB_OBJ)
	@mkdir -p $(@D)
	$(CC) -shared $(LINK) -Wl,-soname,$(SONAME) $(LDFLAGS) -o $@ $(LIB_OBJ) $(LIBS)

$(B)/lib/libvla.so: $(B)/lib/$(SONAME)
	ln -sf $(SONAME) $@

$(B)/lib/libvla.a: $(LIB_OBJ)
	@mkdir -p $(@D)
	@rm -f $@
	$(AR) rcs $@ $(LIB_OBJ)

# The tools find the library beside them, so the build folder and an installed tree can be moved.
$(B)/bin/%: $(B)/obj/cmd/%.o $(COMMON_OBJ) $(B)/lib/libvla.so
	@mkdir -p $(@D)
	$(CC) $(OPT) $(LDFLAGS) -Wl,-rpath,'$$ORIGIN/../lib' -o $@ $< $(COMMON_OBJ) -L$(B)/lib -lvla -lpthread -lm

$(B)/share/vla:
	@mkdir -p $(B)/share
	ln -sfn $(abspath lib/share) $@

$(B)/unit/%: $(B)/obj/tests/unit/%.o $(UNIT_HELP:%.c=$(B)/obj/%.o) $(B)/lib/libvla.a
	@mkdir -p $(@D)
	$(CC) $(OPT) $(LDFLAGS) -o $@ $< $(UNIT_HELP:%.c=$(B)/obj/%.o) $(B)/lib/libvla.a $(LIBS)

$(B)/fuzz/%: $(B)/obj/tests/fuzz/%.o $(B)/obj/tests/fuzz/replay.o $(B)/lib/libvla.a
	@mkdir -p $(@D)
	$(CC) $(OPT) $(LDFLAGS) -o $@ $< $(B)/obj/tests/fuzz/replay.o $(B)/lib/libvla.a $(LIBS)

$(B)/bench/%: $(B)/obj/tests/bench/%.o $(B)/lib/libvla.a
	@mkdir -p $(@D)
	$(CC) $(OPT) $(LDFLAGS) -o $@ $< $(B)/lib/libvla.a $(LIBS)

-include $(LIB_OBJ:.o=.d) $(COMMON_OBJ:.o=.d) $(CMD_SRC:%.c=$(B)/obj/%.d) $(UNIT_SRC:%.c=$(B)/obj/%.d) \
	$(FUZZ_SRC:%.c=$(B)/obj/%.d) $(BENCH_SRC:%.c=$(B)/obj/%.d)

unit: $(UNITS)
	@B=$(B) prove $(UNITS)

clean:
	rm -rf build build-*

.PHONY: all unit clean
.SECONDARY:
