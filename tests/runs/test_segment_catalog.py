"""A run from its start to its end, its resumption and its cancellation, in this process."""

import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from PIL import Image
from zarr.abc.buffer import Buffer
from zarr.storage import LocalStore, MemoryStore

import toolkit as tk
from toolkit import Catalog, Model, Protocol
from toolkit.catalog import LabelFolder
from toolkit.catalog.format.generations import GenerationArrays
from toolkit.catalog.format.records import read_record
from toolkit.runs import BatchEnded, Counted, Event, Flushed, Run, RunEnded, RunError, RunStarted
from toolkit.testing.waiting import PATIENCE, wait_until


class TestResults:
    def test_they_equal_those_of_each_image_alone(
        self, catalog: Catalog, model: Model, small_protocol: Protocol, small_photos: list[Path]
    ) -> None:
        run = tk.segment(catalog, model, small_protocol)
        run.wait()
        table = catalog.to_xarray(run.id)
        assert set(table.status.values) == {"done"}
        for row, photo in enumerate(small_photos):
            alone = tk.segment_image(photo, model, small_protocol)
            np.testing.assert_array_equal(catalog.labels(run.id, row), alone.labels)
            np.testing.assert_array_equal(table.composition.values[row], alone.composition.astype(np.float32))
        assert (table.composition.values > 0).sum(axis=1).max() > 1  # the photos are not all of one class
        assert table.class_name.values.tolist() == list(model.class_names)
        assert table.attempts.values.tolist() == [1] * 10
        assert (table.seconds > 0).all()
        assert set(zip(table.height.values.tolist(), table.width.values.tolist(), strict=True)) == {(64, 96)}

    def test_images_of_any_size_are_kept(
        self, tmp_path: Path, model: Model, small_protocol: Protocol, small_photos: list[Path]
    ) -> None:
        for number, size in enumerate([(1, 1), (97, 97), (3, 200), (120, 64)]):
            with Image.open(small_photos[0]) as image:
                image.resize(size).save(tmp_path / f"{number}.png")
        catalog = Catalog.create(tmp_path / "demo.zarr", tmp_path / "*.png")
        tk.segment(catalog, model, small_protocol).wait()
        assert [catalog.labels(None, row).shape for row in range(4)] == [(1, 1), (97, 97), (200, 3), (64, 120)]
        assert np.allclose(catalog.to_xarray().composition.sum("class_name"), 1)

    def test_a_model_can_be_given_by_its_name(self, catalog: Catalog, model: Model, small_protocol: Protocol) -> None:
        run = tk.segment(catalog, model.name, small_protocol)
        run.wait()
        assert catalog.runs().loc[run.id].model_digest == model.digest

    def test_the_protocol_is_recorded_so_that_it_can_be_used_again(
        self, catalog: Catalog, model: Model, small_protocol: Protocol
    ) -> None:
        run = tk.segment(catalog, model, small_protocol)
        run.wait()
        assert Protocol(**read_record(catalog.store, run.id).settings.protocol) == small_protocol
        assert catalog.runs().loc[run.id].crop_size == 97

    def test_a_catalog_may_lie_in_memory(
        self, model: Model, small_protocol: Protocol, small_photos: list[Path]
    ) -> None:
        catalog = Catalog.create(MemoryStore(), small_photos)
        run = tk.segment(catalog, model, small_protocol)
        run.wait()
        assert set(catalog.to_xarray(run.id).status.values) == {"done"}
        assert catalog.labels(run.id, 0).shape == (64, 96)

    def test_label_maps_can_be_left_out(self, catalog: Catalog, model: Model, small_protocol: Protocol) -> None:
        run = tk.segment(catalog, model, small_protocol, labels=False)
        run.wait()
        assert set(catalog.to_xarray(run.id).status.values) == {"done"}
        with pytest.raises(KeyError, match="labels=False"):
            catalog.labels(run.id, 0)

    def test_limits_are_kept(self, catalog: Catalog, model: Model, small_protocol: Protocol) -> None:
        run = tk.segment(catalog, model, small_protocol, limits=tk.ReadLimits(max_pixels=6000))
        run.wait()
        assert set(catalog.errors(run.id).error) == {"too_large"}

    def test_a_limit_that_is_raised_belongs_to_the_same_run_and_what_was_too_large_is_tried_again(
        self, catalog: Catalog, model: Model, small_protocol: Protocol
    ) -> None:
        narrow = tk.segment(catalog, model, small_protocol, limits=tk.ReadLimits(max_pixels=6000))
        narrow.wait()
        wide = tk.segment(catalog, model, small_protocol, limits=tk.ReadLimits(max_pixels=7000), retry="failed")
        wide.wait()
        assert wide.id == narrow.id
        assert set(catalog.to_xarray(wide.id).status.values) == {"done"}

    def test_two_runs_stand_side_by_side(self, catalog: Catalog, model: Model, small_protocol: Protocol) -> None:
        runs = [
            tk.segment(catalog, model, protocol) for protocol in (small_protocol, replace(small_protocol, flip=True))
        ]
        for run in runs:
            run.wait()
        table = catalog.to_xarray([run.id for run in runs])
        assert (table.status == "done").all()
        assert table.sizes["run"] == 2

    def test_results_reach_the_store_before_the_status_that_announces_them(
        self, tmp_path: Path, model: Model, small_protocol: Protocol, small_photos: list[Path]
    ) -> None:
        store = RecordingStore(tmp_path / "demo.zarr")
        catalog = Catalog.create(store, small_photos, block_size=4)
        tk.segment(catalog, model, small_protocol, flush_seconds=0.05).wait()
        chunks = [key.split("/00000/")[1] for key in store.written if "/00000/" in key and "/c/" in key]
        for block in range(3):
            of_block = [key for key in chunks if key.endswith((f"/composition/c/{block}/0", f"/status/c/{block}"))]
            fields = [key.split("/")[1] for key in of_block]
            assert fields == ["composition", "status"] * (len(fields) // 2)
            announced = max(position for position, key in enumerate(chunks) if key == f"0/status/c/{block}")
            maps = [position for position, key in enumerate(chunks) if f"/labels/{block}/" in key]
            assert max(maps, default=0) < announced


class RecordingStore(LocalStore):
    """Remembers the keys that were written, in order."""

    def __init__(self, root: Path | str, *, read_only: bool = False) -> None:
        super().__init__(root, read_only=read_only)
        self.written: list[str] = []

    async def set(self, key: str, value: Buffer) -> None:
        await super().set(key, value)
        self.written.append(key)


class TestResumption:
    def test_what_is_done_is_not_done_again_and_the_run_says_so(
        self, catalog: Catalog, model: Model, small_protocol: Protocol
    ) -> None:
        run = tk.segment(catalog, model, small_protocol)
        run.wait()
        before = catalog.to_xarray(run.id)
        again = tk.segment(catalog, model, small_protocol)
        again.wait()
        assert again.id == run.id
        assert (again.progress.processed, again.progress.done, again.progress.state) == (0, 10, "finished")
        assert "nothing was left to do: no image was segmented" in str(again)
        xr.testing.assert_identical(catalog.to_xarray(run.id), before)

    def test_new_images_are_all_that_is_done(
        self,
        catalog: Catalog,
        model: Model,
        small_protocol: Protocol,
        make_photos: Callable[..., list[Path]],
        tmp_path: Path,
    ) -> None:
        tk.segment(catalog, model, small_protocol).wait()
        before = catalog.to_xarray()
        catalog.add(make_photos(tmp_path / "more", 3))
        run = tk.segment(catalog, model, small_protocol)
        run.wait()
        assert (run.progress.processed, run.progress.total) == (3, 13)
        after = catalog.to_xarray()
        assert set(after.status.values) == {"done"}
        xr.testing.assert_identical(after.isel(image=slice(10)), before)

    def test_retry_without_failures_does_nothing(
        self, catalog: Catalog, model: Model, small_protocol: Protocol
    ) -> None:
        run = tk.segment(catalog, model, small_protocol, retry="failed")
        run.wait()
        assert run.progress.processed == 0
        assert set(catalog.to_xarray().status.values) == {"pending"}


class TestCancellation:
    def test_a_cancelled_run_is_finished_by_the_same_call(
        self, catalog: Catalog, model: Model, small_protocol: Protocol
    ) -> None:
        cancel = CancelAfter(3)
        run = tk.segment(catalog, model, small_protocol, observers=[cancel], flush_seconds=0.01)
        cancel.run.set_result(run)
        run.wait()
        assert run.progress.state == "cancelled"
        before = catalog.to_xarray(run.id)
        n_done = int((before.status == "done").sum())
        assert n_done == run.progress.done
        assert 3 <= n_done < 10
        assert n_done == cancel.done  # what was in progress is in the catalog

        again = tk.segment(catalog, model, small_protocol)
        again.wait()
        assert again.progress.processed == 10 - n_done
        after = catalog.to_xarray(run.id)
        assert set(after.status.values) == {"done"}
        assert after.attempts.values.tolist() == [1] * 10
        done = np.flatnonzero(before.status == "done")
        xr.testing.assert_identical(after.isel(image=done), before.isel(image=done))

    def test_cancelling_what_has_ended_changes_nothing(
        self, catalog: Catalog, model: Model, small_protocol: Protocol
    ) -> None:
        run = tk.segment(catalog, model, small_protocol)
        run.wait()
        run.cancel()
        run.wait()
        assert run.progress.state == "finished"


class TestPausing:
    def test_what_is_in_progress_is_finished_and_the_rest_waits(
        self, catalog: Catalog, model: Model, small_protocol: Protocol
    ) -> None:
        runs: Future[Run] = Future()
        pausing = threading.Event()

        def pause(event: Event) -> None:
            if isinstance(event, BatchEnded) and not pausing.is_set():
                runs.result(PATIENCE).pause()
                pausing.set()

        run = tk.segment(catalog, model, small_protocol, observers=[pause], flush_seconds=0.2)
        runs.set_result(run)
        assert pausing.wait(PATIENCE)
        wait_until(lambda: int((catalog.to_xarray(run.id).status == "done").sum()) == run.progress.done >= 2)
        assert run.progress.state == "paused"
        assert run.progress.done < 10
        run.resume()
        run.wait(PATIENCE)
        assert run.progress.state == "finished"
        assert (catalog.to_xarray(run.id).status == "done").all()


class CancelAfter:
    """An observer that cancels its run once so many images have ended."""

    def __init__(self, n: int) -> None:
        self.n = n
        self.done = 0
        self.run: Future[Run] = Future()

    def __call__(self, event: Event) -> None:
        if isinstance(event, BatchEnded):
            self.done += event.done
            if self.done >= self.n:
                self.run.result(PATIENCE).cancel()


class TestWaiting:
    def test_it_may_have_an_end(self, catalog: Catalog, model: Model, small_protocol: Protocol) -> None:
        hold = threading.Event()
        run = tk.segment(catalog, model, small_protocol, observers=[lambda event: hold.wait(PATIENCE)])
        with pytest.raises(TimeoutError, match=r"goes on after 0\.1 seconds"):
            run.wait(0.1)
        hold.set()
        run.wait(PATIENCE)
        assert run.progress.state == "finished"

    def test_an_interrupt_cancels_cleanly(self, catalog: Catalog, model: Model, small_protocol: Protocol) -> None:
        runs: Future[Run] = Future()

        def interrupt(event: Event) -> None:
            if isinstance(event, BatchEnded) and not runs.result(PATIENCE).cancelled.is_set():
                os.kill(os.getpid(), signal.SIGINT)
                runs.result().cancelled.wait(PATIENCE)

        # Whoever is started in the background, as some CI runners start tests, ignores the signal.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            run = tk.segment(catalog, model, small_protocol, observers=[interrupt])
            with pytest.raises(KeyboardInterrupt):
                wait_once_known(runs, run)
        finally:
            signal.signal(signal.SIGINT, before)
        assert run.progress.state == "cancelled"
        assert 0 < (catalog.to_xarray(run.id).status == "done").sum() == run.progress.done < 10


def wait_once_known(runs: "Future[Run]", run: Run) -> None:
    """Wait for a run, whose observer needs it."""
    runs.set_result(run)
    run.wait(PATIENCE)


class TestObservers:
    def test_they_get_the_events_in_order(
        self, catalog: Catalog, model: Model, small_protocol: Protocol, events: list[Event]
    ) -> None:
        run = tk.segment(catalog, model, small_protocol, observers=[events.append])
        run.wait()
        assert events[0] == RunStarted(run.id, total=10, done=0, failed=0, todo=10, n_engines=1)
        assert events[-1] == RunEnded("finished")
        assert events[-2] == Counted(total=10, done=10, failed=0, todo=0)
        assert isinstance(events[-3], Flushed)
        between = events[1:-2]
        assert {type(event) for event in between} == {BatchEnded, Flushed}
        assert sum(event.done for event in between if isinstance(event, BatchEnded)) == 10

    def test_a_flush_event_means_that_everything_before_is_in_the_catalog(
        self, catalog: Catalog, model: Model, small_protocol: Protocol
    ) -> None:
        ended, seen = [0], []

        def check(event: Event) -> None:
            if isinstance(event, BatchEnded):
                ended[0] += event.done
            if isinstance(event, Flushed):
                seen.append((ended[0], int((catalog.to_xarray().status == "done").sum())))

        tk.segment(catalog, model, small_protocol, observers=[check], flush_seconds=0.05).wait()
        assert len(seen) > 1
        assert all(before == in_catalog for before, in_catalog in seen)

    def test_one_that_raises_is_told_nothing_more_and_the_run_goes_on(
        self, catalog: Catalog, model: Model, small_protocol: Protocol, events: list[Event]
    ) -> None:
        calls = []

        def broken(event: Event) -> None:
            calls.append(event)
            raise RuntimeError("no more ink")

        with pytest.warns(UserWarning, match="no more ink"):
            tk.segment(catalog, model, small_protocol, observers=[broken, events.append]).wait()
        assert len(calls) == 1
        assert events[-1] == RunEnded("finished")
        assert set(catalog.to_xarray().status.values) == {"done"}


class TestFullDisk:
    """What cannot be written stops the run, and nothing unwritten counts as done."""

    @pytest.fixture
    def full(self) -> object:
        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        return full

    def test_label_maps(
        self, catalog: Catalog, model: Model, small_protocol: Protocol, full: object, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(LabelFolder, "write", full)
            run = tk.segment(catalog, model, small_protocol)
            with pytest.raises(RunError, match=r"(?s)stopped: .*No space left on device.*make the same call again"):
                run.wait()
        assert run.progress.state == "stopped"
        assert "No space left on device" in run.progress.reason
        assert set(catalog.to_xarray(run.id).status.values) == {"pending"}
        again = tk.segment(catalog, model, small_protocol)
        again.wait()
        assert set(catalog.to_xarray(run.id).status.values) == {"done"}

    def test_results(
        self, catalog: Catalog, model: Model, small_protocol: Protocol, full: object, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(GenerationArrays, "write", full)
            run = tk.segment(catalog, model, small_protocol)
            with pytest.raises(RunError, match="No space left on device"):
                run.wait()
        assert set(catalog.to_xarray(run.id).status.values) == {"pending"}

    def test_label_maps_of_later_images(
        self, catalog: Catalog, model: Model, small_protocol: Protocol, full: object, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write, calls = LabelFolder.write, []

        def filling(*arguments: object) -> object:
            calls.append(arguments)
            return write(*arguments) if len(calls) <= 2 else full()  # type: ignore[arg-type, operator]

        with monkeypatch.context() as patch:
            patch.setattr(LabelFolder, "write", filling)
            run = tk.segment(catalog, model, small_protocol)
            with pytest.raises(RunError, match="No space left on device"):
                run.wait()
        status = catalog.to_xarray(run.id).status.values
        done = np.flatnonzero(status == "done")
        assert 0 < done.size < 10  # what was finished stays
        for row in done:
            assert catalog.labels(run.id, int(row)).shape == (64, 96)


def test_confidence_is_kept_and_soft_composition_on_request(
    catalog: Catalog, model: Model, small_protocol: Protocol
) -> None:
    plain = tk.segment(catalog, model, small_protocol)
    plain.wait()
    soft = tk.segment(catalog, model, small_protocol, soft_composition=True)
    soft.wait()
    assert plain.id != soft.id
    results = catalog.to_xarray(soft.id)
    np.testing.assert_allclose(results.soft_composition.sum("class_name"), 1, atol=1e-5)
    assert ((results.confidence > 0) & (results.confidence <= 1)).all()
    assert "soft_composition" not in catalog.to_xarray(plain.id)
    both = catalog.to_xarray([plain.id, soft.id])
    assert bool(both.soft_composition.sel(run=plain.id).isnull().all())
    np.testing.assert_array_equal(both.composition[0], both.composition[1])
    assert catalog.runs().loc[soft.id, "soft_composition"]


def test_another_precision_is_another_run(catalog: Catalog, model: Model, small_protocol: Protocol) -> None:
    runs = [tk.segment(catalog, model, small_protocol, precision=precision) for precision in ("float32", "bfloat16")]
    for run in runs:
        run.wait()
    assert runs[0].id != runs[1].id
    float32, bfloat16 = (catalog.to_xarray(run.id) for run in runs)
    assert float(abs(float32.composition - bfloat16.composition).max()) < 0.05
