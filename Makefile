# Larder's Makefile, for GNU make: one file, written by hand.
#
#   make deps run       install what is missing, build, start larder on 127.0.0.1:11211
#   make deps check     the same, then run every test
#
#   make                build ./larder
#   make run            start it; ARGS='-m 1024' for options of its own
#   make larder-bench   build ./larder-bench, which measures cache servers side by side
#   make check          every test, and all but clients and system again under
#                       address,undefined; TESTS='t/wire/storage.t' for some of them
#   make check-reference  the tests of the wire and of clients against REFERENCE,
#                       which is Debian's memcached
#   make check-differential  COMMANDS=1000000 random commands, the same to larder and to
#                       REFERENCE, from SEED on; what they answer has to be the same
#   make stress         many threads and connections for a while
#   make linear         OPS=10000000 operations of 16 clients on few keys: what they are told
#                       has to be one history for each key
#   make kills          a server with a memory file is killed under load, KILLS=1000 times
#   make fuzz           one minute of libFuzzer, which needs clang-14; FUZZ=dialogue for
#                       another entry of t/fuzz, SECONDS=600 or RUNS=1000000 for longer
#   make bench          what is installed, by all scenarios: writes doc/BENCHMARKS.md;
#                       ARGS='-r 9 -s get,set' for some of them
#   make timing         does the time of a refused login tell anything? Over TRIES=100000
#   make lint           what must hold in the source beyond what the compiler sees
#   make format         lay the source out by .clang-format
#   make compile_commands.json   for editors and clangd
#   make install        below PREFIX of ./configure --prefix=PREFIX; DESTDIR is honoured
#   make uninstall      take that away again
#   make dist           a tarball of the current commit that brings ./configure along
#   make clean          remove what was built; `distclean`: and what was configured
#   make deps           only install what is missing (Debian's packages, by apt-get)
#   make help           this text
#
# SAN=thread or SAN=address,undefined builds, checks or stresses a variant with these
# sanitizers and all assertions in build/<variant>/, beside the release objects.
# WERROR=1 turns warnings into errors; V=1 shows the commands.

MAKEFLAGS += --no-builtin-rules
.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all build deps deps-first run check check-reference check-differential stress \
        linear kills fuzz timing bench lint format install uninstall dist clean distclean help

all: build

# ---- Configuration ---------------------------------------------------------------

# These goals need none. All others need config.mk, which make remakes before anything
# else, and for which `deps` comes first where it is among the goals: so that
# `make deps run` begins with nothing.
UNCONFIGURED := deps format clean distclean help
DEPS_FIRST   := $(if $(filter deps,$(MAKECMDGOALS)),deps-first)

ifneq ($(filter-out $(UNCONFIGURED),$(or $(MAKECMDGOALS),all)),)
include config.mk
endif

config.mk: configure tools/config.mk.in | $(DEPS_FIRST)
	@if [ -x config.status ]; then \
	    ./config.status --recheck && ./config.status; \
	else \
	    ./configure; \
	fi

configure: configure.ac | $(DEPS_FIRST)
	autoreconf

deps deps-first:
	@tools/deps

# ---- Flags -----------------------------------------------------------------------

# CC, CPPFLAGS, CFLAGS, LDFLAGS and LIBS belong to whoever builds; ours stand before.
comma   := ,
VARIANT := $(or $(subst $(comma),-,$(SAN)),release)
OUT     := build/$(VARIANT)

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla \
            $(if $(WERROR),-Werror)
RELEASE   = $(LTO) $(UNROLL) -fstack-protector-strong -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
NO_LTO    = $(if $(LTO),-fno-lto)
CHECKED  := -fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer \
            -DLARDER_DEBUG=1
COMPILE   = $(CC) -std=c11 -D_GNU_SOURCE -I. $(XXHASH_CFLAGS) $(LIBEVENT_CFLAGS) \
            $(OPENSSL_CFLAGS) $(SECCOMP_CFLAGS) $(WARNINGS) -fPIE -pthread $(if $(SAN),$(CHECKED),$(RELEASE)) \
            $(CPPFLAGS) $(CFLAGS)
LINK      = $(CC) -pie -pthread -Wl,-z,relro,-z,now,--as-needed \
            $(if $(SAN),-fsanitize=$(SAN)) $(CFLAGS) $(LDFLAGS)

