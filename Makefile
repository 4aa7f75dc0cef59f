# make demo     set up, serve, explain a photo, print its receipt, stop
# make serve    set up and serve on PORT
# make test     set up and run every check and test
# make bench    set up the peers, race them, write docs/benchmarks.md; minutes, and goes on where it stopped
# Needs Python >= 3.11, make and a network; everything lands in .venvs/.

PYTHON ?= python3
PORT ?= 3000
OUT ?= out/demo

SERVE := .venvs/serve
TEST := .venvs/test
PEERS := .venvs/bench-torch .venvs/bench-dianna .venvs/bench-openvino .venvs/bench-xaitk
SOURCES := pyproject.toml constraints.txt client/pyproject.toml
PIP_FLAGS := --quiet --disable-pip-version-check --constraint constraints.txt

# For what imports ONNX Runtime before the service does; see service/__init__.py.
export ORT_DISABLE_TELEMETRY := 1

.DELETE_ON_ERROR:
.PHONY: demo serve test bench check unit ray test-gpu screenshots bento constraints clean

demo: $(SERVE)/.ready
	$(SERVE)/bin/python scripts/demo.py --port $(PORT) --out $(OUT)

serve: $(SERVE)/.ready
	$(SERVE)/bin/python -m service --port $(PORT)

test: check unit

check: $(TEST)/.ready
	$(TEST)/bin/ruff check .
	$(TEST)/bin/ruff format --check .
	$(TEST)/bin/mypy service training client/src scripts

unit: $(TEST)/.ready
	$(TEST)/bin/python -m pytest

# For the tests of scoring on a cluster, which are skipped without.
ray: $(TEST)/.ready
	$(TEST)/bin/python -m pip install $(PIP_FLAGS) --group ray

# On a machine without a CUDA driver every test is skipped, and says so. With one, CUDA and cuDNN come from wheels.
test-gpu: $(TEST)/.ready
	! ldconfig -p | grep -q libcuda.so.1 || $(TEST)/bin/python -m pip install $(PIP_FLAGS) --group serve-cuda
	$(TEST)/bin/python -m pytest -m gpu -rs

# BENCH="--models resnet18 --amount full" and the like; finished rows under out/bench are kept.
bench: $(TEST)/.ready $(PEERS:=/.ready)
	$(TEST)/bin/python -m benchmarks $(BENCH)
	$(TEST)/bin/python -m benchmarks.overhead
	$(TEST)/bin/python -m benchmarks.over_http
	$(TEST)/bin/python -m benchmarks.limit
	$(TEST)/bin/python -m benchmarks.image_sizes
	$(TEST)/bin/python -m benchmarks.engine_throughput
	$(TEST)/bin/python -m benchmarks.client_throughput --works predict "explain, grad_cam" "explain, grad_cam, fast receipt"
	$(TEST)/bin/python -m benchmarks.client_throughput --works predict "explain, grad_cam" "explain, grad_cam, fast receipt" --threads 1
	$(TEST)/bin/python -m benchmarks.predict_beside_rise
	$(TEST)/bin/python -m benchmarks.deadline
	$(TEST)/bin/python -m benchmarks.rise_memory
	$(TEST)/bin/python -m benchmarks.report

# The documents' pictures of the page. Needs Chromium; look at them before you commit them.
screenshots: $(TEST)/.ready
	SCREENSHOTS=docs/images $(TEST)/bin/python -m pytest tests/service/http/page/test_screenshots.py

bento: $(SERVE)/.ready
	$(SERVE)/bin/bentoml build

# Writes down what a fresh resolution of today's ranges gives; the tests then say whether it works.
constraints: ray
	$(TEST)/bin/python scripts/freeze_constraints.py > constraints.txt.new
	mv constraints.txt.new constraints.txt

clean:
	rm -rf .venvs out

$(SERVE)/.ready: GROUP := serve
$(TEST)/.ready: GROUP := test
$(SERVE)/.ready $(TEST)/.ready: $(SOURCES)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { $(PYTHON) --version; echo "saliserve needs Python >= 3.11: make PYTHON=python3.11 ..." >&2; exit 1; }
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install $(PIP_FLAGS) pip
	$(@D)/bin/python -m pip install $(PIP_FLAGS) --group $(GROUP)
	$(@D)/bin/python -m pip install $(PIP_FLAGS) --editable ./client
	touch $@

# Peers have pins of their own. One that cannot be installed becomes a line that says so.
$(PEERS:=/.ready): pyproject.toml
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install $(PIP_FLAGS) pip
	-$(@D)/bin/python -m pip install $(filter-out --constraint constraints.txt,$(PIP_FLAGS)) --group $(notdir $(@D))
	touch $@
