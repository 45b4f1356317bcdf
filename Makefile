# The short way to everything; CMake does the work (see CMakePresets.json).
PREFIX ?= /usr/local
DESTDIR ?=
JOBS ?= $(shell nproc)
BUILD = build/release
CTEST = ctest --output-on-failure --no-tests=error

all: deps-build release

deps: deps-build deps-check
deps-build:
	@.ci/deps build
deps-check:
	@.ci/deps build check

# One build per preset, in build/<preset>.
dev release asan-build tsan-build fuzz-build:
	@cmake --preset $(@:-build=) -DCMAKE_INSTALL_PREFIX=$(PREFIX) --log-level=WARNING >/dev/null
	@cmake --build build/$(@:-build=) -j $(JOBS)

check: deps-check release
	@cd $(BUILD) && $(CTEST) -j $(JOBS)

# The numbers of the issues, and everything again under the sanitizers.
check-full: deps-check
	@test/full.sh

asan tsan: %: deps-check %-build
	@cd build/$@ && $(CTEST) -j $(JOBS) -LE 'layers|bench'

# FUZZ_SECONDS for each target; a crash is left in build/fuzz.
FUZZ_SECONDS ?= 60
fuzz:
	@.ci/deps build check fuzz
	@$(MAKE) --no-print-directory fuzz-build
	@test/fuzz/run.sh build/fuzz $(FUZZ_SECONDS)

demo: deps-check release
	@test/demo/demo.sh $(BUILD)/howdah

bench: deps-check release
	@test/bench/run.sh $(BUILD)

install: all
	@DESTDIR=$(DESTDIR) cmake --install $(BUILD) --prefix $(PREFIX)

clean:
	rm -rf build

.PHONY: all deps deps-build deps-check dev release asan-build tsan-build fuzz-build check \
  check-full asan tsan fuzz demo bench install clean
