# Everything from nothing: a machine with Python, make and a compiler is enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: install test fast check demo clean

install: $(INSTALLED)

# uv installs in a third of pip's time; it lives in the environment, nothing else on the machine changes.
$(INSTALLED): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --editable '.[demo]' --group dev
	touch $@

# What CI runs: style, types, then every test that needs no GPU.
test: check
	$(BIN)/python -m coverage erase
	$(BIN)/python -m pytest -m "not gpu" --cov --cov-report=term

fast: install
	$(BIN)/python -m pytest

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

DEMO := demo
demo: install
	$(BIN)/video-uniformer-train experiment=motions data.root=$(DEMO)/motions output_dir=$(DEMO)/train
	@echo "Frames in order, shuffled, and one frame repeated:"
	$(BIN)/video-uniformer-test experiment=motions data.root=$(DEMO)/motions ckpt_path=$(DEMO)/train/checkpoints/best.ckpt output_dir=$(DEMO)/test
	$(BIN)/video-uniformer-test experiment=motions data.root=$(DEMO)/motions ckpt_path=$(DEMO)/train/checkpoints/best.ckpt output_dir=$(DEMO)/test_shuffled data.datasets.val.sampler.order=shuffled
	$(BIN)/video-uniformer-test experiment=motions data.root=$(DEMO)/motions ckpt_path=$(DEMO)/train/checkpoints/best.ckpt output_dir=$(DEMO)/test_still data.datasets.val.sampler.order=still
	$(BIN)/video-uniformer-predict $$(ls $(DEMO)/motions/videos/val/*.mp4 | head -n 1) --checkpoint $(DEMO)/train/checkpoints/best.ckpt --sheet $(DEMO)/predict
	@echo "Pictures: $(DEMO)/test/confusion.png and $(DEMO)/predict/*.png"

clean:
	rm -rf $(VENV) $(DEMO) outputs multirun build dist .coverage*
