"""What tests of several packages share: small real photos, the built-in model, private servers; and which are quick."""

import inspect
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest
from PIL import Image

import toolkit as tk
from toolkit import paths
from toolkit.sources.sftp import CONFIG_VARIABLE
from toolkit.testing.s3_server import S3Server
from toolkit.testing.servers import UnavailableError
from toolkit.testing.ssh_server import SshServer

# Before torch is loaded. Threads of several processes on two cores wait for one another: seconds become minutes.
os.environ.setdefault("OMP_NUM_THREADS", "1")

hypothesis.settings.register_profile("segscape", deadline=None)  # a busy machine is no failure
hypothesis.settings.load_profile("segscape")

SMALL = (96, 64)  # width, height: one tile of `small_protocol`

MakePhotos = Callable[..., list[Path]]


@pytest.fixture(scope="session")
def model() -> tk.Model:
    """The built-in model."""
    return tk.load_model("deeplabv3-mobilenetv2-voc")


@pytest.fixture(scope="session")
def small_protocol() -> tk.Protocol:
    """One tile per small photo."""
    return tk.Protocol(crop_size=97)


@pytest.fixture(scope="session")
def make_photos() -> MakePhotos:
    """Writes n small photos into a folder: the ten samples whole, then differing parts of them."""
    samples = []
    for path in sorted((paths.data_catalog() / "samples").glob("*.[jp][pn]g")):
        with Image.open(path) as image:
            samples.append((path.stem, image.convert("RGB")))

    def make(folder: Path, n: int = 10) -> list[Path]:
        folder.mkdir(parents=True, exist_ok=True)
        photos = []
        for number in range(n):
            name, image = samples[number % len(samples)]
            margin = 0.04 * (number // len(samples))
            box = (margin * image.width, margin * image.height, image.width, (1 - margin) * image.height)
            photos.append(folder / f"{number:03d}-{name}.png")
            image.resize(SMALL, box=box).save(photos[-1])
        return photos

    return make


@pytest.fixture(scope="session")
def small_photos(make_photos: MakePhotos, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The ten samples, small; not to be changed by a test."""
    return make_photos(tmp_path_factory.mktemp("photos"))


WHOLE_FOLDERS = {"browser", "faults", "hpc", "notebooks"}
STARTED = {"Cluster", "S3Server", "SshServer", "SlurmSite"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what `make check` leaves out, and have files that hold such tests begun first, since they take longest.

    Of some folders that is all. Elsewhere it is each test that names something that is started, or depends on a fixture
    that does: engines or servers.
    """
    long: set[Path] = set()
    for item in items:
        if isinstance(item, pytest.Function) and (
            _is_in_whole_folder(item) or any(map(_starts_something, _functions_of(item)))
        ):
            item.add_marker("starts_something")
            long.add(item.path)
    items.sort(key=lambda item: (item.path not in long, not _is_in_whole_folder(item)))


def _is_in_whole_folder(item: pytest.Item) -> bool:
    root = Path(__file__).parent
    return item.path.is_relative_to(root) and item.path.relative_to(root).parts[0] in WHOLE_FOLDERS


def _functions_of(item: pytest.Function) -> Iterator[Callable[..., object]]:
    yield item.function
    for definitions in item._fixtureinfo.name2fixturedefs.values():
        for definition in definitions:
            yield definition.func


def _starts_something(function: Callable[..., object]) -> bool:
    code = getattr(inspect.unwrap(function), "__code__", None)
    return code is not None and not STARTED.isdisjoint(code.co_names)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    """Skip a test whose server cannot be had on this machine; in CI it fails."""
    try:
        return (yield)
    except UnavailableError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def shared_s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """An S3 server; not to be killed by a test."""
    with S3Server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def s3(shared_s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """That server; the environment has its address and keys."""
    for name, value in shared_s3_server.environment.items():
        monkeypatch.setenv(name, value)
    return shared_s3_server


@pytest.fixture
def ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SshServer]:
    """An SSH server of this test's own; the environment has its key, and knows its host key."""
    with SshServer(tmp_path / "ssh") as server:
        monkeypatch.setenv(CONFIG_VARIABLE, str(server.config))
        yield server
