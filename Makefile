# SPDX-License-Identifier: GPL-2.0-or-later
# Builds, checks and installs bauta. `make help` lists the targets; V=1 shows the commands.
#
# Files are picked up by where they stand and how they are called; nothing has to be listed here:
#   src/nat/*.h             the translator, compiled into BPF and host programs alike
#   src/bpf/X.bpf.c         -> build/bpf/X.bpf.o -> build/bpf/X.skel.h
#   src/host/X.c            what programs outside the kernel share; an archive that all of them are linked with
#   src/daemon, src/cli     -> build/bauta
#   tests/unit/X_test.c     -> build/unit/X_test     ASan and UBSan; X_tsan_test.c: TSan
#   tests/prog/X_test.c     -> build/prog/X_test     loads BPF objects
#   tests/kernel/X_probe.c  -> build/kernel/X_probe  one kernel behaviour
#   tests/fuzz/X_fuzz.c     -> build/fuzz/X_fuzz     libFuzzer
#   tests/verifier/*.c      -> build/verifier/verifier  one program
#   bench/X.c               -> build/bench/X         every file with a main()
#   man/X.scd               -> build/man/X
# X.bpf.c in tests/prog, tests/kernel and bench become build/{prog,kernel,bench}/X.skel.h.
# Other .c files of tests/unit, tests/prog, tests/kernel and bench are linked into each program of their folder.
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
say = $(if $(LACKING),$(error libraries are missing ($(LACKING)): run `make deps` as root))$(if \
	$(V),,@printf '  %-7s %s\n' '$(1)' '$(2)';)

# On a machine where nothing is installed yet these are empty: what needs them runs in a make of its own, after deps.
pkg       = $(shell $(PKG_CONFIG) $(1) 2>/dev/null)
MULTIARCH := $(shell $(CC) -print-multiarch 2>/dev/null)
SYSTEMD   := $(call pkg,--exists libsystemd && echo libsystemd)
LIBRARIES := libbpf libmnl libevent jansson inih $(SYSTEMD)
LACKING   := $(strip $(foreach library,$(LIBRARIES),$(if $(call pkg,--exists $(library) && echo yes),,$(library))))

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

# This file changes only when the flags do: then, and only then, everything is compiled again.
FLAGS := $(CC) $(CLANG) $(CFLAGS) $(LDFLAGS) $(HOST) $(LIBS) $(BPF) $(ASAN) $(TSAN) $(FUZZ)
ifneq ($(file <$(B)/flags),$(FLAGS))
$(if $(filter-out clean help,$(or $(MAKECMDGOALS),all)),$(shell mkdir -p $(B))$(file >$(B)/flags,$(FLAGS)))
endif

DEPFLAGS  = -MMD -MP -MT $@ -MF $@.d

# ---- files ---------------------------------------------------------------------------------------------------------

uses_program = $(if $(1),$(shell grep -lE '^\#include "([./]*src/)?(daemon|cli)/' $(1)))
has_main     = $(if $(1),$(shell grep -lE '^int main\b' $(1)))

