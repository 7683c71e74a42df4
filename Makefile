# `make demo` and `make test` do all the set-up; `make style` formats.
PYTHON ?= python3.11
BIN := .venv/bin
READY := .venv/ready

.PHONY: demo test lint tree style pictures clean

$(READY): setup.cfg pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv || python3 -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[cpu,dev]'
	touch $(READY)

demo: $(READY)
	-$(BIN)/forewarn scan examples/logs --budget 10

# setup.cfg maps four folders into one package; mypy and import-linter want to see that package as a folder.
TREE := build/tree
tree:
	rm -rf $(TREE) && mkdir -p $(TREE)/forewarn
	ln -s $(CURDIR)/engine/* $(CURDIR)/rules $(CURDIR)/embeddings $(CURDIR)/detectors $(TREE)/forewarn/

lint: $(READY) tree
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	MYPYPATH=$(TREE) $(BIN)/mypy
	PYTHONPATH=$(TREE) $(BIN)/lint-imports

test: lint
	$(BIN)/python -m pytest -n 2

style: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

pictures: $(READY)
	$(BIN)/python docs/make_pictures.py

clean:
	rm -rf .venv build dist *.egg-info
