# The two commands of the README are `make run` and `make test`; everything they need is set up on
# the way. DEPS=0 skips looking for system packages (they are there already).
SHELL := /bin/bash
JOBS ?= $(shell nproc)
DEPS ?= 1

.PHONY: help run build test asan tsan fuzz soak sim bench bench-inference bench-quality bench-serving bench-workflow bench-dashboard clean deps deps-test deps-fuzz deps-bench

help:      ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 12

# npm only fetches what the dashboard is made of; without it the program is built without one.
deps:
	@if [ "$(DEPS)" = 1 ]; then tools/install-deps build && { tools/install-deps node || true; }; fi
deps-fuzz:
	@if [ "$(DEPS)" = 1 ]; then tools/install-deps build fuzz; fi
deps-test:
	@if [ "$(DEPS)" = 1 ]; then tools/install-deps build test && \
	  { tools/install-deps node || true; tools/install-deps browser || true; }; fi

build: deps  ## the program at build/weft
	@cmake --preset release -DWEFT_TESTS=OFF -DWEFT_UNITY=ON >/dev/null && cmake --build build -j$(JOBS) --target weft

run: build  ## classify a Korean customer inquiry on the embedded model
	@build/weft run examples/customer-service.yaml \
	  -i inquiry="제품이 3일째 작동하지 않습니다. 긴급히 해결이 필요합니다."
	@printf '%s\n' '' 'Try next:' \
	  '  build/weft run examples/customer-service.yaml -i inquiry="I was charged twice!"' \
	  '  build/weft run examples/first-answer.yaml       a race of steps, and what loses it' \
	  '  build/weft runs list                            what has run; then: build/weft explain RUN' \
	  '  build/weft chat                                 the embedded model itself' \
	  '  build/weft --help                               everything else'

test: deps-test  ## everything: style, unit, golden, end to end, sanitizers
	@tests/run-all $(JOBS)

asan: deps-test  ## every test under AddressSanitizer and UBSan
	@WEFT_QUICK=1 WEFT_ASAN=1 tests/run-all $(JOBS)

tsan: deps-test  ## the tests of everything with threads, under ThreadSanitizer
	@WEFT_QUICK=1 WEFT_TSAN=1 tests/run-all $(JOBS)

fuzz: deps-fuzz  ## every parser for SECONDS_EACH (60) each, with coverage
	@for name in $$(tools/fuzz --list); do echo "== $$name"; tools/fuzz $$name $${SECONDS_EACH:-60} || exit 1; done

soak: build  ## KILLS (2000) random kills of a server and a worker; STORE=postgres for the other store
	@tests/soak/soak.py build/weft $${KILLS:-2000} $$([ "$$STORE" = postgres ] && echo --postgres)

sim: deps-test  ## the simulation with other seeds: SEEDS="first count" (1 1000)
	@cmake --preset release >/dev/null && cmake --build build -j$(JOBS) --target simulation_test workflow_test
	@WEFT_SIM_SEEDS="$${SEEDS:-1 1000}" build/simulation_test --gtest_filter='*Undisturbed*'

deps-bench:
	@if [ "$(DEPS)" = 1 ]; then tools/install-deps build test bench node; fi
bench: deps-bench  ## ratios to peers and physical limits; say BENCH=engine for one of them
	@bench/run-all $(BENCH)
bench-serving: deps-bench  ## many requests at once, beside llama.cpp; bench/results/serving.json
	@cmake --preset bench >/dev/null && cmake --build build -j$(JOBS) --target serving_bench
	@bench/serving/run
bench-inference: deps-bench  ## the engine beside llama.cpp, over the same file; bench/results/inference.json
	@cmake --preset bench >/dev/null && cmake --build build -j$(JOBS) --target inference_bench
	@bench/inference/run
bench-quality: deps-bench  ## what smaller weights and caches cost, beside llama.cpp; bench/results/quality.json
	@cmake --preset bench >/dev/null && cmake --build build -j$(JOBS) --target quality_bench
	@bench/quality/run

bench-workflow: deps-bench  ## durable steps beside Restate, DBOS and bare SQLite; bench/results/workflow.json
	@tools/node/setup >/dev/null
	@cmake --preset bench >/dev/null && cmake --build build -j$(JOBS) --target workflow_bench weft
	@bench/workflow/run

bench-dashboard: deps-bench build  ## the dashboard's budgets in chromium; bench/results/dashboard.json
	@bench/dashboard/run

clean:     ## removes what was built
	rm -rf build build-asan-ubsan build-tsan build-fuzz
