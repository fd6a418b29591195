# `make` shows what there is. Every target sets up its environment by itself first.
PYTHON ?= python3
# Each stack has an environment of its own: they bring the same import packages.
STACK ?= onedl
VENV := .venv$(patsubst %,-%,$(filter-out onedl,$(STACK)))
PY := $(VENV)/bin/python
# A Python that was named on purpose must be the one in the environment; the default accepts what is there.
EXACT := $(if $(filter file default,$(origin PYTHON)),,--exact-python)

# Waiting threads sleep instead of spinning: with data-loading processes beside them on few cores, a training step is
# many times faster.
export OMP_WAIT_POLICY ?= PASSIVE

.DEFAULT_GOAL := help
.PHONY: help env test lint demo docs app clean distclean

help:
	@echo 'make test    the tests'
	@echo 'make demo    dark pictures in, mAP out: writes work_dirs/demo (IMAGE=photo.jpg enhances a photograph too)'
	@echo 'make app     the web page on this machine: drop a picture in, see it lit'
	@echo 'make docs    the documentation as a site: writes work_dirs/site'
	@echo 'make lint    style checks'
	@echo 'make env     only the set-up: .venv with the pinned stack and llv (PYTHON=python3.12 chooses the Python)'
	@echo 'make clean   removes caches and build products; make distclean removes the environments too'
	@echo 'STACK=openmmlab behind any of them: on the packages of OpenMMLab itself, in .venv-openmmlab (docs/stacks.md)'

env:
	@command -v $(PYTHON) >/dev/null || { echo 'set-up: no `$(PYTHON)` on PATH: install Python 3.10 to 3.12.' >&2; exit 1; }
	@$(PYTHON) tools/setup_env.py --stack $(STACK) $(EXACT)

# One process a core, each with one thread; the tests of a file stay together, and files start in the order of
# tests/conftest.py, the long ones first, instead of by their number of tests.
test: env
	@MPLBACKEND=Agg OMP_NUM_THREADS=1 $(PY) -m pytest tests -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

lint: env
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check --config 'format.exclude=["*.md"]' .

demo: env
	@MPLBACKEND=Agg $(PY) demo/run_demo.py $(if $(IMAGE),--image "$(IMAGE)")

docs: env
	@$(PY) -m mkdocs build --strict

app: env
	@$(PY) tools/app.py

clean:
	@rm -rf build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
	@find configs demo llv tests tools -type d -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

distclean: clean
	@rm -rf .venv .venv-openmmlab llv/.mim
