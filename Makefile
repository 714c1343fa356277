# make demo: photos, a mesh and sound into files and back, drawn and measured (IN=FILE or folder for yours)
# make test: all tests but the long ones; make test-full: all; make lint; make bench IN=FOLDER
PYTHON ?= python3.11
BIN := .venv/bin
IN ?=

.PHONY: assets demo test test-full lint bench setup clean

demo: .venv/ready
	$(BIN)/python scripts/demo.py $(IN)

# README's pictures, from what make demo drew last
assets: .venv/ready
	$(BIN)/python -c "from PIL import Image; [Image.open(f'demo/{a}.png').convert('RGB').save(f'assets/{b}.webp', \
	  quality=87, method=6) for a, b in (('astronaut', 'photo'), ('terrain', 'mesh'), ('strings', 'sound'))]"

test: .venv/ready
	$(BIN)/python -m pytest -m "not slow"

test-full: .venv/ready
	$(BIN)/python -m pytest

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/ready
	$(BIN)/nacre bench $(IN) --out runs/bench

setup: .venv/ready

# uv installs some hundred packages in half a minute; it lives in the environment it fills.
.venv/ready: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv || python3 -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt --editable '.[train,bench,mesh,dev]'
	touch $@

clean:
	rm -rf .venv runs demo .pytest_cache .mypy_cache .ruff_cache
