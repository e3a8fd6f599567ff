"""Several drivers on one run: they share the work, take over from the dead, and steal nothing from the living."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from everything import EVERYTHING

import toolkit as tk
from benchmarks.torture import torture
from toolkit.catalog import Heartbeat, Owner
from toolkit.runs import Event, RunStarted
from toolkit.testing.gate import PROTOCOL, Gate
from toolkit.testing.small_run import small_model
from toolkit.testing.waiting import PATIENCE, wait_until

DRIVE = Path(__file__).with_name("drive.py")
SEED = 4


@pytest.fixture
def stranger() -> Owner:
    """A driver of another machine, of which nothing is known but what it writes."""
    return Owner(host="far", place="another machine")


@pytest.fixture
def held_back(catalog: tk.Catalog, model: tk.Model, gate: Gate, stranger: Owner) -> tk.Run:
    """A run that stood at the gate while the stranger claimed the last of the five blocks."""
    run = tk.segment(catalog, model, PROTOCOL, batch_size=1)
    wait_until(lambda: gate.held)
    assert catalog.run_blocks(run.id).claim(catalog.image_tables()[0], 4, stranger, 0) is not None
    gate.open()
    return run


def test_they_share_the_images_and_do_none_twice(catalog: tk.Catalog, model: tk.Model) -> None:
    location = str(catalog.store.root)  # type: ignore[attr-defined]
    runs = [tk.segment(tk.Catalog.open(location), model, PROTOCOL) for _ in range(3)]
    for run in runs:
        run.wait(PATIENCE)
    assert [run.progress.state for run in runs] == ["finished"] * 3
    assert sum(run.progress.processed for run in runs) == len(catalog)
    assert {run.progress.done for run in runs} == {len(catalog)}  # each knows of all in the end
    assert set(catalog.to_xarray().status.values) == {"done"}
    assert len(catalog.sessions()) == 3


class TestAStranger:
    def test_what_it_holds_is_left_alone_while_it_lives(
        self, catalog: tk.Catalog, stranger: Owner, request: pytest.FixtureRequest
    ) -> None:
        with Heartbeat(catalog.store, stranger, time_to_live=PATIENCE):
            run = request.getfixturevalue("held_back")
            wait_until(lambda: run.progress.waiting_for)
            assert run.progress.state == "running"
            assert run.progress.waiting_for == (stranger.name,)
            assert f"what is left is with {stranger.name}" in str(run.progress)
            assert (catalog.to_xarray().status.values[32:] == "pending").all()
        run.wait(PATIENCE)  # the other one ended: what it held is free
        assert (run.progress.state, run.progress.done) == ("finished", len(catalog))

    def test_what_it_held_is_taken_over_once_it_is_silent(
        self, catalog: tk.Catalog, stranger: Owner, request: pytest.FixtureRequest
    ) -> None:
        Heartbeat(catalog.store, stranger, time_to_live=1.5)._beat()  # and never again
        run = request.getfixturevalue("held_back")
        run.wait(PATIENCE)
        assert (run.progress.state, run.progress.done) == ("finished", len(catalog))
        claim = catalog.run_blocks(run.id).latest_claim(catalog.image_tables()[0], 4)
        assert claim is not None
        assert claim.generation == 1

    def test_a_run_that_waits_for_it_can_be_cancelled(
        self, catalog: tk.Catalog, stranger: Owner, request: pytest.FixtureRequest
    ) -> None:
        with Heartbeat(catalog.store, stranger, time_to_live=PATIENCE):
            run = request.getfixturevalue("held_back")
            wait_until(lambda: run.progress.waiting_for)
            run.cancel()
            run.wait(PATIENCE)
        assert run.progress.state == "cancelled"


def test_images_that_are_added_meanwhile_are_done_too(tmp_path: Path, many_photos: list[Path], model: tk.Model) -> None:
    cat = tk.Catalog.create(tmp_path / "demo.zarr", many_photos[:20], block_size=4)
    added: list[int] = []

    def add(event: Event) -> None:
        if not added:
            added.append(tk.Catalog.open(tmp_path / "demo.zarr").add(many_photos))

    run = tk.segment(cat, model, PROTOCOL, observers=[add])
    run.wait(PATIENCE)
    assert added == [len(many_photos) - 20]
    assert (run.progress.done, run.progress.total) == (len(many_photos), len(many_photos))
    assert cat.to_xarray().sizes["image"] == len(many_photos)


def test_two_that_retry_try_each_once(tmp_path: Path) -> None:
    """A retry is of what had failed when it began: that the other has tried since is not tried again."""
    paths = [tmp_path / f"{number}.png" for number in range(6)]  # none of them is there
    cat = tk.Catalog.create(tmp_path / "demo.zarr", paths, block_size=1)
    tk.segment(cat, small_model(), PROTOCOL).wait(PATIENCE)
    both_have_begun = threading.Barrier(2, timeout=PATIENCE)

    def wait_for_the_other(event: Event) -> None:
        if isinstance(event, RunStarted):
            both_have_begun.wait()

    runs = [
        tk.segment(
            tk.Catalog.open(tmp_path / "demo.zarr"),
            small_model(),
            PROTOCOL,
            retry="failed",
            observers=[wait_for_the_other],
        )
        for _ in range(2)
    ]
    for run in runs:
        run.wait(PATIENCE)
        assert run.progress.state == "finished"
    assert sum(run.progress.processed for run in runs) == len(paths)
    assert set(cat.to_xarray().attempts.values) == {2}
    assert set(cat.errors().error) == {"missing"}


def test_one_that_slept_too_long_lets_go(tmp_path: Path, many_photos: list[Path], model: tk.Model, gate: Gate) -> None:
    """SIGSTOP for longer than the time to live, another takes over, SIGCONT: nothing is overwritten or lost."""
    cat = tk.Catalog.create(tmp_path / "demo.zarr", many_photos, block_size=40)
    command = [sys.executable, str(DRIVE), str(tmp_path / "demo.zarr"), model.source, "0", "1.0"]
    driver = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        gate.let_through(6)
        wait_until(lambda: driver.poll() is not None or (not cat.runs().empty and cat.runs().done.iloc[0]))
        driver.send_signal(signal.SIGSTOP)
        run = tk.segment(cat, model, PROTOCOL, batch_size=1, flush_seconds=0.2)
        wait_until(lambda: os.getpid() in gate.held)  # it has taken over
        driver.send_signal(signal.SIGCONT)
        gate.open()
        run.wait(PATIENCE)
        assert driver.wait(PATIENCE) == 0, driver.stderr and driver.stderr.read()
    finally:
        driver.kill()
        driver.communicate()
    assert (run.progress.state, run.progress.done) == ("finished", len(many_photos))
    assert set(cat.to_xarray().status.values) == {"done"}
    claim = cat.run_blocks(run.id).latest_claim(cat.image_tables()[0], 0)
    assert claim is not None
    assert claim.generation == 1  # taken over once, and not back
    assert cat.verify(labels=True).clean or {p.kind for p in cat.verify(labels=True)} == {"labels_orphaned"}


def test_torture(tmp_path: Path) -> None:
    """Three drivers and ten disturbances; if the environment asks for it, four and fifty, and thousands of images."""
    print(f"seed {SEED}")
    size = {"n_images": 300, "n_drivers": 3, "n_events": 10}
    if EVERYTHING:
        size = {"n_images": 3000, "n_drivers": 4, "n_events": 50}
    outcome = torture(tmp_path, str(tmp_path / "tortured.zarr"), **size, seconds=0.01, seed=SEED)
    assert outcome.wrong == []
    assert sum(outcome.events.values()) >= size["n_events"]
    assert set(outcome.events) == {"driver killed", "driver stopped", "engine killed"}
    assert outcome.reads > 3
