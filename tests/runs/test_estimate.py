"""What a dry run says, against a run; and that it leaves no trace."""

import math
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from zarr.storage import MemoryStore

import toolkit as tk
from toolkit import Catalog, Estimate, Model, Protocol
from toolkit.catalog.store.objects import get, keys
from toolkit.segmentation import Segmenter


class TestArithmetic:
    def test_pixels_and_tiles_of_images_of_one_size_are_exact(
        self, catalog: Catalog, model: Model, small_protocol: Protocol
    ) -> None:
        found = tk.estimate(catalog, model, small_protocol, sample=2)
        assert (found.images, found.pending, found.sampled, found.failures) == (10, 10, 2, ())
        assert found.megapixels == pytest.approx(10 * 96 * 64 / 1e6)
        assert found.tiles == 10
        assert (found.model, found.device) == (model.name, "cpu")

    def test_tiles_are_those_that_the_network_sees(self, catalog: Catalog, model: Model) -> None:
        protocol = Protocol(scales=(0.5, 1.0), crop_size=65, flip=True)
        tiles = len(tk.plan(64, 96, protocol, rules=model.rules))
        assert tk.estimate(catalog, model, protocol, sample=1).tiles == 10 * 2 * tiles

    def test_the_hours_are_those_of_the_sample_times_the_images(
        self, catalog: Catalog, model: Model, small_protocol: Protocol
    ) -> None:
        found = tk.estimate(catalog, model, small_protocol, sample=4)
        seconds = np.array(found.seconds)
        error = seconds.std(ddof=1) / np.sqrt(4)
        assert found.seconds_per_image == pytest.approx(seconds.mean())
        assert found.hours == pytest.approx(10 * seconds.mean() / 3600)
        low, high = max(seconds.mean() - 2 * error, 0), seconds.mean() + 2 * error
        assert found.hours_interval == pytest.approx((10 * low / 3600, 10 * high / 3600))

    def test_the_seconds_are_those_of_the_network_without_its_first_call(
        self, catalog: Catalog, model: Model, small_protocol: Protocol, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now, calls = [0.0], [0]
        add = Segmenter.add

        def slow(self: Segmenter, pixels: np.ndarray) -> object:
            calls[0] += 1
            now[0] += 7.0 if calls[0] == 1 else 1.0
            return add(self, pixels)

        monkeypatch.setattr(Segmenter, "add", slow)
        monkeypatch.setattr(time, "perf_counter", lambda: now[0])
        found = tk.estimate(catalog, model, small_protocol, sample=2)
        assert calls == [3]
        assert found.seconds == (1.0, 1.0)
        assert found.hours == pytest.approx(10 / 3600)

    def test_one_image_has_no_interval(self, catalog: Catalog, model: Model, small_protocol: Protocol) -> None:
        found = tk.estimate(catalog, model, small_protocol, sample=1)
        assert all(map(math.isnan, found.hours_interval))
        assert "nan" not in str(found)

    def test_the_sample_is_random_and_can_be_drawn_again(
        self, tmp_path: Path, model: Model, small_protocol: Protocol
    ) -> None:
        for side in range(20, 50):
            Image.new("RGB", (side, side)).save(tmp_path / f"{side}.png")
        catalog = Catalog.create(MemoryStore(), tmp_path / "*.png")
        sizes = [tk.estimate(catalog, model, small_protocol, sample=1, seed=seed).megapixels for seed in (0, 1, 0)]
        assert sizes[0] == sizes[2] != sizes[1]


class TestAgainstARun:
    def test_label_maps_take_what_was_said(
        self, tmp_path: Path, model: Model, small_protocol: Protocol, small_photos: list[Path]
    ) -> None:
        catalog = Catalog.create(tmp_path / "demo.zarr", small_photos)
        found = tk.estimate(catalog, model, small_protocol, sample=10)
        run = tk.segment(catalog, model, small_protocol)
        run.wait()
        parts = [key for key in keys(catalog.store, f"runs/{run.id}") if "/labels/" in key and "/c/" in key]
        stored = sum(len(get(catalog.store, key) or b"") for key in parts)
        assert stored > 100  # not all are of class 0, which takes nothing
        # The run may have laid them into another number of arrays, each with its own index.
        assert found.bytes_labels == pytest.approx(stored, rel=0.5)
        per_image = 4 * model.n_classes + 4 + 1 + 1 + 8 + 4 + 4 + 4 + 8 + 1  # composition, confidence, …, status
        assert per_image < found.bytes_results / 10 < per_image + 100  # and the engine's name

    def test_what_is_done_is_not_pending(
        self, model: Model, small_protocol: Protocol, small_photos: list[Path]
    ) -> None:
        catalog = Catalog.create(MemoryStore(), small_photos[:2])
        tk.segment(catalog, model, small_protocol).wait()
        found = tk.estimate(catalog, model, small_protocol)
        assert (found.pending, found.sampled, found.hours, found.bytes_labels) == (0, 0, 0.0, 0)
        assert str(found) == f"nothing is pending: {model.name} at scale 1 has been through all 2 images"
        assert tk.estimate(catalog, model, replace(small_protocol, flip=True), sample=1).pending == 2

    def test_only_pending_images_are_drawn(
        self, tmp_path: Path, model: Model, small_protocol: Protocol, small_photos: list[Path]
    ) -> None:
        catalog = Catalog.create(tmp_path / "demo.zarr", small_photos[:2])
        tk.segment(catalog, model, small_protocol).wait()
        Image.new("RGB", (30, 20)).save(tmp_path / "new.png")
        catalog.add([tmp_path / "new.png"])
        found = tk.estimate(catalog, model, small_protocol)
        assert (found.images, found.pending, found.sampled) == (3, 1, 1)
        assert found.megapixels == pytest.approx(600 / 1e6)

    def test_nothing_is_written(self, catalog: Catalog, model: Model, small_protocol: Protocol) -> None:
        before = keys(catalog.store, "")
        tk.estimate(catalog, model, small_protocol, sample=1)
        assert keys(catalog.store, "") == before
        assert catalog.runs().empty

    def test_label_maps_can_be_left_out(self, catalog: Catalog, model: Model, small_protocol: Protocol) -> None:
        found = tk.estimate(catalog, model, small_protocol, sample=1, labels=False)
        assert found.bytes_labels == 0
        assert "label maps are not kept" in str(found)


class TestFailures:
    def test_they_are_counted_and_said(
        self, tmp_path: Path, model: Model, small_protocol: Protocol, small_photos: list[Path]
    ) -> None:
        (tmp_path / "text.jpg").write_text("no picture", encoding="utf-8")
        catalog = Catalog.create(MemoryStore(), [tmp_path / "gone.jpg", tmp_path / "text.jpg", *small_photos[:2]])
        found = tk.estimate(catalog, model, small_protocol, sample=4)
        assert found.sampled == 4
        assert [message[-20:].split("[")[1] for message in found.failures] == ["missing]", "not_an_image]"]
        assert found.megapixels == pytest.approx(4 * 96 * 64 / 1e6)
        assert "measured with 2 images of 4 that were drawn" in str(found)
        assert "gone.jpg" in str(found)

    def test_an_image_that_takes_too_much_memory_is_one(
        self, catalog: Catalog, model: Model, small_protocol: Protocol, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        add = Segmenter.add
        calls = []

        def short_of_memory(self: Segmenter, pixels: np.ndarray) -> object:
            calls.append(pixels.shape)
            if len(calls) == 1:
                raise MemoryError("64 × 96 pixels take 1000 GiB")
            return add(self, pixels)

        monkeypatch.setattr(Segmenter, "add", short_of_memory)
        found = tk.estimate(catalog, model, small_protocol, sample=2)
        assert len(found.seconds) == 1
        assert "take 1000 GiB" in found.failures[0]

    def test_if_all_fail_nothing_is_said(self, model: Model, small_protocol: Protocol) -> None:
        catalog = Catalog.create(MemoryStore(), ["/nowhere/0.jpg", "/nowhere/1.jpg"])
        with pytest.raises(ValueError, match=r"none of the 2 sampled images could be segmented.*nowhere/0.jpg"):
            tk.estimate(catalog, model, small_protocol)

    def test_an_error_of_the_network_is_an_error(
        self, catalog: Catalog, model: Model, small_protocol: Protocol, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(self: Segmenter, pixels: np.ndarray) -> None:
            raise RuntimeError("the network is broken")

        monkeypatch.setattr(Segmenter, "add", broken)
        with pytest.raises(RuntimeError, match="the network is broken"):
            tk.estimate(catalog, model, small_protocol)

    @pytest.mark.parametrize("sample", [0, -1, 1.5, True])
    def test_a_sample_is_at_least_one_image(self, catalog: Catalog, model: Model, sample: int) -> None:
        with pytest.raises(ValueError, match="sample must be a whole number of at least 1"):
            tk.estimate(catalog, model, sample=sample)

    def test_a_path_is_no_catalog(self, model: Model) -> None:
        with pytest.raises(TypeError, match=r"Catalog\.open"):
            tk.estimate("demo.zarr", model)  # type: ignore[arg-type]


def test_it_speaks_plainly() -> None:
    found = Estimate(
        model="a model",
        protocol="at scale 1",
        device="NVIDIA H100",
        images=200_000,
        pending=150_000,
        sampled=5,
        failures=("/a.jpg: there is no such file [missing]",),
        megapixels=300_000.0,
        tiles=1_200_000,
        seconds_per_image=0.25,
        hours=150_000 * 0.25 / 3600,
        hours_interval=(9.0, 12.0),
        bytes_results=99_000_000,
        bytes_labels=4_000_000_000,
    )
    assert str(found).splitlines() == [
        "150,000 of 200,000 images are pending for a model at scale 1",
        "they have about 300,000.0 megapixels, 1,200,000 tiles for the network",
        "on NVIDIA H100 an image takes 0.25 s, all take 10.4 h (9.0 h to 12.0 h)",
        "results take at most 99 MB, label maps about 4 GB",
        "measured with 4 images of 5 that were drawn",
        "1 image of the sample failed, counted as if like the others:",
        "  /a.jpg: there is no such file [missing]",
    ]
