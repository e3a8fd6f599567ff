"""The server of an S3 catalog is killed with -9 in mid-run: it may come back, and it may not."""

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from everything import EVERYTHING

import toolkit as tk
from benchmarks.torture import torture
from toolkit import Catalog, Model, Protocol, Run
from toolkit.catalog.store.remote import StoreLostError
from toolkit.engines import EngineTaskError
from toolkit.runs import RunError
from toolkit.testing.gate import Gate
from toolkit.testing.s3_server import BUCKET, S3Server
from toolkit.testing.waiting import PATIENCE, wait_until

SECONDS_AWAY = 3.0
SEED = 1
WHO_AND_WHEN = ["engine", "started", "seconds"]

pytestmark = pytest.mark.filterwarnings("ignore:catalog s3.*no answer:RuntimeWarning", "ignore:run .* stopped")


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    """A server of this test's own."""
    with S3Server(tmp_path / "server") as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        yield server


def begin(catalog: Catalog, model: Model, protocol: Protocol, gate: Gate) -> Run:
    """A run of which some images are done, and that has come no further than ten of them."""
    run = tk.segment(catalog, model, protocol, batch_size=1, flush_seconds=0.2)
    gate.let_through(10)
    wait_until(lambda: run.progress.done >= 2)
    return run


def assert_equal_to(undisturbed: Catalog, catalog: Catalog) -> None:
    expected, found = undisturbed.to_xarray(), catalog.to_xarray()
    assert found.status.values.tolist() == ["done"] * expected.sizes["image"]
    assert found.attempts.values.tolist() == [1] * expected.sizes["image"]
    del expected.attrs["created"], found.attrs["created"]
    xr.testing.assert_identical(found.drop_vars(WHO_AND_WHEN), expected.drop_vars(WHO_AND_WHEN))
    for image in range(0, expected.sizes["image"], 5):
        np.testing.assert_array_equal(catalog.labels(None, image), undisturbed.labels(None, image))


def test_a_server_that_comes_back(
    server: S3Server, undisturbed: Catalog, many_photos: list[Path], model: Model, protocol: Protocol, gate: Gate
) -> None:
    catalog = Catalog.create(f"s3://{BUCKET}/demo", many_photos, block_size=8)
    run = begin(catalog, model, protocol, gate)
    server.kill()
    gate.open()
    time.sleep(SECONDS_AWAY)
    assert run.progress.state == "running"
    server.start()
    run.wait(PATIENCE)
    assert (run.progress.state, run.progress.done, run.progress.failed) == ("finished", len(many_photos), 0)
    assert run.progress.processed == len(many_photos)  # nothing was done again
    assert_equal_to(undisturbed, catalog)


def test_a_server_that_does_not(
    server: S3Server, many_photos: list[Path], model: Model, protocol: Protocol, gate: Gate
) -> None:
    photos = many_photos[:24]
    Catalog.create(f"s3://{BUCKET}/demo", photos, block_size=8)
    catalog = Catalog.open(f"s3://{BUCKET}/demo", retry_seconds=2)
    run = begin(catalog, model, protocol, gate)
    server.kill()
    gate.let_more_through(3)
    words = rf"(?s)no answer from {server.endpoint} for 2 s.*make the same call again"
    with pytest.raises(RunError, match=words) as caught:
        run.wait(PATIENCE)
    assert isinstance(caught.value.__cause__, StoreLostError | EngineTaskError)
    assert run.progress.state == "stopped"

    server.start()
    gate.open()
    before = catalog.to_xarray(run.id)
    done = np.flatnonzero(before.status == "done")
    assert done.size < len(photos)
    assert set(before.status.values) <= {"done", "pending"}  # no image is blamed for it
    again = tk.segment(catalog, model, protocol)
    again.wait(PATIENCE)
    assert (again.progress.state, again.progress.processed) == ("finished", len(photos) - done.size)
    after = catalog.to_xarray(run.id)
    assert after.status.values.tolist() == ["done"] * len(photos)
    xr.testing.assert_identical(after.isel(image=done), before.isel(image=done))


def test_torture(server: S3Server, tmp_path: Path) -> None:
    """Drivers and engines are killed, too; the server at least once."""
    print(f"seed {SEED}")
    size = {"n_images": 200, "n_drivers": 2, "n_events": 5}
    if EVERYTHING:
        size = {"n_images": 400, "n_drivers": 4, "n_events": 16}
    outcome = torture(tmp_path, f"s3://{BUCKET}/tortured", **size, seconds=0.01, seed=SEED, server=server)
    assert outcome.wrong == []
    assert sum(outcome.events.values()) >= size["n_events"]
    assert outcome.events["server killed"]
    assert outcome.reads > 3
