# The commands that the README names. Everything is installed into .venv; nothing outside the project
# changes, except that `make data` keeps Fashion-MNIST in the user's cache.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
OUT ?= report
SECONDS ?= 60
FUZZ_CXX ?= clang++-19
PYTHONS ?= $(PYTHON)
ONLY ?= A,B,C,D,E,F,G
# What is installed: this clone, which is compiled then, or a wheel that was made of it.
PACKAGE ?= .
SITE_CODE := docs/conf.py docs/_extensions
SOURCES := CMakeLists.txt pyproject.toml $(shell find cpp python -type f -not -name '*.pyc')
CLANG_FORMATTED := $(shell find cpp tests/cpp tests/fuzz benchmarks -name '*.cpp' -o -name '*.h' -o -name '*.inl' -o -name '*.cu*')

.PHONY: demo data tidy test test-core test-python test-neon test-amx sanitize fuzz bench check-results docs lint format wheels clean

demo: data
	$(BIN)/latentknn run --dataset fashion_mnist --model conv_ae --dropout 0 --learning-rate 0.001 \
	  --batch-size 256 --epochs 3 --seed 0 --overwrite --out $(OUT)

data: $(VENV)/installed-demo
	$(BIN)/latentknn datasets fetch fashion_mnist

test: test-core test-python

ifdef SANITIZE
# The emulated devices change stacks under the sanitizers' feet: they are not among these tests. platform_tests fork while
# other threads allocate, and AddressSanitizer's allocator holds a lock then for which the child waits for ever (GCC 12).
# ThreadSanitizer slows the tests down many times, so LATENTKNN_TEST_SCALE should be small; it ends forked children
# unless it is told not to.
SANITIZED := change_tests core_tests kernel_tests range_tests search_tests stress_tests $(if $(filter thread,$(SANITIZE)),platform_tests)
test-core: export TSAN_OPTIONS = die_after_fork=0 halt_on_error=1
test-core:
	cmake -S . -B build/$(SANITIZE) -DLATENTKNN_PYTHON=OFF -DLATENTKNN_TESTS=ON -DLATENTKNN_SANITIZE=$(SANITIZE) \
	  -DLATENTKNN_AVX_VNNI_STAND_IN=ON
	cmake --build build/$(SANITIZE) --parallel 2 --target $(SANITIZED)
	set -e; for tests in $(SANITIZED); do build/$(SANITIZE)/tests/cpp/$$tests; done
else
test-core: $(VENV)/installed-test
	cmake -S . -B build/tests -DLATENTKNN_PYTHON=OFF -DLATENTKNN_TESTS=ON -DLATENTKNN_WARNINGS_AS_ERRORS=ON \
	  -DLATENTKNN_EMULATED_EXTENSION=ON -DPython_EXECUTABLE=$(abspath $(BIN))/python \
	  -Dpybind11_DIR=$$($(BIN)/python -m pybind11 --cmakedir)
	cmake --build build/tests --parallel 2
	cd build/tests && ctest --output-on-failure --parallel 2
endif

# All that sanitizers find: for releases, and after changes of what threads share.
sanitize:
	$(MAKE) test-core SANITIZE=address,undefined
	LATENTKNN_TEST_SCALE=0.02 $(MAKE) test-core SANITIZE=thread

# Fuzzers, each for SECONDS; what they find goes into tests/fuzz/corpus. They need Clang with its sanitizers, such as
# Debian's clang-19 and libclang-rt-19-dev; FUZZ_CXX names it.
fuzz: $(VENV)/installed-fuzz
	CXX=$(FUZZ_CXX) cmake -S . -B build/fuzz -DLATENTKNN_PYTHON=OFF -DLATENTKNN_TESTS=ON -DLATENTKNN_FUZZ=ON \
	  -DLATENTKNN_SANITIZE=address,undefined
	cmake --build build/fuzz --parallel 2 --target core_fuzzer
	mkdir -p build/fuzz/core build/fuzz/index build/fuzz/idx
	build/fuzz/tests/cpp/core_fuzzer build/fuzz/core tests/fuzz/corpus/core -max_total_time=$(SECONDS) \
	  -max_len=2000 -len_control=0 -artifact_prefix=build/fuzz/core-
	for reader in index idx; do \
	  $(BIN)/python tests/fuzz/load_fuzzer.py $$reader build/fuzz/$$reader tests/fuzz/corpus/$$reader \
	    -max_total_time=$(SECONDS) -artifact_prefix=build/fuzz/$$reader- || exit 1; \
	done

test-python: $(VENV)/installed-test
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile

# Needs Debian's g++-aarch64-linux-gnu and qemu-user.
# The emulator does not survive forks of a process with several threads, which platform_tests make.
test-neon:
	cmake -S . -B build/neon --toolchain cmake/aarch64-linux-gnu.cmake -DLATENTKNN_PYTHON=OFF \
	  -DLATENTKNN_TESTS=ON -DLATENTKNN_WARNINGS_AS_ERRORS=ON
	cmake --build build/neon --parallel 2
	cd build/neon && ctest --output-on-failure --exclude-regex platform_tests

# Needs Bochs 3 with AMX, which BOCHS names.
test-amx:
	tests/emulated_amx/run.sh

bench: $(VENV)/installed-dev
	$(BIN)/python -m benchmarks.speed.search --only $(ONLY)
	$(BIN)/python -m benchmarks.speed.tables

# The committed results, and the pages that show them.
check-results: $(VENV)/installed-test
	$(BIN)/python -m pytest benchmarks/check_results.py

# The documentation site, build/site/index.html. Notebooks are executed; a warning, a dead link or a request to another
# host fails.
docs: $(VENV)/installed-docs
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet --jobs auto \
	  -c docs . build/site
	$(BIN)/python docs/_extensions/check_site.py build/site

lint: $(VENV)/installed-dev
	$(BIN)/ruff check python tests benchmarks $(SITE_CODE)
	$(BIN)/ruff format --check python tests benchmarks $(SITE_CODE)
	$(BIN)/mypy
	$(BIN)/clang-format --dry-run --Werror $(CLANG_FORMATTED)

tidy: $(VENV)/installed-dev
	cmake -S . -B build/tidy -DLATENTKNN_PYTHON=OFF -DLATENTKNN_TESTS=ON -DCMAKE_EXPORT_COMPILE_COMMANDS=ON
	find cpp/core cpp/cuda -name '*.cpp' | xargs -n 4 -P 2 $(BIN)/clang-tidy -p build/tidy --quiet

format: $(VENV)/installed-dev
	$(BIN)/ruff check --fix python tests benchmarks $(SITE_CODE)
	$(BIN)/ruff format python tests benchmarks $(SITE_CODE)
	$(BIN)/clang-format -i $(CLANG_FORMATTED)

# A wheel for each of PYTHONS, repaired and tested in an environment of its own, by the commands that public CI uses.
wheels:
	packaging/wheels.sh $(PYTHONS)

clean:
	rm -rf build dist $(VENV) $(OUT)

$(VENV)/created:
	$(PYTHON) -m venv $(VENV)
	touch $@

# One file an extra; a change of any source installs again.
$(VENV)/installed-demo: EXTRA = tensorflow-cpu,report
$(VENV)/installed-test: EXTRA = test
$(VENV)/installed-dev: EXTRA = dev
$(VENV)/installed-docs: EXTRA = docs
$(VENV)/installed-fuzz: EXTRA = fuzz
$(VENV)/installed-%: $(VENV)/created $(SOURCES)
	$(BIN)/pip install "$(PACKAGE)[$(EXTRA)]"
	touch $@