SRC      := $(wildcard src/daemon/*.c src/cli/*.c)
HOST_SRC := $(wildcard src/host/*.c)
OBJ      := $(SRC:src/%.c=$(B)/obj/%.o)
MAIN     := $(filter %/cli/main.o,$(OBJ))
PARTS    := $(patsubst $(B)/obj/%,%,$(filter-out $(MAIN),$(OBJ)))
HOST_OBJ := $(HOST_SRC:src/%.c=%.o)
HEADER   := $(wildcard src/*/*.h src/nat/contract/*.h tests/*/*.h bench/*.h)

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
VERIFIER_SRC := $(wildcard tests/verifier/*.c)
BENCH_SRC  := $(call has_main,$(filter-out %.bpf.c,$(wildcard bench/*.c)))

UNIT_BIN   := $(UNIT_SRC:tests/%.c=$(B)/%)
TSAN_BIN   := $(filter %_tsan_test,$(UNIT_BIN))
ASAN_BIN   := $(filter-out $(TSAN_BIN),$(UNIT_BIN))
PROG_BIN   := $(PROG_SRC:tests/%.c=$(B)/%)
KERNEL_BIN := $(KERNEL_SRC:tests/%.c=$(B)/%)
FUZZ_BIN   := $(FUZZ_SRC:tests/%.c=$(B)/%)
BENCH_BIN  := $(BENCH_SRC:%.c=$(B)/%)

helpers = $(filter-out %.bpf.c $(2),$(wildcard $(1)/*.c))
UNIT_HELP   := $(patsubst %.c,%.o,$(call helpers,tests/unit,$(UNIT_SRC)))
PROG_HELP   := $(patsubst %.c,%.o,$(call helpers,tests/prog,$(PROG_SRC)))
KERNEL_HELP := $(patsubst %.c,%.o,$(call helpers,tests/kernel,$(KERNEL_SRC)))
BENCH_HELP  := $(patsubst %.c,%.o,$(call helpers,bench,$(BENCH_SRC)))

# ---- building ------------------------------------------------------------------------------------------------------

.PHONY: all bpf man
.DELETE_ON_ERROR:
.SECONDARY:
MAKEFLAGS += --no-builtin-rules

all: $(if $(MAIN),$(B)/bauta) bpf man
bpf: $(SKEL)
man: $(MAN)

$(B)/bauta: $(OBJ) $(B)/obj/host.a
	$(call say,LINK,$@)$(CC) $(CFLAGS) $(LDFLAGS) -o $@.new $^ $(LIBS) && mv $@.new $@

# An object for each way to compile: as it is, and under each sanitizer that test programs are built with.
define object_rule
$(B)/$(1)/%.o: src/%.c $(B)/flags | $(SKEL)
	@mkdir -p $$(@D)
	$$(call say,CC,$$<$(if $(4), ($(4))))$(2) $$(HOST) $(3) $$(DEPFLAGS) -c -o $$@ $$<
$(B)/$(1)/tests/%.o: tests/%.c $(B)/flags | $(SKEL) $(SKEL_PROG) $(SKEL_KERNEL)
	@mkdir -p $$(@D)
	$$(call say,CC,$$<$(if $(4), ($(4))))$(2) $$(HOST) $(3) $$(DEPFLAGS) -c -o $$@ $$<
$(B)/$(1)/bauta.a: $(PARTS:%=$(B)/$(1)/%)
$(B)/$(1)/host.a: $(HOST_OBJ:%=$(B)/$(1)/%)
$(B)/$(1)/bauta.a $(B)/$(1)/host.a:
	@mkdir -p $$(@D)
	$$(call say,AR,$$@)rm -f $$@ && ar rcs $$@ $$^
endef
$(eval $(call object_rule,obj,$(CC),$(CFLAGS),))
$(eval $(call object_rule,obj-asan,$(CC),$(ASAN),asan))
$(eval $(call object_rule,obj-tsan,$(CC),$(TSAN),tsan))
$(eval $(call object_rule,obj-fuzz,$(CLANG),$(FUZZ),fuzz))

$(B)/obj/bench/%.o: bench/%.c $(B)/flags | $(SKEL) $(SKEL_BENCH)
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(HOST) $(CFLAGS) $(DEPFLAGS) -c -o $@ $<

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
	$(call say,SKEL,$@)(echo '/* NOLINTBEGIN: bpftool wrote this */' && \
		$(BPFTOOL) gen skeleton $< name $(subst -,_,$(notdir $*)) && echo '/* NOLINTEND */') >$@

$(B)/man/%: man/%.scd
	@mkdir -p $(@D)
	$(call say,MAN,$@)scdoc <$< >$@

# ---- test programs -------------------------------------------------------------------------------------------------

.PHONY: unit-programs prog-programs kernel-programs fuzz-programs bench-programs programs
unit-programs: $(UNIT_BIN)
prog-programs: all $(PROG_BIN)
kernel-programs: $(KERNEL_BIN)
fuzz-programs: $(FUZZ_BIN)
bench-programs: $(BENCH_BIN)
programs: unit-programs prog-programs kernel-programs fuzz-programs bench-programs

# Archives come after what calls them: a program takes only those parts that it needs.
part_of = $(patsubst $(1)%.c,$(B)/%,$(call uses_program,$(2)))
$(filter-out $(TSAN_BIN),$(call part_of,tests/,$(UNIT_SRC))): $(B)/obj-asan/bauta.a
$(filter $(TSAN_BIN),$(call part_of,tests/,$(UNIT_SRC))): $(B)/obj-tsan/bauta.a
$(call part_of,tests/,$(PROG_SRC)): $(B)/obj/bauta.a
$(call part_of,tests/,$(KERNEL_SRC)): $(B)/obj/bauta.a
$(call part_of,tests/,$(FUZZ_SRC)): $(B)/obj-fuzz/bauta.a
$(call part_of,,$(BENCH_SRC)): $(B)/obj/bauta.a
linked = $(filter %.c,$^) $(filter %.o,$^) $(filter %/bauta.a,$^) $(filter %/host.a,$^)

$(ASAN_BIN): $(B)/%: tests/%.c $(UNIT_HELP:%=$(B)/obj-asan/%) $(B)/obj-asan/host.a $(B)/flags
	@mkdir -p $(@D)
	$(call say,TEST,$@)$(CC) $(HOST) $(ASAN) $(DEPFLAGS) -o $@ $(linked) -lcmocka -pthread $(LIBS)

$(TSAN_BIN): $(B)/%: tests/%.c $(UNIT_HELP:%=$(B)/obj-tsan/%) $(B)/obj-tsan/host.a $(B)/flags
	@mkdir -p $(@D)
	$(call say,TEST,$@)$(CC) $(HOST) $(TSAN) $(DEPFLAGS) -o $@ $(linked) -lcmocka $(LIBS)

$(PROG_BIN): $(B)/%: tests/%.c $(PROG_HELP:%=$(B)/obj/%) $(B)/obj/host.a $(B)/flags | $(SKEL) $(SKEL_PROG)
	@mkdir -p $(@D)
	$(call say,TEST,$@)$(CC) $(HOST) $(CFLAGS) $(DEPFLAGS) -o $@ $(linked) -lcmocka -pthread $(LIBS)

$(KERNEL_BIN): $(B)/%: tests/%.c $(KERNEL_HELP:%=$(B)/obj/%) $(B)/obj/host.a $(B)/flags | $(SKEL_KERNEL)
	@mkdir -p $(@D)
	$(call say,PROBE,$@)$(CC) $(HOST) $(CFLAGS) $(DEPFLAGS) -o $@ $(linked) -pthread $(LIBS)

$(FUZZ_BIN): $(B)/%: tests/%.c $(B)/obj-fuzz/host.a $(B)/flags
	@mkdir -p $(@D)
	$(call say,FUZZ,$@)$(CLANG) $(HOST) $(FUZZ) $(DEPFLAGS) -o $@ $(linked) $(LIBS)

$(BENCH_BIN): $(B)/%: %.c $(BENCH_HELP:%=$(B)/obj/%) $(B)/obj/host.a $(B)/flags | $(SKEL) $(SKEL_BENCH)
	@mkdir -p $(@D)
	$(call say,BENCH,$@)$(CC) $(HOST) $(CFLAGS) $(DEPFLAGS) -o $@ $(linked) -pthread $(LIBS)

$(B)/verifier/verifier: $(VERIFIER_SRC:%.c=$(B)/obj/%.o)
	@mkdir -p $(@D)
	$(call say,TEST,$@)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

# ---- sources looked at by the compilers ----------------------------------------------------------------------------

# A stamp for each file that passed, so that only what changed is looked at again.
.PHONY: headers tidy format
BOTH     := $(wildcard src/nat/*.h src/nat/contract/*.h)
HOST_H   := $(filter-out src/bpf/%,$(filter-out %.bpf.h,$(HEADER)))
BPF_H    := $(BOTH) $(wildcard src/bpf/*.h) $(filter %.bpf.h,$(HEADER))
TIDY_SRC := $(BOTH) $(SRC) $(HOST_SRC) $(filter-out %.bpf.c,$(wildcard tests/*/*.c bench/*.c))

headers: $(HOST_H:%=$(B)/lint/%.host) $(BPF_H:%=$(B)/lint/%.bpf)
tidy: $(TIDY_SRC:%=$(B)/lint/%.tidy)

$(B)/lint/%.host: % $(HEADER) $(B)/flags | $(SKEL_ALL)
	@mkdir -p $(@D)
	$(call say,HEADER,$<)printf '#include "$(CURDIR)/$<"\n' | \
		$(CC) $(HOST) -Wno-unused-function -fsyntax-only -x c - && touch $@

# A header may leave a function to the hook that includes it, and opens maps that nobody uses yet.
$(B)/lint/%.bpf: % $(HEADER) $(B)/flags
	@mkdir -p $(@D)
	$(call say,HEADER,$< (bpf))printf '#include "$(CURDIR)/$<"\n' | \
		$(CLANG) $(BPF) -Wno-unused-function -Wno-undefined-internal -fsyntax-only -x c - && touch $@

# The analyzer follows every path, which takes ten times as long as all else: what is shipped is worth that. Of tests, which
# are run, and those of units under sanitizers, it follows the short ones (a tenth of its time).
TIDY_RUN := -Xclang -analyzer-config -Xclang mode=shallow

$(B)/lint/%.tidy: % $(HEADER) .clang-tidy $(B)/flags | $(SKEL_ALL)
	@mkdir -p $(@D)
	$(call say,TIDY,$<)clang-tidy --quiet $< -- -x c $(HOST) -Wno-unused-function \
		$(if $(filter tests/% bench/%,$<),$(TIDY_RUN)) >$@.log 2>&1 && touch $@ || \
		{ echo '$<: the whole story is in $@.log'; grep -A2 ' error: ' $@.log; false; }

# Rewrites the sources; `make check-format` only tells.
format:
	$(Q)git ls-files -z --cached --others --exclude-standard -- '*.c' '*.h' | xargs -0r clang-format -i

# ---- everything from nothing ---------------------------------------------------------------------------------------

.PHONY: deps check churn conformance demo bench bench-results bench-ports bench-store bench-fsck verifier fuzz install clean help
STAGES := $(addprefix check-,build format lint unit kernel prog lab kernels)
.PHONY: $(STAGES)

deps: $(B)/deps
$(B)/deps: packaging/packages.txt packaging/deps
	$(Q)packaging/deps
	@mkdir -p $(@D) && touch $@

# After deps a new make: what this one asked of pkg-config may have been asked too early.
REMAKE := +@$(MAKE) --no-print-directory

check: deps
	@tests/run
$(STAGES): check-%: deps
	@tests/run $*
fuzz: deps
	@FUZZ_TIME=$(FUZZ_TIME) tests/run fuzz

verifier: $(B)/verifier/verifier $(SKEL)
	$(Q)$< $(if $(UPDATE),--update) --budget tests/verifier/budget.tsv $(SKEL:.skel.h=.bpf.o)

demo: deps
	$(REMAKE) all
	@demo/run

conformance: deps
	$(REMAKE) all
	@tests/conformance/run $(CONFORMANCE)

bench: deps
	$(REMAKE) all bench-programs
	@bench/run --json $(B)/bench/results.json --plot $(B)/bench/results $(BENCH)

# bench/results.md and its plots, from the figures of the last make bench
bench-results:
	@bench/results.py $(B)/bench/results.json

bench-ports: deps
	$(REMAKE) all bench-programs
	@bench/run --only ports $(BENCH)

churn: deps
	$(REMAKE) all $(B)/bench/churn
	@bench/cores churn $(CHURN)

bench-store: deps
	$(REMAKE) $(B)/bench/store
	@$(B)/bench/store $(BENCH)

bench-fsck: deps
	$(REMAKE) $(B)/bench/fsck
	@$(B)/bench/fsck $(BENCH)

TO         := $(DESTDIR)$(PREFIX)
COMPLETION := packaging/bauta.bash-completion
install: all
	install -D -m 755 $(B)/bauta $(DESTDIR)$(PREFIX)/sbin/bauta
	$(foreach page,$(MAN),install -D -m 644 -t $(TO)/share/man/man$(subst .,,$(suffix $(page))) $(page) &&) :
	install -d $(TO)/lib/systemd/system
	sed 's|@SBIN@|$(PREFIX)/sbin|; s|@TYPE@|$(if $(SYSTEMD),notify,exec)|' packaging/bauta@.service \
		>$(TO)/lib/systemd/system/bauta@.service
	install -D -m 644 -t $(TO)/share/doc/bauta packaging/bauta.conf
	$(if $(wildcard $(COMPLETION)),install -D -m 644 $(COMPLETION) $(TO)/share/bash-completion/completions/bauta)

clean:
	$(Q)rm -rf $(B)

help:
	@printf '%s\n' \
		'make               the program, its BPF objects and man pages, in $(B)/' \
		'make deps          install the Debian packages that are missing (as root)' \
		'make demo          deps, build, then the two experiments with real programs (as root)' \
		'make check         deps, then every check (as root); single stages:' \
		'                   $(STAGES)' \
		'make conformance   the requirements of docs/requirements.md, put to bauta and to nftables (as root);' \
		'                   CONFORMANCE="-k RFC5382 -v": options of tests/conformance/run' \
		'make verifier      instructions, stack and helpers of each BPF program against' \
		'                   tests/verifier/budget.tsv (as root); UPDATE=1 writes the budget' \
		'make fuzz          every fuzz target for FUZZ_TIME=$(FUZZ_TIME) seconds' \
		'make bench         the packet path, bauta on tc and on XDP, against plain forwarding, nftables' \
		'                   and a bare redirect; table, JSON and plots; BENCH=--brief: in under ten' \
		'                   minutes; make bench-results: bench/results.md' \
		'                   make bench-ports: the ports; make bench-store: the table; BENCH=--quick: options' \
		'                   make bench-fsck: how long a check of the table takes' \
		'make churn         packets of the same sessions on all CPUs at once, a minute for each' \
		'                   configuration (as root); CHURN="usual --seconds 10": options' \
		'make format        lay out the C sources' \
		'make install       to PREFIX=$(PREFIX), below DESTDIR' \
		'make clean         remove $(B)/'

-include $(wildcard $(B)/*/*.d $(B)/*/*/*.d $(B)/*/*/*/*.d)
