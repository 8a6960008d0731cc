# Python >= 3.11 and make are all that a fresh machine needs; .venv is made on first use.
PYTHON ?= python3
PROFILE ?= quick
MODEL ?= compact-diif
SUITE ?= compact
BIN := .venv/bin
ifneq ($(SRLIB_DATA),)
export SRLIB_DATA := $(abspath $(SRLIB_DATA))
endif
.DEFAULT_GOAL := help
.PHONY: help reproduce book test test-browser test-all lab demo train suite data bench gpu reference minutes constraints clean

help: ## this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

.venv/ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name one with: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[notebooks,demo,batch,slurm,book,test]'
	@touch $@

reproduce: .venv/ready ## run every notebook of PROFILE (quick, smoke, compact, paper); results land in results/PROFILE
	@$(BIN)/srlib reproduce $(PROFILE) $(ARGS)

book: .venv/ready ## the site of the reference results, or of PROFILE: results/book/.../index.html
	@$(BIN)/srlib book $(if $(filter file,$(origin PROFILE)),,$(PROFILE))

test: .venv/ready ## lint, then the tests, smoke runs of all notebooks included
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	$(BIN)/python -m pytest -m "not slow and not browser" -n 2 --dist loadfile --no-loadscope-reorder

test-browser: .venv/ready ## the demos, JupyterLab and the book in a browser; needs Chromium
	$(BIN)/python -m pytest -m "browser and not slow"

test-all: .venv/ready ## the slow tests and the browser tests too
	$(BIN)/python -m pytest

lab: .venv/ready ## JupyterLab on the notebooks
	$(BIN)/jupyter lab --notebook-dir=notebooks

demo: .venv/ready ## the demos as web pages, on this machine alone (ARGS="--ip 0.0.0.0": on the network)
	@$(BIN)/srlib demo $(ARGS)

train: .venv/ready ## train MODEL (or resume its run) in runs/MODEL
	$(BIN)/python -m srlib train $(MODEL) $(ARGS)

suite: .venv/ready ## train every compact model with three seeds, unattended and resumable (SUITE=compact)
	$(BIN)/python -m srlib suite $(SUITE) --search $(ARGS)

data: .venv/ready ## fetch data sets: make data SETS="Set5 Set14"
	$(BIN)/python -m srlib data $(SETS)

bench: .venv/ready ## how much faster the fast paths are on this machine
	$(BIN)/python -m srlib bench

gpu: .venv/ready ## what a GPU is for: agreement, times, seeds, full-size training, tables; go on with the same command
	@$(BIN)/python -m srlib gpu $(ARGS)

reference: ## copy the CSVs, figures, recordings and run.json of results/PROFILE to results/reference/PROFILE
	@test -d results/$(PROFILE) || { echo "no results/$(PROFILE) to copy: make reproduce PROFILE=$(PROFILE)"; exit 1; }
	rm -rf results/reference/$(PROFILE) && mkdir -p results/reference/$(PROFILE)
	cd results/$(PROFILE) && find . -not -path '*/.*' -not -path './train/run/*' \
		\( -name '*.csv' -o -name '*.png' -o -name '*.gif' -o -name '*.webp' -o -name run.json \) -print0 | \
		tar cf - --null -T - | tar xf - -C ../reference/$(PROFILE)

minutes: .venv/ready ## write how long each notebook of PROFILE took: results/reference/PROFILE.csv
	@$(BIN)/python -c 'from srlib.workbook import execute; \
		execute.minutes("results/$(PROFILE)").to_csv("results/reference/$(PROFILE).csv", index=False)'

constraints: ## renew constraints.txt: the newest versions that pyproject.toml allows
	@new=$$(mktemp -d) && trap 'rm -rf "$$new"' EXIT && $(PYTHON) -m venv "$$new" && \
		extras=$$($(PYTHON) -c 'import tomllib; print(",".join(tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]))') && \
		"$$new/bin/python" -m pip install --quiet --editable ".[$$extras]" && \
		"$$new/bin/python" -m pip freeze --exclude-editable > "$$new/versions" && \
		{ echo '# The versions that `make` installs. Renew: make constraints'; sed 's/+.*//' "$$new/versions"; } > "$$new/whole" && \
		cp "$$new/whole" constraints.txt

clean: ## remove the environment, what was measured, and all results but the reference copy
	rm -rf .venv .snakemake results/measurements results/quick results/smoke results/compact results/paper results/interactive \
		results/book results/gpu results/gpu-rehearsal results/rehearsal
