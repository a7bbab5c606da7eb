# Everything from nothing: a machine with Python, make and a compiler is enough.
PYTHON ?= python3
VENV := .venv
# Threads that wait give way to the loader and to other programs, in place of spinning.
export OMP_WAIT_POLICY := PASSIVE
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: install test fast coverage check demo clean

install: $(INSTALLED)

# uv installs in a third of pip's time; it lives in the environment, nothing else on the machine changes.
$(INSTALLED): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --editable '.[demo]' --group dev
	touch $@

# What CI runs: style, types, then every test that needs no GPU.
test: check
	$(BIN)/python -m pytest
	$(BIN)/python -m pytest -m "slow and not gpu" --no-loadscope-reorder --durations=20

fast: install
	$(BIN)/python -m pytest

# Of the fast tests: much of the slow ones runs in processes out of reach.
coverage: install
	$(BIN)/python -m coverage erase
	$(BIN)/python -m pytest --cov --cov-report=term

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

DEMO := demo
MOTIONS := experiment=motions data.root=$(DEMO)/motions
BEST := $(DEMO)/train/checkpoints/best.ckpt

# Train on drawn videos, test in three ways, predict one clip that the network has not seen.
demo: install
	$(BIN)/video-uniformer train $(MOTIONS) output_dir=$(DEMO)/train
	for order in in_order shuffled still; do \
	  echo "Frames $$order:"; \
	  $(BIN)/video-uniformer test $(MOTIONS) ckpt_path=$(BEST) output_dir=$(DEMO)/test_$$order \
	    data.datasets.val.sampler.order=$$order || exit 1; \
	done
	$(BIN)/video-uniformer predict $(DEMO)/motions/videos/val/turning_clockwise/00000.mp4 \
	  --checkpoint $(BEST) --sheet $(DEMO)/predict
	@echo "Pictures: $(DEMO)/predict/*.png, $(DEMO)/test_in_order/confusion.png, $(DEMO)/test_shuffled/confusion.png"

clean:
	rm -rf $(VENV) $(DEMO) outputs multirun build dist .coverage*
