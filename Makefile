# The commands of the course; `make help` lists them. Windows has no make: README.md gives the same commands.
PYTHON ?= python3
REF    ?= main
export PORT PIP_FLAGS

BIN    := .venv/bin
PYTEST := $(BIN)/python -m pytest $(if $(CI),--complete)
NBVAL  := --nbval-lax --nbval-current-env --nbval-cell-timeout 120
PAIR   := -n 2 --dist loadscope

.NOTPARALLEL:
.PHONY: help lab test test-all test-more units lessons solved exercises slow badges lab-ready test-ready browser-ready

help:
	@echo "make lab                      install into .venv what is missing and open the course in JupyterLab"
	@echo "make test                     unit tests, notebook hygiene, every lesson as shipped"
	@echo "make test-all                 also every lesson with its solutions, and the time budgets"
	@echo "make badges REPO=owner/name   write the course's address into the lessons (also REF=tag)"
	@echo
	@echo "Variables: PYTHON=python3.12, PORT=9999, PIP_FLAGS='--extra-index-url https://...'"

lab: lab-ready
	@$(BIN)/python tools/environment.py start

test: test-ready
	@$(MAKE) --no-print-directory --keep-going units lessons

test-all: test-ready
	@$(MAKE) --no-print-directory --keep-going units lessons solved slow BUDGETS=1

test-more: test-ready
	@$(MAKE) --no-print-directory --keep-going exercises slow WARM=1

units:
	$(PYTEST) -n 2 --dist worksteal -m "not slow" tests

lessons:
	$(PYTEST) $(NBVAL) $(if $(BUDGETS),--budgets,$(PAIR)) lessons

solved:
	$(BIN)/python tools/lessons.py solve
	COURSE_STRICT=1 $(PYTEST) $(NBVAL) $(PAIR) --warm build/solved

exercises:
	$(BIN)/python tools/lessons.py solve --exercises
	COURSE_STRICT=1 $(PYTEST) $(NBVAL) $(PAIR) build/exercises

slow:
	$(PYTEST) $(if $(WARM),--warm) -m slow tests

badges: lab-ready
	@test -n "$(REPO)" || { echo "Name the repository: make badges REPO=owner/name"; exit 1; }
	@$(BIN)/python tools/lessons.py badges --repo "$(REPO)" --ref "$(REF)"

lab-ready test-ready browser-ready:
	@command -v $(PYTHON) >/dev/null || { echo "There is no $(PYTHON) here. Install Python 3.10 to 3.14, or name one: make $(MAKECMDGOALS) PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) tools/environment.py $(@:-ready=)
