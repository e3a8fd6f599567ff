"""What a driver makes of engines that die, and of servers that are away, with engines that a test lets die."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from toolkit import Catalog, Model, Protocol
from toolkit.catalog import Owner, RunSettings
from toolkit.engines import Engine, EngineLostError, NoEnginesError
from toolkit.runs import Run
from toolkit.runs.driver import Driver, DriverOptions
from toolkit.runs.events import Event, LeftPending, Paused, Resumed
from toolkit.runs.settings import settings_of
from toolkit.runs.tasks import BatchOutcome, ImageOutcome, Task, Work
from toolkit.segmentation import NUMERICS_VERSION
from toolkit.sources import ReadLimits
from toolkit.testing.waiting import PATIENCE


class Engines:
    """So many engines; ``answer`` is asked for every task, and its futures are resolved in bursts."""

    def __init__(self, n_engines: int, answer: Callable[[Task], BatchOutcome | Exception]) -> None:
        self.n_engines = n_engines
        self._answer = answer
        self._burst: list[tuple[Future[Any], Task]] = []

    def submit(self, function: object, task: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        self._burst.append((future, task))
        if len(self._burst) == 1:
            threading.Timer(0.05, self._resolve).start()
        return future

    def engines(self) -> list[Engine]:
        return []

    def withdraw(self, future: "Future[Any]") -> bool:
        return False

    def _resolve(self) -> None:
        burst, self._burst = self._burst, []
        for future, task in burst:
            answer = self._answer(task)
            future.set_exception(answer) if isinstance(answer, Exception) else future.set_result(answer)


def done(task: Task, n: int | None = None, unreachable: str = "") -> BatchOutcome:
    images = [ImageOutcome(row, 0, 0.01, composition=[1.0] + [0.0] * 20) for row in task.rows[:n]]  # type: ignore[arg-type]
    return BatchOutcome("host:1", 0.01 * len(images), tuple(images), unreachable)


@pytest.fixture
def drive(tmp_path: Path, model: Model, small_protocol: Protocol, events: list[Event]) -> Callable[..., dict[str, str]]:
    """Runs a driver over images of these URIs; the statuses that they have then."""

    def drive(uris: list[str], engines: Engines, **given: Any) -> dict[str, str]:
        catalog = Catalog.create(tmp_path / "demo.zarr", uris)
        settings = RunSettings(
            model.name, model.digest, model.class_names, small_protocol.to_dict(), NUMERICS_VERSION, model.palette
        )
        run_id = catalog.start_run(settings)
        work = Work(model.source, model.digest, small_protocol, ReadLimits())
        options = DriverOptions(keep_labels=False, look_seconds=0.01, **given)
        run = Run(run_id, [events.append])
        Driver(catalog, run, work, engines, done, options, Owner()).run()  # type: ignore[arg-type]
        table = catalog.to_xarray(run_id)
        return dict(zip(table.uri.values.tolist(), table.status.values.tolist(), strict=True))

    return drive


def test_a_machine_with_many_engines_may_die(drive: Callable[..., dict[str, str]]) -> None:
    lost: list[Task] = []

    def answer(task: Task) -> BatchOutcome | Exception:
        if len(lost) < 80:
            lost.append(task)
            return EngineLostError(len(lost))
        return done(task)

    assert set(drive([f"/{i}.jpg" for i in range(200)], Engines(40, answer)).values()) == {"done"}


def test_engines_that_always_die_stop_the_run(drive: Callable[..., dict[str, str]]) -> None:
    with pytest.raises(NoEnginesError, match="engines died 21 times in a row"):
        drive([f"/{i}.jpg" for i in range(100)], Engines(2, lambda _: EngineLostError(1)))


def test_what_comes_from_other_servers_goes_on(drive: Callable[..., dict[str, str]], events: list[Event]) -> None:
    """A server that is away until all the rest is done, and for some tries more, keeps only its own images waiting."""
    uris = [f"sftp://{'away' if i % 10 == 3 else 'there'}/{i}.jpg" for i in range(100)]
    of_others = {uri for uri in uris if "there" in uri}
    reached: set[str] = set()
    refused_alone: list[str] = []

    def answer(task: Task) -> BatchOutcome | Exception:
        for n, uri in enumerate(task.uris):
            others_are_done = of_others <= reached
            if uri.startswith("sftp://away") and not (others_are_done and len(refused_alone) >= 5):
                refused_alone.extend([uri] * others_are_done)
                return done(task, n, "sftp://away cannot be reached")
            reached.add(uri)
        return done(task)

    assert set(drive(uris, Engines(2, answer)).values()) == {"done"}
    paused = [type(event) for event in events if isinstance(event, Paused | Resumed)]
    assert (paused[0], paused[-1]) == (Paused, Resumed)


def test_a_run_ends_without_a_server_that_stays_away(drive: Callable[..., dict[str, str]], events: list[Event]) -> None:
    """Its images stay pending; those of the others are done."""

    def answer(task: Task) -> BatchOutcome | Exception:
        for n, uri in enumerate(task.uris):
            if uri.startswith("sftp://away"):
                return done(task, n, "sftp://away cannot be reached")
        return done(task)

    uris = [f"sftp://{'away' if i % 10 == 3 else 'there'}/{i}.jpg" for i in range(50)]
    statuses = drive(uris, Engines(2, answer), server_seconds=0.2)
    assert {uri for uri, status in statuses.items() if status == "pending"} == {uri for uri in uris if "away" in uri}
    assert set(statuses.values()) == {"done", "pending"}
    assert [event for event in events if isinstance(event, LeftPending)] == [
        LeftPending(5, "sftp://away cannot be reached")
    ]


def test_two_runs_that_leave_images_pending_do_not_wait_for_one_another(
    tmp_path: Path, model: Model, small_protocol: Protocol
) -> None:
    """Each holds blocks with images of a server that stays away."""

    def answer(task: Task) -> BatchOutcome | Exception:
        for n, uri in enumerate(task.uris):
            if uri.startswith("sftp://away"):
                return done(task, n, "sftp://away cannot be reached")
        return done(task)

    uris = [f"sftp://{'away' if i % 10 == 3 else 'there'}/{i}.jpg" for i in range(60)]
    catalog = Catalog.create(tmp_path / "demo.zarr", uris, block_size=10)
    work = Work(model.source, model.digest, small_protocol, ReadLimits())
    run_id = catalog.start_run(settings_of(work, model))
    options = DriverOptions(keep_labels=False, look_seconds=0.01, server_seconds=0.2)
    runs = [Run(run_id, []) for _ in range(2)]
    for run in runs:
        engines: Any = Engines(2, answer)
        run.start(Driver(Catalog.open(tmp_path / "demo.zarr"), run, work, engines, done, options, Owner()).run)
    for run in runs:
        run.wait(PATIENCE)
    assert catalog.runs().loc[run_id, ["done", "pending"]].tolist() == [54, 6]
