"""Who works on a run, as another process sees it."""

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

import toolkit as tk
from toolkit.catalog import Heartbeat, Owner, Session
from toolkit.catalog.activity import activity
from toolkit.cli import main


@pytest.fixture
def catalog(tmp_path: Path, small_photos: list[Path]) -> tk.Catalog:
    return tk.Catalog.create(tmp_path / "demo.zarr", small_photos[:2])


@pytest.fixture
def run_id(catalog: tk.Catalog, model: tk.Model, small_protocol: tk.Protocol) -> str:
    """A run of which everything is done."""
    run = tk.segment(catalog, model, small_protocol)
    run.wait()
    return run.id


@pytest.fixture
def owner(catalog: tk.Catalog, run_id: str) -> Owner:
    """A driver of this process that has begun."""
    owner = Owner()
    catalog.start_session(run_id, owner, Session.here([]))
    return owner


def test_nobody_works_on_a_run_that_has_ended(catalog: tk.Catalog, run_id: str) -> None:
    assert catalog.activity().empty


def test_a_driver_of_this_machine_is_seen_at_once(catalog: tk.Catalog, run_id: str, owner: Owner) -> None:
    with Heartbeat(catalog.store, owner):
        (row,) = catalog.activity(run_id).itertuples()
        assert (row.run_id, row.host, row.pid, row.pending) == (run_id, owner.host, owner.pid, 0)
        assert row.images_per_second > 0
    assert catalog.activity().empty


def test_a_driver_whose_process_is_gone_is_not_at_work(catalog: tk.Catalog, run_id: str) -> None:
    gone = replace(Owner(), began=1)
    catalog.start_session(run_id, gone, Session.here([]))
    heartbeat = Heartbeat(catalog.store, gone, 1000)
    heartbeat._beat()  # and then killed
    assert catalog.activity().empty


class TestOnAnotherMachine:
    def test_a_driver_is_seen_by_its_signs_of_life(self, catalog: tk.Catalog, run_id: str) -> None:
        far = Owner(host="far", pid=1, place="elsewhere", began=1)
        catalog.start_session(run_id, far, Session.here([]))
        heartbeat = Heartbeat(catalog.store, far, 100)
        heartbeat._beat()
        now = 0.0

        def sleep(seconds: float) -> None:
            nonlocal now
            now += seconds
            heartbeat._beat()

        found = activity([catalog.run_results(run_id)], lambda: now, sleep)
        assert found["host"].tolist() == ["far"]

    def test_a_driver_that_gives_none_is_not_at_work(self, catalog: tk.Catalog, run_id: str) -> None:
        far = Owner(host="far", pid=1, place="elsewhere", began=1)
        catalog.start_session(run_id, far, Session.here([]))
        Heartbeat(catalog.store, far, 100)._beat()
        now = 0.0

        def sleep(seconds: float) -> None:
            nonlocal now
            now += seconds

        assert activity([catalog.run_results(run_id)], lambda: now, sleep).empty
        assert now <= 51  # it is not waited for its whole time to live


class TestStatus:
    def test_says_that_nobody_works_on_what_is_pending(
        self, catalog: tk.Catalog, run_id: str, small_photos: list[Path], tmp_path: Path
    ) -> None:
        catalog.add(small_photos[2:4])
        output = CliRunner().invoke(main, ["status", str(tmp_path / "demo.zarr")]).output
        assert f"run {run_id}: 2 images pending, nobody works on it; the same command goes on\n" in output

    def test_says_who_is_at_work_since_when_and_how_long_it_takes(
        self, catalog: tk.Catalog, run_id: str, owner: Owner, small_photos: list[Path], tmp_path: Path
    ) -> None:
        catalog.add(small_photos[2:4])
        with Heartbeat(catalog.store, owner):
            output = CliRunner().invoke(main, ["status", str(tmp_path / "demo.zarr")]).output
        (line,) = [line for line in output.splitlines() if "at work" in line]
        assert f"run {run_id}: at work {owner.host}:{owner.pid} since 20" in line
        assert "/s, " in line
        assert line.endswith(" left")

    def test_says_nothing_of_what_is_through(self, catalog: tk.Catalog, run_id: str, tmp_path: Path) -> None:
        output = CliRunner().invoke(main, ["status", str(tmp_path / "demo.zarr")]).output
        assert "works on it" not in output
        assert "at work" not in output
