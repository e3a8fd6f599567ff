"""Runs: what makes two of them the same, how they are listed, and how several stand side by side."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from claiming import claim_next

import toolkit as tk
from toolkit.catalog import Catalog, Owner, RunSettings
from toolkit.catalog.format.results import RunResults

Note = Callable[..., None]


class TestIdentity:
    @pytest.mark.parametrize(
        "change",
        [
            {"model_digest": "1" * 64},
            {"class_names": ("sky", "road", "tree")},
            {"class_names": ("sky", "tree", "road", "car")},
            {"protocol": {"scales": [0.5], "flip": True}},
            {"protocol": {"scales": [0.5, 1.0], "flip": False}},
            {"numerics_version": 2},
        ],
        ids=lambda change: next(iter(change)),
    )
    def test_what_changes_results_changes_it(self, settings: RunSettings, change: dict[str, object]) -> None:
        assert replace(settings, **change).run_id != settings.run_id  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        "change", [{"model": "another name"}, {"palette": ()}], ids=lambda change: next(iter(change))
    )
    def test_what_does_not_does_not(self, settings: RunSettings, change: dict[str, object]) -> None:
        assert replace(settings, **change).run_id == settings.run_id  # type: ignore[arg-type]

    def test_the_order_of_settings_does_not_matter(self, settings: RunSettings) -> None:
        turned = dict(reversed(list(settings.protocol.items())))
        assert replace(settings, protocol=turned).run_id == settings.run_id

    def test_it_is_16_hexadecimal_digits(self, settings: RunSettings) -> None:
        assert len(settings.run_id) == 16
        int(settings.run_id, 16)

    def test_every_field_of_a_protocol_counts(self, settings: RunSettings) -> None:
        protocols = [
            tk.Protocol(),
            tk.Protocol(scales=(1.0, 0.5)),
            tk.Protocol(scales=(0.5, 1.0)),
            tk.Protocol(scale_base="long", base_size=513),
            tk.Protocol(scale_base="short", base_size=513),
            tk.Protocol(mode="whole"),
            tk.Protocol(crop_size=474),
            tk.Protocol(stride=100),
            tk.Protocol(padding="center"),
            tk.Protocol(pad_value="zero"),
            tk.Protocol(flip=True),
            tk.Protocol(merge="logits"),
            tk.Protocol(blend="gaussian"),
            tk.Protocol(resize="pil"),
        ]
        ids = {replace(settings, protocol=protocol.to_dict()).run_id for protocol in protocols}
        assert len(ids) == len(protocols)


class TestListing:
    def test_the_same_settings_are_one_run(self, catalog: Catalog, settings: RunSettings) -> None:
        assert catalog.start_run(settings) == catalog.start_run(replace(settings, model="renamed")) == settings.run_id
        assert catalog.runs().index.tolist() == [settings.run_id]

    def test_settings_counts_and_times(
        self, catalog: Catalog, settings: RunSettings, run_id: str, note_done: Note, note_failed: Note
    ) -> None:
        owned = claim_next(catalog, run_id, catalog.image_tables()[0], 0, Owner())
        note_done(owned, 0, started=1_700_000_000_000, seconds=1.0)
        note_done(owned, 1, started=1_700_000_010_000, seconds=2.0)
        note_failed(owned, 2, started=1_700_000_005_000)
        owned.writer.flush()
        row = catalog.runs().loc[run_id]
        assert (row.images, row.done, row.failed, row.pending) == (10, 2, 1, 7)
        assert row.model == "a model"
        assert row.model_digest == settings.model_digest
        assert (row.scales, row.flip) == ("0.5, 1", True)
        assert row.first_write == pd.Timestamp("2023-11-14T22:13:20")
        assert row.last_write == pd.Timestamp("2023-11-14T22:13:32")
        assert abs(row.created - pd.Timestamp.now("UTC").tz_localize(None)) < timedelta(minutes=10)
        assert {"user", "host", "python", "torch", "zarr"} <= set(row.index)

    def test_what_tells_them_apart_is_found_without_reading_results(
        self, catalog: Catalog, settings: RunSettings, run_id: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        start_later(catalog, replace(settings, options={"precision": "bfloat16"}))
        monkeypatch.setattr(RunResults, "read", None)
        assert catalog.settings_that_differ() == ["precision"]

    def test_a_run_without_results_has_no_times(self, catalog: Catalog, run_id: str) -> None:
        row = catalog.runs().loc[run_id]
        assert row.pending == 10
        assert row.first_write is pd.NaT
        assert row.last_write is pd.NaT

    def test_the_newest_run_is_the_default(self, catalog: Catalog, settings: RunSettings, run_id: str) -> None:
        newest = start_later(catalog, replace(settings, numerics_version=2))
        assert catalog.runs().index.tolist() == [run_id, newest]
        assert catalog.to_xarray().attrs["run_id"] == newest
        assert catalog.to_xarray(run_id).attrs["run_id"] == run_id


class TestSideBySide:
    def test_two_runs_of_the_same_classes(
        self, catalog: Catalog, settings: RunSettings, run_id: str, note_done: Note
    ) -> None:
        other = start_later(catalog, replace(settings, numerics_version=2))
        for run, class_index in ((run_id, 0), (other, 2)):
            owned = claim_next(catalog, run, catalog.image_tables()[0], 0, Owner())
            note_done(owned, 1, class_index)
            owned.writer.flush()
        table = catalog.to_xarray([other, run_id])
        assert table.run.values.tolist() == [other, run_id]
        assert dict(table.sizes) == {"run": 2, "image": 10, "class_name": 3}
        for run in (run_id, other):
            alone = catalog.to_xarray(run)
            xr.testing.assert_equal(table.sel(run=run).drop_vars("run"), alone)
        assert table.uri.dims == ("image",)

    def test_two_runs_of_different_classes(
        self, catalog: Catalog, settings: RunSettings, run_id: str, note_done: Note
    ) -> None:
        other = start_later(catalog, replace(settings, class_names=("tree", "car", "sky")))
        for run, class_index in ((run_id, 1), (other, 0)):
            owned = claim_next(catalog, run, catalog.image_tables()[0], 0, Owner())
            note_done(owned, 3, class_index)
            owned.writer.flush()
        table = catalog.to_xarray([run_id, other])
        assert set(table.class_name.values) == {"sky", "tree", "road", "car"}
        assert table.composition.sel(image=3, class_name="tree").values.tolist() == [1.0, 1.0]
        assert np.isnan(table.composition.sel(image=3, run=other, class_name="road"))
        assert np.isnan(table.composition.sel(image=3, run=run_id, class_name="car"))
        assert table.status.sel(image=3).values.tolist() == ["done", "done"]
        assert table.attempts.dtype == np.uint8

    def test_covariates_belong_to_images_not_to_runs(
        self, catalog: Catalog, settings: RunSettings, run_id: str
    ) -> None:
        catalog.add(["/new.jpg"], pd.DataFrame({"lat": [1.0]}, index=["/new.jpg"]))
        other = start_later(catalog, replace(settings, numerics_version=2))
        table = catalog.to_xarray([run_id, other])
        assert table.lat.dims == ("image",)


def start_later(catalog: Catalog, settings: RunSettings) -> str:
    """Start a run in a later millisecond than all before it."""
    newest = catalog.runs().created.max()
    while pd.Timestamp.now("UTC").tz_localize(None) <= newest + timedelta(milliseconds=1):
        pass
    return catalog.start_run(settings)
