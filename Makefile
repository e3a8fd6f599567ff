# make demo   set everything up and segment the sample photos      make test   set everything up and run all checks
# make lab    open JupyterLab on copies of the notebooks           make check  the checks that need no engine and no server
# make format mend what can be mended                              make clean  remove what the demo wrote

PYTHON ?= python3
BIN := .venv/bin
ON_TWO_CORES := -n 2 --dist loadfile --no-loadscope-reorder
DEMO := output/demo
CATALOG := data_catalog/demo.zarr

.PHONY: demo test check lint lab format clean

demo: .venv/.demo
	$(BIN)/segscape run segment -o $(DEMO)/segment.ipynb --html $(DEMO)/segment.html \
		-p images data_catalog/samples/samples.csv -p catalog $(CATALOG) -p cluster local -p engines 2 \
		-p scales 0.5,0.75,1,1.25 -p flip true
	$(BIN)/segscape run explore -o $(DEMO)/explore.ipynb --html $(DEMO)/report.html \
		-p catalog $(CATALOG) -p covariate scene -p overlay_sheet $(DEMO)/overlays.png
	@echo && $(BIN)/segscape status $(CATALOG) --images
	@printf '\nLook at:\n  %s\n  %s\n  %s\n  %s\n' \
		"$(DEMO)/report.html     the table, the bars, the photos with their label maps" \
		"$(DEMO)/overlays.png    the photos alone" \
		"$(DEMO)/segment.ipynb   the notebook that did the work, as it ran" \
		"$(CATALOG)      every result; toolkit.Catalog.open(...).to_xarray()"

test: .venv/.test programs lint
	$(BIN)/pytest $(ON_TWO_CORES)

check: .venv/.test lint
	$(BIN)/pytest $(ON_TWO_CORES) -m "not starts_something"

lint: .venv/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/nbstripout --verify notebooks/*.ipynb

lab: .venv/.lab
	$(BIN)/segscape lab

format: .venv/.test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/nbstripout notebooks/*.ipynb

clean:
	rm -rf $(DEMO) $(CATALOG)

# One virtual environment; each stamp says that it holds what that target needs, at the versions of constraints.txt.
.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "$(PYTHON) is older than Python 3.11: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv .venv || { echo "venv is missing; on Debian and Ubuntu: apt install python3-venv"; exit 1; }

.venv/.demo: EXTRAS :=
.venv/.lab: EXTRAS := [lab]
.venv/.test: EXTRAS := [dev]
.venv/.demo .venv/.lab .venv/.test: pyproject.toml constraints.txt | .venv/bin/python
	@echo "setting up .venv (some minutes the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".$(EXTRAS)"
	@touch $@

# What some tests call: a C++ compiler (by torch.compile), an SSH server, a scheduler; and a decimal comma.
.PHONY: programs
programs:
	@missing=; command -v c++ >/dev/null || missing="$$missing g++"; \
	PATH="$$PATH:/usr/sbin"; command -v sshd >/dev/null || missing="$$missing openssh-server"; \
	command -v slurmctld >/dev/null && command -v munged >/dev/null || missing="$$missing slurm-wlm munge"; \
	locale -a | grep -qix 'de_DE.utf-*8' || missing="$$missing locales"; \
	if [ -z "$$missing" ]; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; \
	then apt-get update -qq && apt-get install -qq --yes --no-install-recommends $$missing >/dev/null && \
		case "$$missing" in *locales*) localedef -i de_DE -f UTF-8 de_DE.UTF-8;; esac; \
	else echo "some tests need programs that are missing; on Debian and Ubuntu: apt install$$missing"; fi
