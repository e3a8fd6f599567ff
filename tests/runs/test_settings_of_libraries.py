"""What other code of the process sets in zarr, xarray, pandas, dask and Python changes no catalog and no result."""

import json
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import dask
import numpy as np
import pandas as pd
import pytest
import xarray as xr
import zarr

import toolkit as tk
from toolkit import Catalog, Model, Protocol

TABLE = """uri,place,taken,number
photos/{0},a,2020-01-01,1
photos/{1},b,2020-01-02,2
"""


def written(folder: Path) -> dict[str, Any]:
    """What is written of each array and group, whose random names are left out."""
    found = {}
    for path in sorted(folder.rglob("zarr.json")):
        document = json.loads(path.read_text())
        kept = {key: document[key] for key in ("zarr_format", "codecs", "data_type", "shape") if key in document}
        found[re.sub("[0-9a-f]{8,}", "…", str(path.relative_to(folder)))] = kept
    return found


def results(folder: Path, model: Model, protocol: Protocol, photos: list[Path]) -> dict[str, Any]:
    """All that comes of a table of two photos."""
    (folder / "photos").mkdir(parents=True)
    for photo in photos[:2]:
        (folder / "photos" / photo.name).write_bytes(photo.read_bytes())
    (folder / "table.csv").write_text(TABLE.format(*(photo.name for photo in photos)))
    catalog = Catalog.create(folder / "demo.zarr", folder / "table.csv")
    run = tk.segment(catalog, model, protocol)
    run.wait()
    table = Catalog.open(folder / "demo.zarr").to_xarray(run.id).load()
    catalog.publish(run.id, folder / "published.zarr")
    columns = ("composition", "status", "place", "taken", "number", "class_name", "height")
    return {
        "run": run.id,
        "written": written(folder / "demo.zarr"),
        "published": written(folder / "published.zarr"),
        "labels": catalog.labels(run.id, 0).tolist(),
        **{name: (str(table[name].dtype), table[name].values.tolist()) for name in columns},
    }


@pytest.fixture(scope="module")
def usual(
    tmp_path_factory: pytest.TempPathFactory, model: Model, small_protocol: Protocol, small_photos: list[Path]
) -> dict[str, Any]:
    return results(tmp_path_factory.mktemp("usual"), model, small_protocol, small_photos)


@contextmanager
def file_mode(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@contextmanager
def warnings_as_errors() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@contextmanager
def recursion(limit: int) -> Iterator[None]:
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(limit)
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


SETTINGS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "zarr's format 2": lambda: zarr.config.set({"default_zarr_format": 2}),
    "zarr's order": lambda: zarr.config.set({"array.order": "F"}),
    "zarr's empty chunks": lambda: zarr.config.set({"array.write_empty_chunks": True}),
    "zarr one at a time": lambda: zarr.config.set({"async.concurrency": 1, "threading.max_workers": 1}),
    "xarray drops attributes": lambda: xr.set_options(keep_attrs=False),
    "xarray joins exactly": lambda: xr.set_options(arithmetic_join="exact"),
    "xarray's new defaults": lambda: xr.set_options(use_new_combine_kwarg_defaults=True),
    "pandas' strings in Python": lambda: pd.option_context("mode.string_storage", "python"),
    "pandas shows little": lambda: pd.option_context("display.precision", 1, "display.max_rows", 1),
    "dask in this thread": lambda: dask.config.set(scheduler="synchronous"),  # type: ignore[no-untyped-call]
    "numpy raises": lambda: np.errstate(all="raise"),
    "numpy prints as it did": lambda: np.printoptions(precision=1, threshold=1, legacy="1.13"),
    "files for the owner alone": lambda: file_mode(0o077),
    "warnings are errors": warnings_as_errors,
    "shallow recursion": lambda: recursion(450),
}


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_setting_changes_nothing(
    setting: str,
    usual: dict[str, Any],
    tmp_path: Path,
    model: Model,
    small_protocol: Protocol,
    small_photos: list[Path],
) -> None:
    with SETTINGS[setting]():
        found = results(tmp_path, model, small_protocol, small_photos)
    assert found == usual


def test_another_working_directory_changes_nothing(
    tmp_path: Path, model: Model, small_protocol: Protocol, small_photos: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("photos", "elsewhere"):
        (tmp_path / name).mkdir()
    for photo in small_photos[:2]:
        (tmp_path / "photos" / photo.name).write_bytes(photo.read_bytes())
    monkeypatch.chdir(tmp_path)
    catalog = Catalog.create("demo.zarr", "photos")
    monkeypatch.chdir(tmp_path / "elsewhere")
    run = tk.segment(catalog, model, small_protocol)
    monkeypatch.chdir(tmp_path)
    run.wait()
    assert set(catalog.to_xarray(run.id).status.values) == {"done"}
    assert list((tmp_path / "elsewhere").iterdir()) == []
