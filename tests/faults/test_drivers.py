"""Several drivers on one run: they share the work, take over from the dead, and steal nothing from the living."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import toolkit as tk
from benchmarks.torture import torture
from toolkit.catalog import Heartbeat, Owner
from toolkit.runs import Event, Waiting
from toolkit.testing.small_run import PROTOCOL, small_model

DRIVE = Path(__file__).with_name("drive.py")
SEED = 4


@pytest.fixture(scope="module")
def model() -> tk.Model:
    return small_model()


def test_they_share_the_images_and_do_none_twice(tmp_path: Path, many_photos: list[Path], model: tk.Model) -> None:
    cat = tk.Catalog.create(tmp_path / "demo.zarr", many_photos, block_size=2)
    runs = [tk.segment(tk.Catalog.open(tmp_path / "demo.zarr"), model, PROTOCOL) for _ in range(3)]
    for run in runs:
        run.wait(120)
    assert [run.progress.state for run in runs] == ["finished"] * 3
    assert sum(run.progress.processed for run in runs) == len(many_photos)
    assert {run.progress.done for run in runs} == {len(many_photos)}  # each knows of all in the end
    assert set(cat.to_xarray().status.values) == {"done"}
    assert len(cat.sessions()) == 3


def test_what_the_living_hold_is_left_alone(tmp_path: Path, many_photos: list[Path], model: tk.Model) -> None:
    cat = tk.Catalog.create(tmp_path / "demo.zarr", many_photos, block_size=8)
    shape = cat.segments()[0]
    stranger = Owner(host="far", place="another machine")
    events: list[Event] = []
    with Heartbeat(cat.store, stranger, time_to_live=30):
        run = tk.segment(cat, model, PROTOCOL, observers=[events.append])
        assert cat.claim(run.id, shape, 4, stranger, 0) is not None  # the last block, before the run gets there
        deadline = time.monotonic() + 60
        while not any(isinstance(event, Waiting) for event in events) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert run.progress.state == "running"
        assert run.progress.waiting_for == (stranger.name,)
        assert f"what is left is with {stranger.name}" in str(run.progress)
        assert (cat.to_xarray().status.values[32:] == "pending").all()
    run.wait(60)  # the other one ended: what it held is free
    assert (run.progress.state, run.progress.done) == ("finished", len(many_photos))


def test_what_a_silent_one_held_is_taken_over(tmp_path: Path, many_photos: list[Path], model: tk.Model) -> None:
    cat = tk.Catalog.create(tmp_path / "demo.zarr", many_photos, block_size=8)
    stranger = Owner(host="far", place="another machine")
    heartbeat = Heartbeat(cat.store, stranger, time_to_live=1.5)
    heartbeat._beat()  # and never again
    run = tk.segment(cat, model, PROTOCOL)
    assert cat.claim(run.id, cat.segments()[0], 4, stranger, 0) is not None
    run.wait(60)
    assert (run.progress.state, run.progress.done) == ("finished", len(many_photos))
    claim = cat.latest_claim(run.id, cat.segments()[0], 4)
    assert claim is not None
    assert claim.generation == 1


def test_one_that_waits_for_others_can_be_cancelled(tmp_path: Path, many_photos: list[Path], model: tk.Model) -> None:
    cat = tk.Catalog.create(tmp_path / "demo.zarr", many_photos, block_size=8)
    stranger = Owner(host="far", place="another machine")
    with Heartbeat(cat.store, stranger):
        run = tk.segment(cat, model, PROTOCOL)
        assert cat.claim(run.id, cat.segments()[0], 4, stranger, 0) is not None
        deadline = time.monotonic() + 60
        while not run.progress.waiting_for and time.monotonic() < deadline:
            time.sleep(0.05)
        run.cancel()
        run.wait(30)
    assert run.progress.state == "cancelled"


def test_images_that_are_added_meanwhile_are_done_too(tmp_path: Path, many_photos: list[Path], model: tk.Model) -> None:
    cat = tk.Catalog.create(tmp_path / "demo.zarr", many_photos[:20], block_size=4)
    added: list[int] = []

    def add(event: Event) -> None:
        if not added:
            added.append(tk.Catalog.open(tmp_path / "demo.zarr").add(many_photos))

    run = tk.segment(cat, model, PROTOCOL, observers=[add])
    run.wait(60)
    assert added == [len(many_photos) - 20]
    assert (run.progress.done, run.progress.total) == (len(many_photos), len(many_photos))
    assert cat.to_xarray().sizes["image"] == len(many_photos)


def test_two_that_retry_try_each_once(tmp_path: Path, model: tk.Model) -> None:
    paths = [tmp_path / f"{number}.png" for number in range(6)]  # none of them is there
    cat = tk.Catalog.create(tmp_path / "demo.zarr", paths, block_size=1)
    tk.segment(cat, model, PROTOCOL).wait(60)
    runs = [tk.segment(tk.Catalog.open(tmp_path / "demo.zarr"), model, PROTOCOL, retry="failed") for _ in range(2)]
    for run in runs:
        run.wait(60)
        assert run.progress.state == "finished"
    attempts = cat.to_xarray().attempts.values
    assert attempts.min() == 2  # both may have tried what one had not begun when the other looked
    assert attempts.max() <= 3
    assert set(cat.errors().error) == {"missing"}


def test_one_that_slept_too_long_lets_go(tmp_path: Path, many_photos: list[Path]) -> None:
    """SIGSTOP for longer than the time to live, another takes over, SIGCONT: nothing is overwritten or lost."""
    cat = tk.Catalog.create(tmp_path / "demo.zarr", many_photos, block_size=40)
    protocol = tk.Protocol(crop_size=97, scales=(0.75, 1.0), flip=True)
    command = [sys.executable, str(DRIVE), str(tmp_path / "demo.zarr"), json.dumps(protocol.to_dict()), "0", "1.0"]
    driver = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 60
        while cat.runs().empty or not cat.runs().done.iloc[0]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        driver.send_signal(signal.SIGSTOP)
        run = tk.segment(cat, "deeplabv3-mobilenetv2-voc", protocol, flush_seconds=0.2)
        deadline = time.monotonic() + 60
        while not run.progress.processed and time.monotonic() < deadline:
            time.sleep(0.05)
        driver.send_signal(signal.SIGCONT)
        run.wait(120)
        assert driver.wait(60) == 0, driver.stderr and driver.stderr.read()
    finally:
        driver.kill()
        driver.communicate()
    assert (run.progress.state, run.progress.done) == ("finished", len(many_photos))
    assert set(cat.to_xarray().status.values) == {"done"}
    claim = cat.latest_claim(run.id, cat.segments()[0], 0)
    assert claim is not None
    assert claim.generation == 1  # taken over once, and not back
    assert cat.verify(labels=True).clean or {p.kind for p in cat.verify(labels=True)} == {"labels_orphaned"}


def test_torture(tmp_path: Path) -> None:
    """Four drivers, 3,000 images, at least fifty disturbances."""
    print(f"seed {SEED}")
    outcome = torture(tmp_path, str(tmp_path / "tortured.zarr"), n_images=3000, n_events=50, seconds=0.01, seed=SEED)
    assert outcome.wrong == []
    assert sum(outcome.events.values()) >= 50
    assert set(outcome.events) == {"driver killed", "driver stopped", "engine killed"}
    assert outcome.reads > 10
