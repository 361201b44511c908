# SPDX-License-Identifier: MIT
# The front door. Each target does its own set-up: on Debian it installs what is
# missing, elsewhere it uses what is there.
#
#	make                                    build the library and the command
#	make demo [ARGS='--rate 500 --json']    build, and run the demonstration
#	make test                               everything a change has to pass
#	make check [ARGS='asan tsan']            the long tests: docs/testing.md
#	make check-aarch64                      the unit tests for 64-bit ARM, in qemu
#	make mutants [ARGS='mutex-*']           break the library by a line, see tests fail
#	make soak SECONDS=3600 [SEED=7]         everything mixed, for so long
#	make bench, make bench-quick            measure, against the peers
#	make inline-report                      what becomes of fast paths where they are called
#	make static                             the weft command that needs no library
#	make install [PREFIX=/usr/local] [DESTDIR=]
#	make uninstall                          take away what the last install has put there
#	make clean
#	make help                               this list

PREFIX ?= /usr/local
ARGS ?=
SECONDS ?= 60

.PHONY: all demo test check check-aarch64 mutants soak bench bench-quick inline-report install \
	uninstall clean help

all:
	@tools/setup build
	@tools/build release

demo:
	@tools/setup build
	@tools/build release weft
	@build/release/weft demo $(ARGS)

test:
	@tools/setup test
	@tools/build gcc
	@tools/build clang
	@tools/run_tests \
		build/gcc:tools,unit,sim,explore,trap,fault,sanitizers,fleet,cli,vet,seeing,examples,cases,speed \
		build/clang:unit,trap,fault,speed

check:
	@tools/setup check
	@tools/check $(ARGS)

check-aarch64:
	@tools/setup cross
	@tools/check aarch64

mutants:
	@tools/setup test
	@tools/mutants $(ARGS)

soak:
	@tools/setup test
	@tools/build gcc test/test_stress_soak
	@WEFT_SOAK_SECONDS='$(SECONDS)' $(if $(SEED),WEFT_TEST_SEED='$(SEED)') \
		build/gcc/test/test_stress_soak soak_ends_as_it_began

bench bench-quick:
	@tools/setup build
	@tools/setup bench || echo 'going on without the peers that are missing'
	@tools/build release
	@bench/run $(if $(filter bench-quick,$@),--quick) $(ARGS)

inline-report:
	@tools/setup test
	@tools/inline_report.py

.PHONY: static
static:
	@tools/setup static
	@tools/build release weft-static
	@ls -l build/release/weft-static

install:
	@tools/setup build
	@PREFIX='$(PREFIX)' tools/build install
	@DESTDIR='$(DESTDIR)' meson install -C build/install --no-rebuild
	@[ -n '$(DESTDIR)' ] || [ "$$(id -u)" -ne 0 ] || ldconfig

uninstall:
	@[ -f build/install/build.ninja ] || { echo 'what was installed is known to build/install, which is gone:' \
		'make install as before, and then make uninstall' >&2; exit 1; }
	@ninja -C build/install uninstall

clean:
	rm -rf build

help:
	@sed -n 's/^#	//p' Makefile
