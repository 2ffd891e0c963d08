# Two commands matter: `make demo` and `make up`. Both set up what they need, in .venv only.
SHELL := /bin/bash
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEVICE ?= auto
AREA ?=
# A folder that `make wheelhouse` made: setup then asks no network.
WHEELHOUSE ?=
export WHEELHOUSE := $(abspath $(WHEELHOUSE))
INTO ?= wheelhouse
EXTRAS ?= demo,nvidia,card
PYTHON_VERSION ?=
PLATFORM ?=
SBOM ?= sbom
CARD_REPORT ?= card-report
CARD_PARTS ?=
CARD_OPTIONS ?=
RULES ?=
MUTANTS_OPTIONS ?=
# Tests mostly wait, for kernels, hubs and pods: more processes than cores, and one group of tests in each.
WORKERS ?= 4

DEVELOPMENT_LOCKS := $(foreach each,build node development,.ci/locks/$(each).txt)
# One npm workspace: both front ends, and what they share.
NPM_PACKAGES := node_modules/.package-lock.json
NPM_SOURCES := package.json package-lock.json labextension/format/package.json \
	$(shell find labextension/format/src -type f)
LAB := labextension/dist/package.json
LAB_SOURCES := $(NPM_SOURCES) $(shell find labextension/src labextension/style labextension/schema -type f) \
	$(wildcard labextension/*.json labextension/*.cjs labextension/scripts/*)
CONSOLE := hub_ext/sublet_hub/web/console/dist/manifest.json
CONSOLE_SOURCES := $(NPM_SOURCES) $(shell find hub_ext/console/src -type f) \
	$(wildcard hub_ext/console/*.json hub_ext/console/*.ts hub_ext/console/scripts/*) quota/quota.schema.json

# A test process that dies ends the run: xdist's replacement may wait for ever for its last test.
PYTEST := $(BIN)/python -m pytest --numprocesses=$(WORKERS) --dist=loadscope --no-loadscope-reorder \
	--max-worker-restart=0 --durations=20
NEEDED_BY_browser := browser
NEEDED_BY_end_to_end := systemd
NEEDED_BY_hub := postgresql systemd
NEEDED_BY_kube := kubernetes hub-of-z2jh

export PATH := $(abspath $(BIN)):$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# The tests start Sublet in many hundred processes: each would compile anew what a machine's setting keeps from being kept.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup wheelhouse card pytorch examples-for-a-card browser postgresql systemd hub-of-z2jh kubernetes demo up test quick check \
	format benchmarks picture api-types schema lock sbom audit mutants clean

help: ## Say what can be done
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(VENV)/.ready $(BIN)/configurable-http-proxy $(LAB) $(CONSOLE) ## Virtual environment, packages, node, proxy, JupyterLab extension, console

pytorch: setup ## PyTorch for the examples on a real card: the machine's own, or a new one
	@.ci/timed PyTorch .ci/install-pytorch "$(VENV)" nvidia

# With DEVICE=auto nothing that large is brought: only the machine's own is taken.
examples-for-a-card: setup
	@.ci/install-pytorch "$(VENV)" "$(DEVICE)"

browser: ## Chromium for the browser tests, where packages may be installed
	@.ci/timed Chromium .ci/install-chromium

wheelhouse: setup ## All that a machine without a network needs, in parts (PYTHON_VERSION=3.12 PLATFORM=manylinux_2_28_x86_64)
	. .ci/own-constraints && $(BIN)/python .ci/wheelhouse/gather.py --into "$(INTO)" --extras "$(EXTRAS)" \
		--proxy $(VENV)/node --python-version "$(PYTHON_VERSION)" --platform "$(PLATFORM)"

demo: setup examples-for-a-card ## The whole story on one GPU, without a browser (DEVICE=nvidia for a real card)
	$(BIN)/python -m sublet_hub.one_machine.demo --device $(DEVICE) $(DEMO_OPTIONS)

up: setup examples-for-a-card ## The same hub for people, at http://127.0.0.1:8000 (UP_OPTIONS="--port 8001 --cards 2xH100:80,4xL4:24")
	$(BIN)/python -m sublet_hub.one_machine --device $(DEVICE) $(UP_OPTIONS)

card: setup ## On a machine with a card: probe, tests, figures, demo into one report (CARD_PARTS="probe demo", CARD_REPORT=folder)
	$(BIN)/python -m tests.gpu.card --device $(DEVICE) --report "$(CARD_REPORT)" --parts "$(CARD_PARTS)" $(CARD_OPTIONS)

postgresql: ## PostgreSQL for the ledger's tests, where packages may be installed
	@.ci/timed PostgreSQL .ci/install-postgresql

systemd: ## systemd for the tests that start one, where packages may be installed
	@.ci/timed systemd .ci/install-systemd

hub-of-z2jh: .venv-z2jh/.ready ## The hub of zero-to-jupyterhub, in an environment of its own, for tests

kubernetes: setup ## What the tests' Kubernetes is made of, built and kept outside the repository
	@.ci/timed Kubernetes .ci/install-kubernetes "$(VENV)"

ifeq ($(AREA),)
test: setup hub-of-z2jh browser postgresql systemd kubernetes check ## Every check and test; AREA=hub (agent, browser, kube, lab, ...): that alone
	@.ci/timed tests $(PYTEST) $(PYTEST_OPTIONS)
	@.ci/timed "tests of the spawners on zero-to-jupyterhub's hub" $(PYTEST:$(BIN)%=.venv-z2jh/bin%) tests/spawner $(PYTEST_OPTIONS)
else
test: setup $(foreach area,$(AREA),$(NEEDED_BY_$(area)))
	@.ci/timed "tests of $(AREA)" $(PYTEST) $(addprefix tests/,$(AREA)) $(PYTEST_OPTIONS)
endif

quick: setup ## Tests for work in between: no browser, no cluster, no whole hub
	@.ci/timed "quick tests" $(PYTEST) -m "not whole" $(PYTEST_OPTIONS)

check: setup ## Formatting, lint, types, import rules, and that every test can be collected
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target $(CHECKS)

# Side by side, the longest first: most of them use one processor.
CHECKS := check-of-types check-of-tests check-of-front-end check-of-code
.PHONY: $(CHECKS)
check-of-types:
	@.ci/timed types $(BIN)/mypy

# It keeps what pytest makes of their code: else each of the processes that run them would make it.
check-of-tests:
	@.ci/timed "collection of tests" .ci/silent-if-good $(BIN)/python -m pytest --collect-only --quiet

check-of-front-end:
	@.ci/timed "checks of what the front ends share" npm run --silent --prefix labextension/format check
	@.ci/timed "checks of the front end" npm run --silent --prefix labextension check
	@.ci/timed "checks of the console" npm run --silent --prefix hub_ext/console check
	@.ci/timed "the console's types of the API" env PYTHON=python npm run --silent --prefix hub_ext/console types:check

check-of-code:
	@.ci/timed formatting $(BIN)/ruff format --check .
	@.ci/timed lint $(BIN)/ruff check .
	@.ci/timed "import rules" $(BIN)/lint-imports

format: setup ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

mutants: setup ## Switch each security rule off in a copy of the tree: does a test notice? (RULES="4 7"; an hour for all)
	@.ci/timed mutants $(BIN)/python -m tests.security $(RULES) $(MUTANTS_OPTIONS)

benchmarks: setup ## Print the figures, each beside its baseline
	@set -e; for each in tests/benchmarks/*.py; do echo "== $$each"; PYTHONPATH=. $(BIN)/python $$each; done

picture: setup browser ## Take the pictures of the share panel and the console for README and manual anew
	$(BIN)/python -m pytest tests/browser/test_jobs.py -k queue_to_their_end
	cp browser-output/share-panel.png labextension/docs/share-panel.png
	$(BIN)/python -m pytest tests/browser/test_console.py tests/browser/test_console_use.py \
		tests/browser/test_console_waits.py tests/browser/test_console_quotas.py \
		tests/browser/test_console_roles.py tests/browser/test_console_notices.py
	cp browser-output/console-cards.png browser-output/console-share.png browser-output/console-use.png \
		browser-output/console-waits.png browser-output/console-quotas.png \
		browser-output/console-group.png browser-output/console-notices.png \
		browser-output/console-report.png browser-output/console-past.png hub_ext/docs/

api-types: setup ## Make the console's types of the API anew, after a change of a route or a body
	PYTHON=python npm run --silent --prefix hub_ext/console types

schema: setup ## Publish the quota document's schema anew, and the chart's, which holds it
	$(BIN)/python -m sublet_quota.document.json_schema > quota/quota.schema.json
	$(BIN)/python -m tests.support.helm_documents

lock: setup ## Write the locks anew (.ci/locks), after a change of pyproject.toml or .ci/constraints*.txt
	$(BIN)/python .ci/supply/lock.py $(LOCKS)

sbom: setup ## What Sublet is made of, as CycloneDX documents in SBOM=sbom, from the locks
	$(BIN)/python .ci/supply/sbom.py --into "$(SBOM)"

audit: setup ## Ask for known faults of all that is locked (AUDIT_OPTIONS=--required: fail where nobody answers)
	$(BIN)/python .ci/supply/audit.py $(AUDIT_OPTIONS)

clean: ## Remove what setup made
	rm -rf labextension/dist labextension/lib $(dir $(CONSOLE)) node_modules
	rm -rf $(VENV) .venv-z2jh .sublet demo-output browser-output card-report .mypy_cache .ruff_cache .pytest_cache .hypothesis sbom

$(VENV)/.ready: pyproject.toml .ci/constraints.txt $(DEVELOPMENT_LOCKS) .ci/own-constraints .ci/create-venv .ci/install-node
	@.ci/timed "virtual environment" .ci/create-venv "$(PYTHON)" "$(VENV)"
	touch $@

.venv-z2jh/.ready: $(VENV)/.ready .ci/locks/hub-of-z2jh.txt .ci/create-hub-of-z2jh
	@.ci/timed "hub of zero-to-jupyterhub" .ci/create-hub-of-z2jh "$(VENV)" .venv-z2jh
	touch $@

$(BIN)/configurable-http-proxy: $(VENV)/.ready .ci/install-proxy .ci/locks/proxy/package-lock.json
	@.ci/timed proxy .ci/install-proxy "$(VENV)"
	touch -c $@

$(NPM_PACKAGES): package-lock.json .ci/install-npm-packages | $(VENV)/.ready
	@.ci/timed "npm's packages" .ci/install-npm-packages "$(VENV)"
	touch -c $@

# Installing the package builds and copies the extension; this does it again when its sources change.
$(LAB): $(LAB_SOURCES) .ci/build-labextension | $(VENV)/.ready $(NPM_PACKAGES)
	@.ci/timed "JupyterLab extension" .ci/build-labextension "$(VENV)"
	touch $@

# It lies in the package itself, which is installed as it lies here.
$(CONSOLE): $(CONSOLE_SOURCES) .ci/build-console | $(VENV)/.ready $(NPM_PACKAGES)
	@.ci/timed console .ci/build-console "$(VENV)"
	touch $@
