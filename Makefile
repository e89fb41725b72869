# SPDX-License-Identifier: GPL-2.0-or-later
# Builds, checks and installs bauta. `make help` lists the targets; V=1 shows the commands.
#
# Files are picked up by where they stand and how they are called; nothing has to be listed here:
#   src/nat/*.h             the translator, compiled into BPF and host programs alike
#   src/bpf/X.bpf.c         -> build/bpf/X.bpf.o -> build/bpf/X.skel.h
#   src/daemon, src/cli     -> build/bauta
#   tests/unit/X_test.c     -> build/unit/X_test     ASan and UBSan; X_tsan_test.c: TSan
#   tests/prog/X_test.c     -> build/prog/X_test     loads BPF objects
#   tests/kernel/X_probe.c  -> build/kernel/X_probe  one kernel behaviour
#   tests/fuzz/X_fuzz.c     -> build/fuzz/X_fuzz     libFuzzer
#   bench/X.c               -> build/bench/X         every file with a main()
#   man/X.scd               -> build/man/X
# X.bpf.c in tests/prog, tests/kernel and bench become build/{prog,kernel,bench}/X.skel.h.
# The other .c files of tests/unit, tests/prog, tests/kernel and bench are helpers, linked into each program of their folder.
# A program that includes "daemon/x.h" or "cli/x.h" is linked with the objects of build/bauta too.

VERSION := 0.1
PREFIX  ?= /usr/local
B       := build

# ---- tools ---------------------------------------------------------------------------------------------------------

CC         := gcc
CLANG      ?= clang
BPFTOOL    ?= $(firstword $(wildcard /usr/sbin/bpftool /usr/local/sbin/bpftool) bpftool)
PKG_CONFIG ?= pkg-config
PYTHON     := /usr/bin/python3
FUZZ_TIME  ?= 60

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-7s %s\n' '$(1)' '$(2)';)

# On a machine where nothing is installed yet these are empty: what needs them runs in a make of its own, after deps.
pkg       = $(shell $(PKG_CONFIG) $(1) 2>/dev/null)
MULTIARCH := $(shell $(CC) -print-multiarch 2>/dev/null)
SYSTEMD   := $(call pkg,--exists libsystemd && echo libsystemd)
LIBRARIES := libbpf libmnl libevent jansson $(SYSTEMD)

# ---- flags ---------------------------------------------------------------------------------------------------------

CFLAGS   ?= -O2 -g
WARNINGS := -Wall -Wextra -Werror -Wshadow -Wvla -Wformat=2 -Wstrict-prototypes -Wmissing-prototypes
INCLUDES := -Isrc/nat -Isrc/host -Isrc -I$(B)
HOST     := -std=gnu11 $(WARNINGS) $(INCLUDES) -D_GNU_SOURCE -DBAUTA_VERSION='"$(VERSION)"' \
            $(if $(SYSTEMD),-DHAVE_SYSTEMD) $(call pkg,--cflags $(LIBRARIES))
LIBS     := -Wl,--as-needed $(call pkg,--libs $(LIBRARIES))
BPF      := -target bpf -mcpu=v3 -std=gnu11 -O2 -g -Wall -Wextra -Werror -Isrc/nat -Isrc/bpf \
            $(if $(MULTIARCH),-idirafter /usr/include/$(MULTIARCH))
ASAN     := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
TSAN     := -O1 -g -fsanitize=thread -pthread
FUZZ     := -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all
DEPFLAGS  = -MMD -MP -MT $@ -MF $@.d

# ---- files ---------------------------------------------------------------------------------------------------------

uses_program = $(if $(1),$(shell grep -lE '^\#include "([./]*src/)?(daemon|cli)/' $(1)))
has_main     = $(if $(1),$(shell grep -lE '^int main\b' $(1)))

