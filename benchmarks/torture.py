"""Several drivers share a run while they are killed, stopped and woken at random; nothing may be lost or done twice.

    python -m benchmarks.torture [--images 3000] [--drivers 4] [--events 50] [--seconds 0.05] [--seed 0]
        [--catalog DIRECTORY_OR_URL | --s3]

Half of the drivers work in their own process, the others on two engines each. At random moments a driver is killed
(SIGKILL) and started again, or stopped for longer than its claims live (SIGSTOP, then SIGCONT), or an engine is killed.
With --s3 the catalog lies on a private S3 server, which is killed and started again now and then, too. Meanwhile a
reader looks at the table. In the end every image must be done once, with the results of an undisturbed run.
"""

import argparse
import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
import xarray as xr
from PIL import Image

import toolkit as tk
from toolkit.testing.gate import waiting_model
from toolkit.testing.s3_server import BUCKET, S3Server

PROTOCOL = tk.Protocol(crop_size=16, stride=16)
TIME_TO_LIVE = 2.0
KINDS = ["driver killed", "driver stopped", "engine killed"]
COMPARED = ["composition", "confidence", "status", "error", "height", "width"]


@dataclass
class Outcome:
    """What happened."""

    events: Counter[str] = field(default_factory=Counter)
    """How often each kind of disturbance happened."""
    seconds: float = 0.0
    """How long it took until every image was done."""
    reads: int = 0
    """How often the table was read meanwhile."""
    wrong: list[str] = field(default_factory=list)
    """What should not have been seen; empty if all is well."""


def torture(
    folder: Path,
    location: str,
    *,
    n_images: int = 3000,
    n_drivers: int = 4,
    n_events: int = 50,
    seconds: float = 0.05,
    seed: int = 0,
    most_seconds: float = 600.0,
    server: S3Server | None = None,
) -> Outcome:
    """Make a catalog at a location and segment it under disturbances.

    Parameters
    ----------
    folder : pathlib.Path
        Where images, bundle and the undisturbed catalog go.
    location : str
        Directory or URL of the catalog.
    n_images, n_drivers, n_events : int
        How many images and drivers, and at least how many disturbances.
    seconds : float
        How long the network takes per image.
    seed : int
        Decides what happens when, as far as the machine lets it.
    most_seconds : float
        After so long it is given up.
    server : S3Server, optional
        What the catalog lies on; it is killed and started again, too.

    Returns
    -------
    Outcome
        With what was wrong.
    """
    images = _make_images(folder / "images", n_images, seed)
    bundle = folder / "bundle"
    waiting_model(bundle, seconds)
    expected = _undisturbed(folder, images)
    cat = tk.Catalog.create(location, images, block_size=32)
    outcome = Outcome()
    begin = time.monotonic()
    drivers = _Drivers([location, str(bundle)], n_drivers)
    draw = random.Random(seed)
    try:
        while not _is_complete(cat, outcome) or not _suffice(outcome, n_events, server):
            if time.monotonic() - begin > most_seconds:
                outcome.wrong.append(f"not complete after {most_seconds:g} s")
                return outcome
            enough = _suffice(outcome, n_events, server)
            drivers.keep_running(outcome, restart=not enough or not drivers.any_running)
            if not enough:
                drivers.disturb(draw, outcome, server)
            time.sleep(draw.uniform(0.1, 0.6))
        drivers.let_finish(outcome, most_seconds - (time.monotonic() - begin))
    finally:
        drivers.end()
    outcome.seconds = time.monotonic() - begin
    _compare(cat, expected, outcome)
    return outcome


def _suffice(outcome: Outcome, n_events: int, server: S3Server | None) -> bool:
    """Whether there were enough disturbances, and of every kind."""
    kinds = {*KINDS, *(["server killed"] if server else [])}
    return sum(outcome.events.values()) >= n_events and set(outcome.events) >= kinds


