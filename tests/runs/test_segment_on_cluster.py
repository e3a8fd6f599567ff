"""A run on two engines gives what a run in this process gives."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from zarr.storage import MemoryStore

import toolkit as tk
from toolkit import Catalog, Cluster, Model, Protocol
from toolkit.runs import Event, RunEnded, RunError, RunStarted
from toolkit.testing.waiting import PATIENCE

WHO_AND_WHEN = ["engine", "started", "seconds"]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster.start("local", n=2) as cluster:
        yield cluster


def test_the_tables_are_identical(
    cluster: Cluster, tmp_path: Path, small_photos: list[Path], model: Model, small_protocol: Protocol
) -> None:
    images = [*small_photos, tmp_path / "none.jpg"]
    catalogs = [Catalog.create(tmp_path / f"{name}.zarr", images, block_size=4) for name in ("alone", "engines")]
    protocol = replace(small_protocol, scales=(0.5, 1.0), flip=True)
    alone, engines = (
        tk.segment(catalog, model, protocol, cluster=where, flush_seconds=0.2)
        for catalog, where in zip(catalogs, (None, cluster), strict=True)
    )
    alone.wait()
    engines.wait()
    assert alone.id == engines.id
    tables = [catalog.to_xarray() for catalog in catalogs]
    for table in tables:
        del table.attrs["created"]
    # Other numbers of threads add up in another order.
    xr.testing.assert_allclose(tables[0].confidence, tables[1].confidence, rtol=1e-5)
    alike = [table.drop_vars([*WHO_AND_WHEN, "confidence"]) for table in tables]
    xr.testing.assert_identical(*alike)
    assert tables[0].status.values.tolist() == ["done"] * 10 + ["failed"]
    for row in range(10):
        np.testing.assert_array_equal(catalogs[0].labels(None, row), catalogs[1].labels(None, row))
    columns = ["uri", "error", "attempts", "message"]
    assert catalogs[0].errors()[columns].equals(catalogs[1].errors()[columns])


def test_both_engines_work_and_are_named(
    cluster: Cluster, catalog: Catalog, model: Model, small_protocol: Protocol, events: list[Event]
) -> None:
    run = tk.segment(catalog, model, small_protocol, cluster=cluster, observers=[events.append])
    run.wait()
    resources = cluster.resources()
    expected = {f"{host}:{pid}" for host, pid in zip(resources.host, resources.pid, strict=True)}
    assert set(catalog.to_xarray().engine.values) <= expected
    assert events[0] == RunStarted(run.id, total=10, done=0, failed=0, todo=10, n_engines=2, n_wanted=2)
    assert events[-1] == RunEnded("finished")


def test_a_cluster_serves_several_runs(
    cluster: Cluster, catalog: Catalog, model: Model, small_protocol: Protocol
) -> None:
    for flip in (False, True):
        run = tk.segment(catalog, model, replace(small_protocol, flip=flip), cluster=cluster)
        run.wait()
        assert run.progress.done == 10


def test_another_model_on_the_engines_stops_the_run(
    cluster: Cluster, catalog: Catalog, model: Model, small_protocol: Protocol
) -> None:
    other = replace(model, digest="f" * 64)
    run = tk.segment(catalog, other, small_protocol, cluster=cluster)
    words = rf"(?s)'{model.source}' has digest {model.digest[:16]}.* {'f' * 16}.*cannot be sent there: .*is another"
    with pytest.raises(RunError, match=words):
        run.wait()
    assert set(catalog.to_xarray(run.id).status.values) == {"pending"}


def test_a_model_that_engines_cannot_load_is_sent_to_them(
    catalog: Catalog, model: Model, small_protocol: Protocol, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if it lay in a folder of another machine."""
    bundle = model.save_bundle(tmp_path / "bundle")
    mine = tk.load_model(bundle)
    shutil.rmtree(bundle)
    monkeypatch.setenv("SEGSCAPE_CACHE", str(tmp_path / "cache"))
    with Cluster.start("local", n=2) as cluster:
        run = tk.segment(catalog, mine, small_protocol, cluster=cluster)
        run.wait(PATIENCE)
    assert (run.progress.done, run.progress.failed) == (10, 0)
    assert [path.name for path in (tmp_path / "cache" / "models").iterdir()] == [mine.digest]


@pytest.mark.parametrize("labels_by", ["driver", "engines"])
def test_label_maps_are_the_same_whoever_writes_them(
    cluster: Cluster, catalog: Catalog, model: Model, small_protocol: Protocol, labels_by: Any, tmp_path: Path
) -> None:
    alone = Catalog.create(tmp_path / "alone.zarr", list(catalog.images().uri.values), block_size=4)
    tk.segment(alone, model, small_protocol).wait()
    run = tk.segment(catalog, model, small_protocol, cluster=cluster, labels_by=labels_by, flush_seconds=0.2)
    run.wait(PATIENCE)
    for row in range(10):
        np.testing.assert_array_equal(catalog.labels(run.id, row), alone.labels(None, row))
    assert catalog.verify() == []


def test_what_is_no_way_of_writing_label_maps_is_refused(
    cluster: Cluster, catalog: Catalog, model: Model, small_protocol: Protocol
) -> None:
    with pytest.raises(ValueError, match=r"labels_by must be one of 'auto', 'engines', 'driver', not 'me'"):
        tk.segment(catalog, model, small_protocol, cluster=cluster, labels_by="me")  # type: ignore[arg-type]


def test_a_model_built_by_hand_is_refused(
    cluster: Cluster, catalog: Catalog, model: Model, small_protocol: Protocol
) -> None:
    with pytest.raises(ValueError, match="was built by hand, so engines cannot load it; save it as a bundle"):
        tk.segment(catalog, replace(model, source=""), small_protocol, cluster=cluster)
    assert catalog.runs().empty


def test_a_cluster_that_was_stopped_is_refused(catalog: Catalog, model: Model, small_protocol: Protocol) -> None:
    stopped = Cluster.__new__(Cluster)
    stopped._stopped = True
    with pytest.raises(RuntimeError, match=r"no engines|was stopped"):
        tk.segment(catalog, model, small_protocol, cluster=stopped)
    assert catalog.runs().empty


def test_a_catalog_that_engines_cannot_reach_is_refused(
    cluster: Cluster, small_photos: list[Path], model: Model, small_protocol: Protocol
) -> None:
    catalog = Catalog.create(MemoryStore(), small_photos)
    with pytest.raises(ValueError, match="memory"):
        tk.segment(catalog, model, small_protocol, cluster=cluster).wait()
    assert catalog.runs().empty
