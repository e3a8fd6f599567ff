"""What a dry run says, against a run; and that it leaves no trace."""

import threading
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from zarr.storage import MemoryStore

import toolkit as tk
from toolkit import Catalog, Estimate, Model, Protocol
from toolkit.catalog.store.objects import get, keys
from toolkit.engines.environment import usable_cores
from toolkit.runs.sampling import read_in_time
from toolkit.segmentation import Segmenter
from toolkit.sources import ReadLimits


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
        assert len(found.seconds) == 4
        assert found.seconds_per_image == pytest.approx(np.mean(found.seconds))
        assert found.hours == pytest.approx(10 * np.mean(found.seconds) / 3600)
        low, high = found.hours_interval
        assert 0 < low < found.hours < high

    def test_one_image_has_a_wider_interval(self, catalog: Catalog, model: Model, small_protocol: Protocol) -> None:
        found = tk.estimate(catalog, model, small_protocol, sample=1)
        assert found.hours_interval[0] < 0.6 * found.hours
        assert "nan" not in str(found)

    def test_the_sample_is_random_and_can_be_drawn_again(
        self, tmp_path: Path, model: Model, small_protocol: Protocol
    ) -> None:
        for side in range(20, 50):
            Image.new("RGB", (side, side)).save(tmp_path / f"{side}.png")
        catalog = Catalog.create(MemoryStore(), tmp_path / "*.png")
        sizes = [tk.estimate(catalog, model, small_protocol, sample=1, seed=seed).megapixels for seed in (0, 1, 0)]
        assert sizes[0] == sizes[2] != sizes[1]


class Ticking(nn.Module):
    """A network whose calls take as long as one says, by a clock that nothing else moves."""

    def __init__(self, network: nn.Module, seconds_per_crop: float, first: float = 0.0) -> None:
        super().__init__()
        self.network, self.seconds_per_crop, self.first, self.now = network, seconds_per_crop, first, 0.0

    def forward(self, crops: torch.Tensor) -> torch.Tensor:
        self.now += self.seconds_per_crop * len(crops) + self.first
        self.first = 0.0
        logits: torch.Tensor = self.network(crops)
        return logits


class TestTime:
    def of(
        self, model: Model, side: int, seconds_per_crop: float, first: float = 0.0, n: int = 3, **options: object
    ) -> tuple[Estimate, float, Protocol]:
        """An estimate for square images, and how long it took, by the network's clock."""
        network = Ticking(model.network, seconds_per_crop, first).eval()
        protocol = Protocol(scales=(0.5, 1.0), crop_size=65, flip=True)
        with TemporaryDirectory() as folder:
            for number in range(n):
                Image.new("RGB", (side, side)).save(f"{folder}/{number}.png")
            catalog = Catalog.create(MemoryStore(), folder)
            found = tk.estimate(
                catalog,
                replace(model, network=network),
                protocol,
                clock=lambda: network.now,
                **options,  # type: ignore[arg-type]
            )
        return found, network.now, protocol

    def test_of_large_images_follows_from_their_tiles(self, model: Model) -> None:
        found, taken, protocol = self.of(model, 640, 0.5)
        crops = 2 * len(tk.plan(640, 640, protocol, rules=model.rules))
        assert found.whole == 0
        assert found.seconds == pytest.approx([0.5 * crops] * 3)
        assert found.hours == pytest.approx(3 * 0.5 * crops / 3600)
        assert taken <= 30

    @pytest.mark.parametrize("seconds", [5.0, 30.0])
    @pytest.mark.parametrize("seconds_per_crop", [0.001, 0.1, 2.0])
    def test_is_hardly_exceeded_by_finding_out(self, model: Model, seconds: float, seconds_per_crop: float) -> None:
        _, taken, _ = self.of(model, 200, seconds_per_crop, seconds=seconds)
        assert taken <= seconds + 3 * seconds_per_crop

    def test_of_small_images_is_that_of_whole_ones(self, model: Model) -> None:
        found, _, protocol = self.of(model, 65, 0.1)
        assert found.whole == 3
        # The first call of a network finds out how large its logits are.
        assert found.seconds[1:] == pytest.approx([0.1 * 2 * len(tk.plan(65, 65, protocol, rules=model.rules))] * 2)

    def test_of_the_first_call_is_not_counted(self, model: Model) -> None:
        assert self.of(model, 640, 0.5, first=20.0)[0].hours == pytest.approx(self.of(model, 640, 0.5)[0].hours)

    def test_is_less_with_as_many_engines_as_there_are_cores_and_no_less_with_more(self, model: Model) -> None:
        cores = usable_cores()
        found, _, _ = self.of(model, 65, 0.1, n=2 * cores, engines=cores)
        many, _, _ = self.of(model, 65, 0.1, n=2 * cores, engines=4 * cores)
        assert (found.at_once, many.at_once) == (cores, cores)
        assert (found.threads, many.threads) == (1, 1)
        assert f"{4 * cores} engines share {cores} core" in str(many)
        assert found.hours == pytest.approx(2 * cores * found.seconds_per_image / cores / 3600)

    def test_of_one_image_is_the_same_with_two_engines(self, model: Model) -> None:
        assert self.of(model, 65, 0.1, n=1, engines=2)[0].at_once == 1

    def test_leaves_the_threads_of_this_process_as_they_were(self, model: Model) -> None:
        before = torch.get_num_threads()
        self.of(model, 65, 0.1, engines=64)
        assert torch.get_num_threads() == before


