"""What the files beside the package promise: versions, requirements, commands, and what importing costs."""

import importlib.metadata
import inspect
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import toolkit

ROOT = Path(__file__).resolve().parent.parent

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]

CONDA_NAMES = {"torch": "pytorch"}  # where conda-forge calls it otherwise

# In parts, so that this file does not hold them.
REGISTRY_HOSTS = [
    ".".join(parts)
    for parts in [
        ("py" + "pi", "org"),
        ("python" + "hosted", "org"),
        ("ana" + "conda", "org"),
        ("ana" + "conda", "com"),
        ("py" + "torch", "org/whl"),
        ("npm" + "js", "org"),
        ("npm" + "js", "com"),
    ]
]


def requirements(extra: str | None = None) -> list[Requirement]:
    """The project's dependencies, or those of an extra, without itself."""
    listed = PROJECT["dependencies"] if extra is None else PROJECT["optional-dependencies"][extra]
    return [found for found in map(Requirement, listed) if found.name != PROJECT["name"]]


def layers() -> list[list[str]]:
    """Packages by floor, the highest first, as import-linter holds them."""
    (contract,) = [one for one in PYPROJECT["tool"]["importlinter"]["contracts"] if one["type"] == "layers"]
    return [sorted(layer.split(" | "), key=layer.index) for layer in contract["layers"]]


EVERYTHING = [found for extra in (None, *PROJECT["optional-dependencies"]) for found in requirements(extra)]


@pytest.fixture(scope="module")
def constraints() -> dict[str, Version]:
    """Exact version by canonical name."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = [line.split("==") for line in lines if line.strip() and not line.startswith("#")]
    return {canonicalize_name(name): Version(version) for name, version in pairs}


class TestRequirements:
    @pytest.mark.parametrize("requirement", EVERYTHING, ids=lambda requirement: requirement.name)
    def test_its_range_admits_the_version_that_was_tested(
        self, constraints: dict[str, Version], requirement: Requirement
    ) -> None:
        assert requirement.specifier.contains(constraints[canonicalize_name(requirement.name)], prereleases=True)

    def test_constraints_are_public_versions(self, constraints: dict[str, Version]) -> None:
        assert [name for name, version in constraints.items() if version.local or version.is_prerelease] == []

    def test_the_conda_environment_has_the_same_ranges(self) -> None:
        environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
        wanted = {
            CONDA_NAMES.get(found.name, found.name): found.specifier
            for found in (*requirements(), *requirements("lab"))
        }
        wanted["python"] = Requirement(f"python{PROJECT['requires-python']}").specifier
        assert {found.name: found.specifier for found in map(Requirement, environment["dependencies"])} == wanted
        assert environment["channels"] == ["conda-forge"]

    def test_the_version_is_that_of_the_distribution(self) -> None:
        assert toolkit.__version__ == importlib.metadata.version("segscape")


class TestImport:
    def test_it_loads_nothing_heavy_and_takes_no_network(self) -> None:
        program = (
            "import socket, sys\n"
            "def refuse(*arguments, **options): raise SystemExit('the network was used')\n"
            "socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse\n"
            "import toolkit\n"
            "print(*{'torch', 'zarr', 'pandas', 'xarray', 'matplotlib', 'ipyparallel'} & set(sys.modules))"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
        assert done.stdout.split() == []

    @pytest.mark.parametrize("name", sorted(set(toolkit.__all__) - {"__version__"}))
    def test_each_public_name_is_there_and_says_what_it_is(self, name: str) -> None:
        written = inspect.getdoc(getattr(toolkit, name)) or ""
        assert written
        assert not written.startswith(f"{name}(")  # what dataclasses make up

    def test_the_public_names_are_those_that_dir_lists(self) -> None:
        assert dir(toolkit) == sorted(toolkit.__all__)

    def test_an_unknown_name_is_an_attribute_error(self) -> None:
        with pytest.raises(AttributeError, match="toolkit attribute segmnt"):
            _ = toolkit.segmnt


class TestFiles:
    def test_the_readme_names_only_targets_of_the_makefile(self) -> None:
        makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
        targets = set(re.findall(r"^([a-z][\w-]*):", makefile, flags=re.MULTILINE))
        readme = (ROOT / "README.md").read_text(encoding="utf-8")
        code = re.findall(r"```.*?```|`[^`\n]+`", readme, flags=re.DOTALL)
        named = {name for piece in code for name in re.findall(r"\bmake (?:[A-Z]+=\S+ )*([a-z][\w-]*)", piece)}
        assert named
        assert named <= targets

    def test_contributors_are_told_the_floors_that_are_checked(self) -> None:
        text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
        rows = re.findall(r"^\| (`toolkit\..*?) \|", text, flags=re.MULTILINE)
        assert [re.findall(r"`([\w.]+)`", row) for row in rows] == layers()

    def test_every_part_of_the_package_has_a_floor(self) -> None:
        files = [*(ROOT / "toolkit").glob("*.py"), *(path.parent for path in (ROOT / "toolkit").glob("*/__init__.py"))]
        parts = {f"toolkit.{path.stem}" for path in files} - {"toolkit.__init__"}
        assert parts == {name for layer in layers() for name in layer}

    def test_only_tests_and_benchmarks_use_the_test_kit(self) -> None:
        using = [
            str(path.relative_to(ROOT))
            for path in (ROOT / "toolkit").rglob("*.py")
            if "toolkit.testing" in path.read_text(encoding="utf-8") and "testing" not in path.parts
        ]
        assert using == []

    def test_no_file_names_a_package_registry(self) -> None:
        listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
        paths = [ROOT / name for name in names if name and (ROOT / name).is_file()]
        assert paths
        hosts = [host.encode() for host in REGISTRY_HOSTS]
        naming = [str(path.relative_to(ROOT)) for path in paths if any(host in path.read_bytes() for host in hosts)]
        assert naming == []
