# Two commands set everything up: `make serve` and `make test`. Any Python 3.11 or newer serves; 3.11 is what training and
# tests are run on, so it is taken where there is one.
PYTHON ?= $(shell for python in python3.11 python3 python; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)

.PHONY: serve test test-all check prove format bench bench-all lock audit sbom image

# A faster memory allocator, as in the image; where it isn't installed, the service takes the C library's.
TCMALLOC = $(if $(wildcard /usr/lib/*/libtcmalloc_minimal.so.4 /usr/lib*/libtcmalloc_minimal.so.4),libtcmalloc_minimal.so.4)

serve: .venv/installed  ## the service with the shipped models on http://127.0.0.1:8000
	LD_PRELOAD="$${LD_PRELOAD-$(TCMALLOC)}" .venv/bin/python -m service

test: .venv-dev/installed  ## the tests that take minutes together, on all CPUs; not those marked slow
	.venv-dev/bin/pytest -n auto --dist worksteal -m "not slow"

test-all: test  ## all tests: also documents, browser, generated client, long fits, real data, sabotage
	.venv-dev/bin/pytest -n auto --dist loadfile -m slow --ignore tests/prove
	.venv-dev/bin/pytest tests/prove

check: .venv-dev/installed  ## lint, format, types, import layers
	.venv-dev/bin/ruff check .
	.venv-dev/bin/ruff format --check .
	.venv-dev/bin/mypy
	.venv-dev/bin/lint-imports

format: .venv-dev/installed  ## fix and format what can be
	.venv-dev/bin/ruff check --fix .
	.venv-dev/bin/ruff format .

prove: .venv-dev/installed  ## what docs/reliability.md promises, half an hour; ARGS='--quick' two minutes, ARGS='chaos soak' these two
	.venv-dev/bin/python -m tests.prove $(ARGS)

bench: .venv-dev/installed  ## the service beside others, at most a quarter of an hour; needs wrk (apt-get install wrk libtcmalloc-minimal4)
	.venv-dev/bin/python -m benchmarks.serving

bench-all: .venv-dev/installed  ## the service beside other model servers, in environments of their own (5 GB); resumable
	.venv-dev/bin/python -m benchmarks.peers

lock:  ## deploy/requirements.lock, for the image, tracing included; on the image's Python: make lock PYTHON=python3.13
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/pip install --quiet pip-tools
	.venv-lock/bin/pip-compile --quiet --generate-hashes --strip-extras --no-header --no-emit-index-url \
		--no-emit-find-links --no-emit-trusted-host --extra tracing --output-file deploy/requirements.lock pyproject.toml
	$(MAKE) sbom

audit: .venv-dev/installed  ## known vulnerabilities of what is locked; without a network, what was recorded last
	.venv-dev/bin/python -m deploy.audit

sbom: .venv-dev/installed  ## deploy/sbom.cdx.json, the image's bill of materials (CycloneDX), from the lock
	.venv-dev/bin/python -m deploy.sbom

image:  ## the container image, seqserve:latest
	docker build --tag seqserve .

.venv/installed: PROJECT = .
.venv-dev/installed: PROJECT = .[training,dev,tracing]

.venv/installed .venv-dev/installed: pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; name one: make $(MAKECMDGOALS) PYTHON=/path/to/python"; exit 1; }
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/pip install --quiet --editable '$(PROJECT)'
	touch $@
