# The only list of commands. Everything here sets up what it needs first; see README.md.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help run test check interop sim bench docs install build setup-test scenarios

BROKERS ?= 1
PREFIX ?= /usr/local
SECONDS_PER_ROW ?= 5
CARGO ?= cargo

help:            ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

run:             ## build, start ZooKeeper and a broker on 9092, stop both on Ctrl-C
	$(CARGO) build --release --locked
	integration/run.sh target/release $(BROKERS)

build:           ## debug build of every program
	$(CARGO) build --workspace --locked

test: setup-test ## every test, clients and peers included
	$(CARGO) build --workspace --locked --bins
	$(CARGO) test --workspace --locked --exclude integration
	$(CARGO) test --locked -p integration -- --test-threads 2

check:           ## format, lints, layers, generated pages
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	$(CARGO) test --locked -p broker --test layers
	$(CARGO) test --locked -p config

interop: setup-test ## only the tests with others' software
	$(CARGO) build --workspace --locked --bins
	$(CARGO) test --locked -p integration -- --test-threads 2

sim:             ## long seeded simulations; SEED=n repeats one, STEPS=n sets the length
	$(CARGO) test --release --locked -p coordinator --test simulation -- --nocapture

scenarios:       ## rewrite the expected effects of coordinator/tests/scenarios
	UPDATE_SCENARIOS=1 $(CARGO) test --locked -p coordinator

bench: setup-test ## Apache Kafka and ours under the same loads, in one run; then the crates' own benches
	$(CARGO) build --release --locked --bins -p broker -p tools -p standalone -p integration
	target/release/bench $(SECONDS_PER_ROW)
	$(CARGO) bench --locked -p record -p partition-log

docs:            ## regenerate docs/configuration.md
	$(CARGO) run -q --locked -p config --bin configuration-docs > docs/configuration.md.new
	mv docs/configuration.md.new docs/configuration.md

install:         ## install the programs under PREFIX (default /usr/local), commands with and without .sh
	$(CARGO) build --release --locked
	integration/install.sh target/release $(DESTDIR)$(PREFIX)

# What the tests need beyond cargo, a C compiler and make: Java and Maven, Go, Python and kcat, by package name.
setup-test:
	@integration/setup.sh
