# The commands of the course; `make help` lists them. Windows has no make: README.md gives the same commands.
PYTHON ?= python3
REF    ?= main
export PORT PIP_FLAGS

INSTALL = @command -v $(PYTHON) >/dev/null || { echo "There is no $(PYTHON) here. Install Python 3.10 to 3.14, \
or name one: make $@ PYTHON=/path/to/python3"; exit 1; } && $(PYTHON) tools/environment.py
PYTEST  = .venv/bin/python -m pytest $(if $(CI),--complete)
LESSONS = $(PYTEST) --nbval-lax --nbval-current-env --nbval-cell-timeout 120 -n 2 --dist loadscope

.NOTPARALLEL:
.PHONY: help lab test ci badges lint units lessons solved slow

help:
	@echo "make lab                      install into .venv what is missing and open the course in JupyterLab"
	@echo "make test                     unit tests, notebook hygiene, every lesson as shipped"
	@echo "make ci                       all there is: also lint, every lesson with its solutions, browsers, long trainings"
	@echo "make badges REPO=owner/name   write the course's address into the lessons (also REF=tag)"
	@echo
	@echo "Variables: PYTHON=python3.12, PORT=9999, PIP_FLAGS='--extra-index-url https://...'"

lab:
	$(INSTALL) start

test:
	$(INSTALL) test
	@$(MAKE) --no-print-directory --keep-going units lessons

ci:
	$(INSTALL) test lab browser
	@$(MAKE) --no-print-directory --keep-going lint units lessons solved slow

badges:
	@test -n "$(REPO)" || { echo "Name the repository: make badges REPO=owner/name"; exit 1; }
	$(INSTALL) lab
	@.venv/bin/python tools/lessons.py badges --repo "$(REPO)" --ref "$(REF)"

lint:
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/lint-imports --no-cache

units:
	$(PYTEST) -n 2 --dist worksteal -m "not slow" tests

lessons:
	$(LESSONS) lessons

solved:
	.venv/bin/python tools/lessons.py solve
	COURSE_STRICT=1 $(LESSONS) build/solved

slow:
	$(PYTEST) -m slow tests