SRC    := $(wildcard src/daemon/*.c src/cli/*.c)
OBJ    := $(SRC:src/%.c=$(B)/obj/%.o)
MAIN   := $(filter %/cli/main.o,$(OBJ))
LIBOBJ := $(filter-out $(MAIN),$(OBJ))

bpf_of = $(patsubst $(1)/%.bpf.c,$(B)/$(2)/%.skel.h,$(wildcard $(1)/*.bpf.c))
SKEL        := $(call bpf_of,src/bpf,bpf)
SKEL_PROG   := $(call bpf_of,tests/prog,prog)
SKEL_KERNEL := $(call bpf_of,tests/kernel,kernel)
SKEL_BENCH  := $(call bpf_of,bench,bench)
SKEL_ALL    := $(SKEL) $(SKEL_PROG) $(SKEL_KERNEL) $(SKEL_BENCH)

MAN := $(patsubst man/%.scd,$(B)/man/%,$(wildcard man/*.scd))

UNIT_SRC   := $(wildcard tests/unit/*_test.c)
PROG_SRC   := $(wildcard tests/prog/*_test.c)
KERNEL_SRC := $(wildcard tests/kernel/*_probe.c)
FUZZ_SRC   := $(wildcard tests/fuzz/*_fuzz.c)
BENCH_SRC  := $(call has_main,$(filter-out %.bpf.c,$(wildcard bench/*.c)))

UNIT_BIN   := $(UNIT_SRC:tests/%.c=$(B)/%)
TSAN_BIN   := $(filter %_tsan_test,$(UNIT_BIN))
ASAN_BIN   := $(filter-out $(TSAN_BIN),$(UNIT_BIN))
PROG_BIN   := $(PROG_SRC:tests/%.c=$(B)/%)
KERNEL_BIN := $(KERNEL_SRC:tests/%.c=$(B)/%)
FUZZ_BIN   := $(FUZZ_SRC:tests/%.c=$(B)/%)
BENCH_BIN  := $(BENCH_SRC:%.c=$(B)/%)

helpers = $(filter-out %.bpf.c $(2),$(wildcard $(1)/*.c))
UNIT_HELP   := $(patsubst tests/%.c,$(B)/obj-asan/tests/%.o,$(call helpers,tests/unit,$(UNIT_SRC)))
PROG_HELP   := $(patsubst tests/%.c,$(B)/obj/tests/%.o,$(call helpers,tests/prog,$(PROG_SRC)))
KERNEL_HELP := $(patsubst tests/%.c,$(B)/obj/tests/%.o,$(call helpers,tests/kernel,$(KERNEL_SRC)))
BENCH_HELP  := $(patsubst %.c,$(B)/obj/%.o,$(call helpers,bench,$(BENCH_SRC)))

# ---- building ------------------------------------------------------------------------------------------------------

.PHONY: all bpf man FORCE
.DELETE_ON_ERROR:
.SECONDARY:
MAKEFLAGS += --no-builtin-rules

all: $(if $(MAIN),$(B)/bauta) bpf man
bpf: $(SKEL)
man: $(MAN)

# Changes only when the flags do, so that everything is rebuilt then and only then.
$(B)/flags: FORCE
	@mkdir -p $(@D); printf '%s\n' '$(subst ','\'',$(CC) $(CLANG) $(CFLAGS) $(HOST) $(LIBS) $(BPF) $(ASAN) $(TSAN) $(FUZZ))' >$@.new; \
	if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi

$(B)/bauta: $(OBJ)
	$(call say,LINK,$@)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

$(OBJ): $(B)/obj/%.o: src/%.c $(B)/flags | $(SKEL)
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(HOST) $(CFLAGS) $(DEPFLAGS) -c -o $@ $<

$(LIBOBJ:$(B)/obj/%=$(B)/obj-asan/%): $(B)/obj-asan/%.o: src/%.c $(B)/flags | $(SKEL)
	@mkdir -p $(@D)
	$(call say,CC,$< (asan))$(CC) $(HOST) $(ASAN) $(DEPFLAGS) -c -o $@ $<

$(LIBOBJ:$(B)/obj/%=$(B)/obj-fuzz/%): $(B)/obj-fuzz/%.o: src/%.c $(B)/flags | $(SKEL)
	@mkdir -p $(@D)
	$(call say,CLANG,$< (fuzz))$(CLANG) $(HOST) $(FUZZ) $(DEPFLAGS) -c -o $@ $<

# The program without its main, for the tests of its parts: an archive, so that a test takes only what it calls.
$(B)/obj/bauta.a: $(LIBOBJ)
$(B)/obj-asan/bauta.a: $(LIBOBJ:$(B)/obj/%=$(B)/obj-asan/%)
$(B)/obj-fuzz/bauta.a: $(LIBOBJ:$(B)/obj/%=$(B)/obj-fuzz/%)
$(B)/obj/bauta.a $(B)/obj-asan/bauta.a $(B)/obj-fuzz/bauta.a:
	@mkdir -p $(@D)
	$(call say,AR,$@)rm -f $@ && ar rcs $@ $^

define bpf_rule
$(B)/$(2)/%.bpf.o: $(1)/%.bpf.c $(B)/flags
	@mkdir -p $$(@D)
	$$(call say,BPF,$$<)$(CLANG) $(BPF) $$(DEPFLAGS) -c -o $$@ $$<
endef
$(eval $(call bpf_rule,src/bpf,bpf))
$(eval $(call bpf_rule,tests/prog,prog))
$(eval $(call bpf_rule,tests/kernel,kernel))
$(eval $(call bpf_rule,bench,bench))

$(SKEL_ALL): %.skel.h: %.bpf.o
	$(call say,SKEL,$@)$(BPFTOOL) gen skeleton $< name $(subst -,_,$(notdir $*)) >$@

$(B)/man/%: man/%.scd
	@mkdir -p $(@D)
	$(call say,MAN,$@)scdoc <$< >$@

# ---- test programs -------------------------------------------------------------------------------------------------

.PHONY: unit-programs prog-programs kernel-programs fuzz-programs bench-programs programs
unit-programs: $(UNIT_BIN)
prog-programs: $(PROG_BIN)
kernel-programs: $(KERNEL_BIN)
fuzz-programs: $(FUZZ_BIN)
bench-programs: $(BENCH_BIN)
programs: unit-programs prog-programs kernel-programs

$(patsubst tests/%.c,$(B)/%,$(call uses_program,$(UNIT_SRC))): $(B)/obj-asan/bauta.a
$(patsubst tests/%.c,$(B)/%,$(call uses_program,$(PROG_SRC))): $(B)/obj/bauta.a
$(patsubst tests/%.c,$(B)/%,$(call uses_program,$(FUZZ_SRC))): $(B)/obj-fuzz/bauta.a
$(patsubst %.c,$(B)/%,$(call uses_program,$(BENCH_SRC))): $(B)/obj/bauta.a

linked = $(filter %.c %.o,$^) $(filter %.a,$^)

$(B)/obj-asan/tests/%.o: tests/%.c $(B)/flags
	@mkdir -p $(@D)
	$(call say,CC,$< (asan))$(CC) $(HOST) $(ASAN) $(DEPFLAGS) -c -o $@ $<

$(B)/obj/tests/%.o: tests/%.c $(B)/flags | $(SKEL) $(SKEL_PROG) $(SKEL_KERNEL)
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(HOST) $(CFLAGS) $(DEPFLAGS) -c -o $@ $<

$(B)/obj/bench/%.o: bench/%.c $(B)/flags | $(SKEL) $(SKEL_BENCH)
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(HOST) $(CFLAGS) $(DEPFLAGS) -c -o $@ $<

$(ASAN_BIN): $(B)/%: tests/%.c $(UNIT_HELP) $(B)/flags
	@mkdir -p $(@D)
	$(call say,TEST,$@)$(CC) $(HOST) $(ASAN) $(DEPFLAGS) -o $@ $(linked) -lcmocka -pthread $(LIBS)

$(TSAN_BIN): $(B)/%: tests/%.c $(B)/flags
	@mkdir -p $(@D)
	$(call say,TEST,$@)$(CC) $(HOST) $(TSAN) $(DEPFLAGS) -o $@ $< -lcmocka

$(PROG_BIN): $(B)/%: tests/%.c $(PROG_HELP) $(B)/flags | $(SKEL) $(SKEL_PROG)
	@mkdir -p $(@D)
	$(call say,TEST,$@)$(CC) $(HOST) $(CFLAGS) $(DEPFLAGS) -o $@ $(linked) -lcmocka -pthread $(LIBS)

$(KERNEL_BIN): $(B)/%: tests/%.c $(KERNEL_HELP) $(B)/flags | $(SKEL_KERNEL)
	@mkdir -p $(@D)
	$(call say,PROBE,$@)$(CC) $(HOST) $(CFLAGS) $(DEPFLAGS) -o $@ $(linked) -pthread $(LIBS)

$(FUZZ_BIN): $(B)/%: tests/%.c $(B)/flags
	@mkdir -p $(@D)
	$(call say,FUZZ,$@)$(CLANG) $(HOST) $(FUZZ) $(DEPFLAGS) -o $@ $(linked) $(LIBS)

$(BENCH_BIN): $(B)/%: %.c $(BENCH_HELP) $(B)/flags | $(SKEL) $(SKEL_BENCH)
	@mkdir -p $(@D)
	$(call say,BENCH,$@)$(CC) $(HOST) $(CFLAGS) $(DEPFLAGS) -o $@ $(linked) -pthread $(LIBS)

.PHONY: clean
clean:
	rm -rf $(B)

-include $(wildcard $(B)/*/*.d $(B)/*/*/*.d $(B)/*/*/*/*.d)
