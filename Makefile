# The only front door. Everything is set up inside the checkout; the work is in scripts/.
# PROFILE=release builds with optimisation (bench does so by itself).
.DEFAULT_GOAL := help
.PHONY: help build demo test lint fmt bench profile sim mutants fuzz wheel jar

help: ## what there is
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1\t\2/p' Makefile | expand -t 16

build: ## the server, the Python package in .venv and the jar
	@scripts/build

demo: ## the main job: Python workers and a Java client share a server, and one worker is killed
	@scripts/demo

test: ## every test of every language, and the examples
	@scripts/test

lint: ## formatting, clippy, ruff, mypy, stubtest, buf, javac and Spotless
	@scripts/lint

fmt: ## formats everything
	@scripts/fmt

export SEED SEEDS

bench: ## syncbridge beside other systems, and what must hold of it (ARGS="--quick --only NAME --runs N --json FILE --list")
	@scripts/bench $(ARGS)

profile: ## where the time of a line of the bench goes: a flame graph or a table in target/profile (ARGS=NAME, as for --only)
	@scripts/profile "$(ARGS)"

sim: ## many clients and a server in virtual time, with faults (SEEDS=2000; SEED=n runs one again, ARGS="--trace")
	@scripts/sim $(ARGS)

mutants: ## deliberate faults, each of which the simulation must find (ARGS="NAME" tries one)
	@scripts/mutants $(ARGS)

fuzz: ## whatever clients may send, to the engine (SECONDS=60; ARGS=FILE runs one input again)
	@FUZZ_SECONDS=$(SECONDS) scripts/fuzz $(ARGS)

wheel: ## the Python wheel, in target/wheels
	@scripts/wheel

jar: ## the jar, in java-bindings/target
	@scripts/jar
