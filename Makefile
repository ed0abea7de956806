# Two commands do everything on a fresh Linux machine with Python 3.11+ and make:
#   make quickstart   set up, search the quickstart's detector, export the best engine, write a report, show the answer
#   make test         set up, then lint, types, floors, tests (the documentation's site among them), in WORKERS processes

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
SCRIPTS := $(addprefix $(CURDIR)/,tests benchmarks studies/quickstart docs examples/sampler examples/use)
# Folders whose modules mypy finds by their own names: elsewhere it would take the checkout's name, whatever that is, for a package's.
SCRIPT_FOLDERS := tests docs benchmarks benchmarks/search benchmarks/fleet benchmarks/gpu benchmarks/int8 benchmarks/results benchmarks/tasks \
	studies/quickstart examples/sampler examples/use
SCRIPT_PATH := $(subst $() ,:,$(addprefix $(CURDIR)/,$(SCRIPT_FOLDERS)))
STUDY := studies/quickstart/quickstart.yaml
RUNS := runs/quickstart
# On two cores: a process waits a third of its time.
WORKERS ?= 3
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

.PHONY: quickstart test test-again docs results install install-dev clean

quickstart: install
	$(BIN)/python studies/quickstart/pictures.py --out studies/quickstart/data
	$(BIN)/qpareto run $(STUDY) > /dev/null # its answer comes last, below
	rm -rf $(RUNS)/best
	$(BIN)/qpareto export $(STUDY) -o $(RUNS)/best
	$(BIN)/qpareto report $(STUDY) -o $(RUNS)/report.html
	@echo
	@$(BIN)/qpareto front $(STUDY)
	@echo
	@echo "Made already: the report $(RUNS)/report.html (open it in a browser), the engine in $(RUNS)/best."
	@echo "To type more:  source $(BIN)/activate"
	@echo "  qpareto verify $(RUNS)/best"
	@echo "  qpareto init best.pt --data data.yaml    # your own model: docs/own-model.md"

test: install-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	cd $(VENV) && MYPYPATH=stubs bin/mypy --config-file $(CURDIR)/pyproject.toml -p qpareto
	cd $(VENV) && MYPYPATH=$(SCRIPT_PATH) bin/mypy --config-file $(CURDIR)/pyproject.toml $(SCRIPTS)
	$(BIN)/lint-imports
	$(PYTEST)

# The tests alone, TIMES over, beside so many processes that keep a core BUSY each; the first run that fails ends it.
TIMES ?= 10
BUSY ?= 0
test-again: install-dev
	@trap 'test -z "$$busy" || kill $$busy' EXIT; trap 'exit 1' INT TERM; \
	for i in $$(seq $(BUSY)); do sh -c 'while :; do :; done' & busy="$$busy $$!"; done; \
	for i in $$(seq $(TIMES)); do echo "run $$i of $(TIMES)"; $(PYTEST) --quiet || exit 1; done

# The pages that are generated, and the site, in site/; `.venv/bin/mkdocs serve` shows it while you write.
docs: install-dev
	$(BIN)/python docs/reference.py
	$(BIN)/mkdocs build --strict

# Published tables and pictures, from the measurements in benchmarks/results/recorded; pictures want a Chromium.
results: install-dev
	$(BIN)/python benchmarks/results/publish.py

# What is tested is what users get: the package as installed, never the checkout.
install: $(VENV)/.dependencies
	rm -rf build qpareto.egg-info
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --force-reinstall .

install-dev: $(VENV)/.dev-dependencies install

$(VENV)/.dependencies: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt setuptools .
	touch $@

$(VENV)/.dev-dependencies: $(VENV)/.dependencies
	$(BIN)/pip install --quiet --constraint constraints.txt ".[dev,docs,dashboard,grpc,png,postgres,ray,remote,yolo,tensorrt-rtx]"
	# Beside the environment: within it, these stubs alone would pass for an installed TensorRT (ModelOpt trips on them).
	$(BIN)/pip install --quiet --no-deps --upgrade --target $(VENV)/stubs tensorrt-stubs==10.13.0.35.1
	# Two of their spellings are no Python, and mypy reads nothing of a file that holds one.
	sed -i -E 's/\bin: list\[/inputs: list[/; s/(, channel_axis: int)\)/\1 = ...)/' \
		$(VENV)/stubs/tensorrt_bindings/tensorrt.pyi
	touch $@

clean:
	rm -rf $(VENV) build dist site qpareto.egg-info runs studies/quickstart/data