class _Drivers:
    """Processes that drive the run, started again when they end early."""

    def __init__(self, arguments: list[str], n: int) -> None:
        self._arguments = arguments
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        self._stopped: dict[int, float] = {}
        self._failed: list[subprocess.Popen[bytes]] = []
        self._n = n

    @property
    def any_running(self) -> bool:
        return any(driver.poll() is None for driver in self._running.values())

    def keep_running(self, outcome: Outcome, *, restart: bool) -> None:
        """Start those that are not running; wake those that were stopped for long enough."""
        for number in range(self._n):
            driver = self._running.get(number)
            if driver is not None and driver.poll() not in (None, 0, -signal.SIGKILL) and driver not in self._failed:
                self._failed.append(driver)
                outcome.wrong.append(f"a driver ended with {driver.returncode}")
            if driver is None or (driver.poll() is not None and restart):
                self._running[number] = self._start(number)
        for number, until in list(self._stopped.items()):
            if time.monotonic() >= until:
                self._signal(number, signal.SIGCONT)
                del self._stopped[number]

    def disturb(self, draw: random.Random, outcome: Outcome, server: S3Server | None) -> None:
        """One thing to one of them, or to what they write to."""
        number = draw.randrange(self._n)
        kind = draw.choice(KINDS)
        if server is not None and not draw.randrange(8):
            server.kill()
            time.sleep(draw.uniform(0.2, 2.0))
            server.start()
            outcome.events["server killed"] += 1
            return
        if number in self._stopped or self._running[number].poll() is not None:
            return
        engines = self._engines(number)
        if number % 2 and not engines:  # on a busy machine it would be killed before it has any, time after time
            return
        if kind == "driver killed":
            self._signal(number, signal.SIGKILL)
        elif kind == "driver stopped":
            self._signal(number, signal.SIGSTOP)
            self._stopped[number] = time.monotonic() + TIME_TO_LIVE * draw.uniform(1.2, 2.0)
        else:
            if not engines:
                return
            with contextlib.suppress(psutil.NoSuchProcess):
                draw.choice(engines).kill()
        outcome.events[kind] += 1

    def let_finish(self, outcome: Outcome, seconds: float) -> None:
        """Nothing is disturbed any more: they end by themselves."""
        for number in list(self._stopped):
            self._signal(number, signal.SIGCONT)
        for driver in self._running.values():
            try:
                driver.wait(max(seconds, 1.0))
            except subprocess.TimeoutExpired:
                outcome.wrong.append("a driver did not end though every image was done")

    def end(self) -> None:
        """Kill what is left."""
        for driver in self._running.values():
            for process in [*_children(driver.pid), psutil.Process(driver.pid)] if driver.poll() is None else []:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            driver.wait()

    def _start(self, number: int) -> "subprocess.Popen[bytes]":
        n_engines = 0 if number % 2 == 0 else 2
        command = [sys.executable, "-m", "benchmarks.torture", "--drive", *self._arguments, str(n_engines)]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def _signal(self, number: int, number_of_signal: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._running[number].send_signal(number_of_signal)

    def _engines(self, number: int) -> list[psutil.Process]:
        return [
            process for process in _children(self._running[number].pid) if "ipyparallel.engine" in _command(process)
        ]


def _children(pid: int) -> list[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).children(recursive=True)
    return []


def _command(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.Error):
        return " ".join(process.cmdline())
    return ""


def _is_complete(cat: tk.Catalog, outcome: Outcome) -> bool:
    """Whether nothing is pending; what a reader sees is checked by the way."""
    if cat.runs().empty:
        return False
    table = cat.to_xarray()
    outcome.reads += 1
    done = table.status.values == "done"
    whole = np.abs(table.composition.values.sum(axis=1) - 1) <= 1e-5
    if (done & ~(whole & (table.height.values > 0))).any():
        outcome.wrong.append(f"done without its result: {np.flatnonzero(done & ~whole)[:5]}")
    return not (table.status.values == "pending").any()


def _compare(cat: tk.Catalog, expected: tk.Catalog, outcome: Outcome) -> None:
    found, wanted = cat.to_xarray(), expected.to_xarray()
    for name in COMPARED:
        if not found[name].identical(wanted[name]) and not _same(found[name], wanted[name]):
            outcome.wrong.append(f"{name} differs from an undisturbed run")
    counts = {str(name): int(count) for name, count in zip(*np.unique(found.status, return_counts=True), strict=True)}
    if counts != {"done": found.sizes["image"]}:
        outcome.wrong.append(f"not every image is done: {counts}")
    for image in range(0, found.sizes["image"], 37):
        if not np.array_equal(cat.labels(None, image), expected.labels(None, image)):
            outcome.wrong.append(f"the label map of image {image} differs")


def _same(found: xr.DataArray, wanted: xr.DataArray) -> bool:
    return found.shape == wanted.shape and bool((found.values == wanted.values).all())


def _make_images(folder: Path, n_images: int, seed: int) -> list[Path]:
    folder.mkdir(parents=True)
    generator = np.random.default_rng(seed)
    paths = [folder / f"{number:05d}.png" for number in range(n_images)]
    for path in paths:
        Image.fromarray(generator.integers(0, 256, (12, 16, 3), dtype=np.uint8)).save(path)
    return paths


def _undisturbed(folder: Path, images: list[Path]) -> tk.Catalog:
    cat = tk.Catalog.create(folder / "undisturbed.zarr", images, block_size=32)
    tk.segment(cat, waiting_model(folder / "quick"), PROTOCOL).wait()
    return cat


def _drive(location: str, bundle: str, n_engines: int) -> None:
    cat, model = tk.Catalog.open(location), tk.load_model(bundle)
    with _cluster(n_engines) as cluster:
        options = {"flush_seconds": 0.5, "time_to_live": TIME_TO_LIVE}
        tk.segment(cat, model, PROTOCOL, cluster=cluster, **options).wait()  # type: ignore[arg-type]


@contextlib.contextmanager
def _cluster(n_engines: int) -> Iterator[tk.Cluster | None]:
    if not n_engines:
        yield None
        return
    with _started(n_engines) as cluster:
        yield cluster


def _started(n_engines: int) -> tk.Cluster:
    """Engines; once more if one was killed before all of them were there."""
    while True:
        with contextlib.suppress(RuntimeError, TimeoutError):
            return tk.Cluster.start("local", n=n_engines, timeout=120)


def main() -> None:
    """Run it, and print what happened."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--drive", nargs=3, metavar=("CATALOG", "BUNDLE", "ENGINES"), help=argparse.SUPPRESS)
    parser.add_argument("--images", type=int, default=3000)
    parser.add_argument("--drivers", type=int, default=4)
    parser.add_argument("--events", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--catalog", help="directory or URL; a temporary directory by default")
    parser.add_argument("--s3", action="store_true", help="a private server, which is disturbed too")
    given = parser.parse_args()
    if given.drive:
        _drive(given.drive[0], given.drive[1], int(given.drive[2]))
        return
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(S3Server(folder / "server")) if given.s3 else None
        os.environ.update(server.environment if server else {})
        outcome = torture(
            folder,
            f"s3://{BUCKET}/tortured" if server else given.catalog or str(folder / "tortured.zarr"),
            n_images=given.images,
            n_drivers=given.drivers,
            n_events=given.events,
            seconds=given.seconds,
            seed=given.seed,
            server=server,
        )
    n_events = sum(outcome.events.values())
    print(f"seed {given.seed}: {n_events} disturbances {dict(outcome.events)} in {outcome.seconds:.0f} s")
    print(f"{given.images} images, the table was read {outcome.reads} times; wrong: {outcome.wrong or 'nothing'}")
    sys.exit(bool(outcome.wrong))


if __name__ == "__main__":
    main()
