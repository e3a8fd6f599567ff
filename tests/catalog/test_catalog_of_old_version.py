"""A catalog that version 0.1.0 wrote opens as it was, and its runs go on.

``assets/catalog-0.1.0.tar.xz`` holds six images in two tables with covariates (the third is no picture), a run that
finished with label maps, one that was cancelled after its first block, and what version 0.1.0 showed of both.
"""

import json
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import zarr

import toolkit as tk
from toolkit.testing.small_run import PROTOCOL, small_model

ASSET = Path(__file__).parents[1] / "assets" / "catalog-0.1.0.tar.xz"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The catalog and its images; the URIs are paths, which are made those of here."""
    with tarfile.open(ASSET) as archive:
        archive.extractall(tmp_path, filter="data")
    for table in ("00000", "00001"):
        uris = zarr.open_array(tmp_path / "old.zarr" / "images" / table / "uri", mode="r+")
        uris[:] = np.array([str(tmp_path / "photos" / Path(uri).name) for uri in np.asarray(uris[:])], dtype=object)
    return tmp_path


@pytest.fixture
def catalog(folder: Path) -> tk.Catalog:
    return tk.Catalog.open(folder / "old.zarr")


@pytest.fixture
def expected(folder: Path) -> dict[str, Any]:
    """What version 0.1.0 showed."""
    return dict(json.loads((folder / "expected.json").read_text()))


def shown(table: xr.Dataset) -> dict[str, list[Any]]:
    """What a table holds of each image, as JSON has it."""
    columns = {name: column.values for name, column in table.variables.items() if column.dims[:1] == ("image",)}
    assert columns.pop("given_uri").tolist() == [Path(uri).name for uri in columns["uri"]]
    columns["uri"] = np.array([Path(uri).name for uri in columns["uri"]])
    return {
        str(name): (values.astype(str) if values.dtype.kind == "M" else values).tolist()
        for name, values in columns.items()
    }


def test_it_shows_what_it_showed(catalog: tk.Catalog, expected: dict[str, Any]) -> None:
    assert catalog.runs().index.tolist() == [expected["finished"], expected["half"]]
    for run_id, table in expected["tables"].items():
        for lazy in (False, True):
            found = shown(catalog.to_xarray(run_id, lazy=lazy).compute())
            np.testing.assert_equal({name: found[name] for name in table}, table)
            assert set(found) - set(table) == {"valid_fraction", "blank", "duplicate_of", "near_duplicate_of"}
            assert not any(found["blank"])
            assert set(found["duplicate_of"]) == set(found["near_duplicate_of"]) == {-1}  # nobody looked
            assert np.isnan(found["valid_fraction"]).all()
        errors = catalog.errors(run_id)
        assert errors[["error", "attempts"]].reset_index().values.tolist() == expected["errors"][run_id]
        assert all("2.png" in message for message in errors.message)
        assert catalog.sessions(run_id).index.tolist() == expected["sessions"][run_id]
    for image, labels in expected["labels"].items():
        np.testing.assert_array_equal(catalog.labels(expected["finished"], int(image)), labels)


def test_nothing_is_wrong_in_it(catalog: tk.Catalog) -> None:
    assert catalog.verify(labels=True) == []


def test_a_run_goes_on_in_it(catalog: tk.Catalog, expected: dict[str, Any]) -> None:
    before = catalog.to_xarray(expected["half"])
    events: list[Any] = []
    protocol = replace(PROTOCOL, flip=True)
    run = tk.segment(catalog, small_model(), protocol, labels=False, observers=[events.append])
    run.wait()
    assert run.id == expected["half"]
    assert events[0].todo == 4
    after = catalog.to_xarray(run.id)
    assert after.status.values.tolist() == ["done", "done", "failed", "done", "done", "done"]
    xr.testing.assert_identical(after.isel(image=[0, 1]), before.isel(image=[0, 1]))
    assert catalog.verify(labels=True) == []


def test_what_was_finished_stays_so_and_more_images_may_come(
    catalog: tk.Catalog, expected: dict[str, Any], folder: Path
) -> None:
    before = catalog.to_xarray(expected["finished"])
    run = tk.segment(catalog, small_model(), PROTOCOL)
    run.wait()
    assert run.id == expected["finished"]
    assert run.progress.processed == 0
    xr.testing.assert_identical(catalog.to_xarray(run.id), before)
    (folder / "photos" / "6.png").write_bytes((folder / "photos" / "0.png").read_bytes())
    assert catalog.add(folder / "photos") == 1
    tk.segment(catalog, small_model(), PROTOCOL).wait()
    table = catalog.to_xarray(run.id)
    assert table.status.values[6] == "done"
    np.testing.assert_array_equal(table.composition[6], table.composition[0])
