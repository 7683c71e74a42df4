# `make demo` and `make test` do all the set-up; `make style` formats.
PYTHON ?= python3.11
BIN := .venv/bin
READY := .venv/ready

# The package's files. A strict editable installation links them one by one, so a new one asks for a new installation.
FILES := build/files

.PHONY: demo test lint style options formats pictures clean always

$(FILES): always
	@mkdir -p $(@D)
	@find engine rules embeddings detectors -type f ! -name '*.pyc' | sort > $@.new
	@if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi

$(READY): setup.cfg setup.py pyproject.toml constraints.txt $(FILES)
	test -x $(BIN)/python || $(PYTHON) -m venv .venv || python3 -m venv .venv
	rm -rf build/__editable__.*
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --config-settings editable_mode=strict -e '.[dev]'
	touch $(READY)

demo: $(READY)
	$(BIN)/forewarn scan examples/logs --budget 10 || test $$? -eq 1 # 1 = alerts, which the demo is there to show

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	if test -x $(BIN)/hadolint; then $(BIN)/hadolint deploy/Dockerfile; fi

test: lint
	$(BIN)/python -m pytest -n 2

style: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

options: $(READY)
	$(BIN)/python docs/make_options.py

formats: $(READY)
	$(BIN)/python docs/make_formats.py

pictures: $(READY)
	$(BIN)/python docs/make_pictures.py

clean:
	rm -rf .venv build dist *.egg-info