Q := $(if $(V),,@)

# ---- The program: server -> protocol -> slabs ------------------------------------

objects = $(patsubst %.c,$(OUT)/%.o,$(wildcard $(1)/*.c))

SERVER_OBJECTS := $(call objects,server)
LIBPROTOCOL    := $(OUT)/libprotocol.a
LIBSLABS       := $(OUT)/libslabs.a
PROGRAM        := $(if $(SAN),$(OUT)/larder,./larder)

build: $(PROGRAM)

./larder: $(OUT)/larder
	@ln -f $< $@

$(OUT)/larder: $(SERVER_OBJECTS) $(LIBPROTOCOL) $(LIBSLABS)
	@echo LINK $@
	$(Q)$(LINK) $(if $(SAN),,$(LTO) $(UNROLL)) -o $@ $^ $(LIBEVENT_LIBS) $(OPENSSL_LIBS) $(SECCOMP_LIBS) $(LIBS)

$(LIBPROTOCOL): $(call objects,protocol)
$(LIBSLABS):    $(call objects,slabs)
$(LIBPROTOCOL) $(LIBSLABS):
	@echo AR $@
	$(Q)rm -f $@
	$(Q)$(AR) rcs $@ $^

$(OUT)/%.o: %.c Makefile config.mk
	@echo CC $(if $(SAN),$(SAN) )$<
	@mkdir -p $(@D)
	$(Q)$(COMPILE) -MMD -MP -c -o $@ $<

# The names of system calls, for who reads that one was refused.
$(OUT)/server/sandbox.o: build/syscalls.h
build/syscalls.h: config.mk
	@mkdir -p $(@D)
	$(Q)echo '#include <sys/syscall.h>' | $(CC) -E -dM - | \
	    sed -n 's/^#define __NR_\([a-z0-9_]*\) .*/{ __NR_\1, "\1" },/p' | sort >$@

-include $(wildcard $(OUT)/*/*.d $(OUT)/*/*/*.d)

# ---- The load generator -----------------------------------------------------------

BENCH_OBJECTS := $(call objects,bench/larder-bench)
BENCH         := $(if $(SAN),$(OUT)/larder-bench,./larder-bench)

larder-bench: $(OUT)/larder-bench
	@ln -f $< $@

$(OUT)/larder-bench: $(BENCH_OBJECTS) $(LIBPROTOCOL) $(LIBSLABS)
	@echo LINK $@
	$(Q)$(LINK) $(if $(SAN),,$(LTO)) -o $@ $^ $(OPENSSL_LIBS) $(LIBS) -lm

# What the kernel alone costs, for comparison.
FLOOR := $(OUT)/$(basename bench/floor.c)

$(FLOOR): $(FLOOR).o
	@echo LINK $@
	$(Q)$(LINK) -o $@ $^ $(LIBS)

# As root it is told whom to become.
run: ./larder
	./larder $(if $(filter 0,$(shell id -u)),-u nobody) $(ARGS)

# ---- Tests -----------------------------------------------------------------------

# Every t/unit/test_*.c is a program. It is linked with the layer that its name says
# and those below; from server/ and larder-bench it takes all but main().
$(OUT)/t/unit/test_slabs_%: $(OUT)/t/unit/test_slabs_%.o $(LIBSLABS)
	$(link_test)

$(OUT)/t/unit/test_protocol_%: $(OUT)/t/unit/test_protocol_%.o $(LIBPROTOCOL) $(LIBSLABS)
	$(link_test)

$(OUT)/t/unit/test_server_%: $(OUT)/t/unit/test_server_%.o \
        $(filter-out %/main.o,$(SERVER_OBJECTS)) $(LIBPROTOCOL) $(LIBSLABS)
	$(link_test)

$(OUT)/t/unit/test_bench_%: $(OUT)/t/unit/test_bench_%.o \
        $(filter-out %/main.o,$(BENCH_OBJECTS)) $(LIBPROTOCOL) $(LIBSLABS)
	$(link_test)

# Every t/fuzz/fuzz_*.c is a program as well, with the rest of that folder. As a test it
# runs over its corpus; in `make fuzz` libFuzzer takes the place of replay.c.
FUZZ_OBJECTS = $(filter-out $(OUT)/t/fuzz/fuzz_% $(if $(filter fuzz,$(VARIANT)),%/replay.o), \
                   $(call objects,t/fuzz))

$(OUT)/t/fuzz/fuzz_%: $(OUT)/t/fuzz/fuzz_%.o $(FUZZ_OBJECTS) $(LIBPROTOCOL) $(LIBSLABS)
	@echo LINK $@
	$(Q)$(LINK) -o $@ $^ $(LIBS)

# Check is asked for here and not by configure: only tests need it, and `make deps` may
# bring it after all else was configured.
define link_test
	@echo LINK $@
	$(Q)$(LINK) $(NO_LTO) -o $@ $^ $$($(PKG_CONFIG) --libs check) $(LIBEVENT_LIBS) $(OPENSSL_LIBS) $(SECCOMP_LIBS) $(LIBS) -lm
endef

# What is tested: sources of programs, files for prove, scripts that count themselves.
UNIT    := $(wildcard t/unit/test_*.c)
ENTRIES := $(wildcard t/fuzz/fuzz_*.c)
WIRE    := $(wildcard t/wire/*.t t/regress/*.t)
FAULTS  := $(wildcard t/faults/*.t) # where sanitizers look on

# Those that take longest come first, so that nobody waits for them alone.
TESTS_release := $(UNIT) $(ENTRIES) $(wildcard t/system/*.t t/clients/*.t) $(WIRE) \
                 t/system/kills t/golden/check t/differential/check t/stress/run \
                 t/linear/run
# This one watches every write, as sanitizers do.
WATCHES       := t/unit/test_slabs_shared.c
TESTS_thread  := $(shell grep -l pthread_create $(UNIT)) t/system/tls.t t/stress/run
TESTS_other   := $(filter-out $(WATCHES),$(UNIT)) $(ENTRIES) $(FAULTS) t/system/tls.t $(WIRE) t/golden/check \
                 t/stress/run
TESTS          = $(or $(TESTS_$(VARIANT)),$(TESTS_other))

JOBS     := $(shell nproc)
programs = $(patsubst %.c,$(OUT)/%,$(filter %.c,$(1)))
proved   = $(if $(filter %.t,$(1)),'prove -j$(JOBS) --timer --failures $(filter %.t,$(1))')
scripts  = $(filter-out %.c %.t,$(1))
commands = $(call proved,$(1)) $(call programs,$(1)) $(call scripts,$(1))

# The server as it is, but its calls to the system go through faults.c, which makes them fail.
FAULTY  := $(call programs,t/faults/faults.c)
WRAPPED := asprintf __asprintf_chk pages_take_chunk \
           $(shell sed -n 's/^WRAP.[^,]*, \([a-z0-9_]*\),.*/\1/p' t/faults/faults.c)

$(FAULTY): $(FAULTY).o $(SERVER_OBJECTS) $(LIBPROTOCOL) $(LIBSLABS)
	@echo LINK $@
	$(Q)$(LINK) $(NO_LTO) $(WRAPPED:%=-Wl,--wrap=%) -o $@ $^ $(LIBEVENT_LIBS) \
	    $(OPENSSL_LIBS) $(SECCOMP_LIBS) $(LIBS)

# With TLS below it all that clients are told is the same.
over_tls = $(if $(SAN)$(filter-out file,$(origin TESTS)),,'TEST_TLS=1 prove -j$(JOBS) --timer --failures $(WIRE)')

# Without SAN and TESTS, the same again under these sanitizers.
CHECK_AGAIN = $(MAKE) --no-print-directory check SAN=address,undefined
again       = $(if $(SAN)$(filter-out file,$(origin TESTS)),,-- '$(CHECK_AGAIN)')

# The tests take the server from the environment. The sanitizers of Debian 12 do not
# start under the address randomisation of newer kernels, which setarch turns off.
SERVER    = $(PROGRAM)
REFERENCE = /usr/bin/memcached
UNSHUFFLE = $(shell setarch -R true 2>/dev/null && echo setarch -R)
FIXED     = $(if $(SAN),$(UNSHUFFLE))
TALLY     = $(FIXED) tools/tally -j$(JOBS)
export SERVER FAULTY BENCH FLOOR
export UBSAN_OPTIONS = print_stacktrace=1
# What hangs is killed. Check would do it after four seconds, be the machine busy or not.
export CK_DEFAULT_TIMEOUT = 300
# Where there is but one thread there is nothing to see for this sanitizer: programs without a second
# one are no tests of its variant, and cases of others have a tag.
export CK_EXCLUDE_TAGS = $(if $(filter thread,$(VARIANT)),one-thread)

# The stress is there for threads; elsewhere it is a short one.
check: export STRESS_SECONDS ?= $(if $(filter thread,$(VARIANT)),20,12)
check: $(call programs,$(TESTS)) $(PROGRAM) $(if $(filter t/faults/%,$(TESTS)),$(FAULTY)) \
       $(if $(filter t/system/larder_bench.t,$(TESTS)),$(BENCH) $(FLOOR))
	+@$(TALLY) $(call commands,$(TESTS)) $(over_tls) $(again)

check-reference:
	@SERVER=$(REFERENCE) tools/tally $(call proved,$(filter t/wire/% t/clients/%,$(TESTS)))

COMMANDS ?= 1000000
SEED     ?= 1
OPS      ?= 10000000

check-differential: $(PROGRAM)
	@$(FIXED) t/differential/run --reference $(REFERENCE) --commands $(COMMANDS) --seed $(SEED)

stress: $(PROGRAM)
	@$(TALLY) t/stress/run

linear: export LINEAR_OPS = $(OPS)
linear: $(PROGRAM)
	@$(TALLY) t/linear/run

kills: export KILLS ?= 1000
kills: $(PROGRAM)
	@$(TALLY) t/system/kills

# New inputs gather in build/fuzz/corpus/, what failed in build/fuzz/crash-*. Only what is
# tested is followed by libFuzzer, not the test.
build/fuzz/t/fuzz/%.o: CFLAGS += -fno-sanitize=fuzzer

FUZZ      = text
SECONDS   = 60
CLANG     = clang-14
FUZZ_VARS = CC=$(CLANG) SAN=fuzzer,address,undefined VARIANT=fuzz

fuzz:
	+@$(MAKE) --no-print-directory $(FUZZ_VARS) build/fuzz/t/fuzz/fuzz_$(FUZZ)
	@mkdir -p build/fuzz/corpus/$(FUZZ)
	ASAN_OPTIONS=malloc_context_size=4:quarantine_size_mb=16 \
	    $(UNSHUFFLE) build/fuzz/t/fuzz/fuzz_$(FUZZ) -dict=t/fuzz/$(FUZZ).dict \
	    $(if $(RUNS),-runs=$(RUNS),-max_total_time=$(SECONDS)) \
	    -artifact_prefix=build/fuzz/ $(ARGS) build/fuzz/corpus/$(FUZZ) t/fuzz/corpus/$(FUZZ)

# Who is measured should be alone on the machine, so this is not a part of `check`.
TRIES  = 100000
TIMING = $(call programs,t/system/timing.c)

$(TIMING): $(TIMING).o \
        $(filter-out %/main.o,$(SERVER_OBJECTS)) $(LIBPROTOCOL) $(LIBSLABS)
	@echo LINK $@
	$(Q)$(LINK) -o $@ $^ $(LIBEVENT_LIBS) $(OPENSSL_LIBS) $(SECCOMP_LIBS) $(LIBS) -lm

timing: $(TIMING) $(PROGRAM)
	$< check $(TRIES)
	$< hash $$(($(TRIES) / 100))
	$< wire $(TRIES) $(PROGRAM)

# Another one that wants the machine for itself.
bench: $(PROGRAM) $(BENCH) $(FLOOR)
	bench/benchmarks $(ARGS)

# ---- The source itself -----------------------------------------------------------

LAYOUT := $(wildcard slabs/*.[ch] protocol/*.[ch] server/*.[ch] t/*/*.[ch] bench/*.[ch] bench/*/*.[ch])

lint: $(SERVER_OBJECTS) $(LIBPROTOCOL) $(LIBSLABS)
	@COMPILE='$(COMPILE)' OUT=$(OUT) tools/lint

format:
	@tools/format $(LAYOUT)

compile_commands.json: Makefile config.mk $(filter %.c,$(LAYOUT))
	@{ for c in $(sort $(filter %.c,$(LAYOUT))); do \
	    printf '%s\n  { "directory": "%s", "file": "%s", "command": "%s -c %s" }' \
	        "$${comma-[}" '$(CURDIR)' $$c '$(COMPILE)' $$c; \
	    comma=,; \
	done; printf '\n]\n'; } >$@

# ---- Installation ----------------------------------------------------------------

MAN1 := doc/larder.1 doc/larder-bench.1
MAN5 := doc/larder.conf.5
DOCS := README COPYING $(filter-out $(MAN1) $(MAN5),$(wildcard doc/*))

# systemd looks there where the prefix is /usr or /usr/local.
UNITS    := $(DESTDIR)$(prefix)/lib/systemd/system
SOCKETS  := dist/larder.socket dist/larder@.socket
SYSUSERS := $(DESTDIR)$(prefix)/lib/sysusers.d
CONF     := $(DESTDIR)$(sysconfdir)/larder/larder.conf

# Where these shells look; zsh in /usr/local and, but for Debian, in /usr.
BASH_PLACE := $(DESTDIR)$(datarootdir)/bash-completion/completions
ZSH_PLACE  := $(DESTDIR)$(datarootdir)/zsh/site-functions

PLACES = sed -e 's|@bindir@|$(bindir)|' -e 's|@sysconfdir@|$(sysconfdir)|'

build/larder.service: dist/larder.service.in config.mk
	$(PLACES) $< >$@

# One service of several, each with a file of its own.
build/larder@.service: dist/larder.service.in config.mk
	$(PLACES) -e 's|larder/larder.conf|larder/%i.conf|' -e 's|^\(Description=.*\)|\1 (%i)|' \
	    -e 's|^RuntimeDirectory=.*|&/%i|' $< >$@

# Made from -h, which is made from the table of options.
build/completion.%: $(PROGRAM) tools/completion
	$(PROGRAM) -h | tools/completion $* >$@

install: $(PROGRAM) $(BENCH) build/larder.service build/larder@.service build/completion.bash \
        build/completion.zsh
	install -d $(DESTDIR)$(bindir) $(DESTDIR)$(mandir)/man1 $(DESTDIR)$(mandir)/man5 \
	    $(DESTDIR)$(docdir) $(UNITS) $(SYSUSERS) $(dir $(CONF)) $(BASH_PLACE) $(ZSH_PLACE)
	install -m 755 $(PROGRAM) $(DESTDIR)$(bindir)/larder
	install -m 755 $(BENCH) $(DESTDIR)$(bindir)/larder-bench
	install -m 644 $(MAN1) $(DESTDIR)$(mandir)/man1
	install -m 644 $(MAN5) $(DESTDIR)$(mandir)/man5
	install -m 644 $(DOCS) $(DESTDIR)$(docdir)
	install -m 644 build/larder.service build/larder@.service $(SOCKETS) $(UNITS)
	install -m 644 dist/larder.sysusers $(SYSUSERS)/larder.conf
	install -m 644 build/completion.bash $(BASH_PLACE)/larder
	install -m 644 build/completion.zsh $(ZSH_PLACE)/_larder
	[ -e $(CONF) ] || install -m 644 dist/larder.conf $(CONF)

# The configuration stays: it may be somebody's work.
uninstall:
	rm -f $(DESTDIR)$(bindir)/larder $(DESTDIR)$(bindir)/larder-bench
	rm -f $(addprefix $(DESTDIR)$(mandir)/man1/,$(notdir $(MAN1)))
	rm -f $(addprefix $(DESTDIR)$(mandir)/man5/,$(notdir $(MAN5)))
	rm -f $(addprefix $(DESTDIR)$(docdir)/,$(notdir $(DOCS)))
	rm -f $(UNITS)/larder.service $(UNITS)/larder@.service $(SYSUSERS)/larder.conf
	rm -f $(addprefix $(UNITS)/,$(notdir $(SOCKETS)))
	rm -f $(BASH_PLACE)/larder $(ZSH_PLACE)/_larder
	-rmdir $(DESTDIR)$(docdir)

dist: configure
	git archive --prefix=larder-$(PACKAGE_VERSION)/ --add-file=configure \
	    --add-file=config.h.in -o larder-$(PACKAGE_VERSION).tar.gz HEAD

clean:
	rm -rf build larder larder-bench compile_commands.json

distclean: clean
	rm -rf config.h config.h.in config.log config.mk config.status \
	    configure aclocal.m4 autom4te.cache

help:
	@sed -n '3,/^$$/s/^# \{0,1\}//p' Makefile