class TestReadingInTime:
    def test_a_server_that_does_not_answer_is_not_waited_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        never = threading.Event()

        def read(uri: str, limits: ReadLimits) -> np.ndarray:
            if uri == "slow":
                never.wait(60)
            return np.zeros((2, 3, 3), np.uint8)

        monkeypatch.setattr("toolkit.runs.sampling.read_image", read)
        begin = time.perf_counter()
        found = list(read_in_time(["a", "slow", "b"], ReadLimits(), begin + 0.3))
        never.set()
        assert [(one.uri, one.size) for one in found] == [("a", (2, 3))]

    def test_if_none_comes_that_is_said(self, model: Model, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        never = threading.Event()
        monkeypatch.setattr("toolkit.runs.sampling.read_image", lambda *_: np.zeros((2, never.wait(60) + 1, 3)))
        Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
        catalog = Catalog.create(MemoryStore(), tmp_path)
        with pytest.raises(ValueError, match=r"none of the 1 sampled images could be read within 1 s.*seconds=1"):
            tk.estimate(catalog, model, seconds=1)
        never.set()


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

    @pytest.mark.parametrize("option", ["soft_composition", "limits"])
    def test_what_a_run_of_the_same_options_has_done_is_not_pending(
        self, model: Model, small_protocol: Protocol, small_photos: list[Path], option: str
    ) -> None:
        options = {"soft_composition": True} if option == "soft_composition" else {"limits": ReadLimits(max_pixels=10)}
        catalog = Catalog.create(MemoryStore(), small_photos[:2])
        tk.segment(catalog, model, small_protocol, **options).wait()  # type: ignore[arg-type]
        pending = tk.estimate(catalog, model, small_protocol, **options).pending  # type: ignore[arg-type]
        failed = int((catalog.to_xarray().status == "failed").sum())
        assert (pending, failed) == (0, 2 if option == "limits" else 0)

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
        assert "on 2 images" in str(found)
        assert "gone.jpg" in str(found)

    def test_an_image_that_takes_too_much_memory_is_one(
        self, catalog: Catalog, model: Model, small_protocol: Protocol, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        add = Segmenter.add
        calls = []

        def short_of_memory(self: Segmenter, pixels: np.ndarray) -> object:
            calls.append(pixels.shape)
            if len(calls) == 2:  # the first is for merging
                raise MemoryError("64 × 96 pixels take 1000 GiB")
            return add(self, pixels)

        monkeypatch.setattr(Segmenter, "add", short_of_memory)
        found = tk.estimate(catalog, model, small_protocol, sample=2)
        assert found.whole == 1
        assert "take 1000 GiB" in found.failures[0]

    def test_if_all_fail_nothing_is_said(self, model: Model, small_protocol: Protocol) -> None:
        catalog = Catalog.create(MemoryStore(), ["/nowhere/0.jpg", "/nowhere/1.jpg"])
        with pytest.raises(ValueError, match=r"none of the 2 sampled images could be read.*nowhere/[01].jpg"):
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
        engines=2,
        at_once=2,
        whole=3,
        seconds_taken=28.7,
    )
    assert str(found).splitlines() == [
        "150,000 of 200,000 images are pending for a model at scale 1",
        "they have 300,000 megapixels, 1,200,000 tiles for the network",
        "time: 9 to 12 hours with 2 engines on NVIDIA H100, 0.25 s each an image",
        "disk: results at most 99 MB, label maps about 4.0 GB",
        "measured in 29 s on 4 images, 3 of them segmented as a whole",
        "1 image of the sample failed, counted as if like the others:",
        "  /a.jpg: there is no such file [missing]",
    ]
