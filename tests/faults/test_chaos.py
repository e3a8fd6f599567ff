"""Engines are killed, stopped, added and taken away at random while a run goes on, once all of them at a time."""

import os
import random
import signal
import time
from pathlib import Path

import numpy as np
import psutil

import toolkit as tk
from toolkit.runs.events import EnginesChanged, Event
from toolkit.testing.profiles import adapted
from toolkit.testing.waiting import wait_until

SEED = 20261121
N_IMAGES = 200
N_EVENTS = 10


def test_a_run_ends_right_whatever_becomes_of_its_engines(make_photos: object, model: tk.Model, tmp_path: Path) -> None:
    photos = [photo for copy in range(10) for photo in make_photos(tmp_path / f"photos{copy}", N_IMAGES // 10)]  # type: ignore[operator]
    protocol = tk.Protocol(crop_size=97, flip=True)
    expected = tk.Catalog.create(tmp_path / "expected.zarr", photos)
    tk.segment(expected, model, protocol).wait(120)

    random_number = random.Random(SEED)
    print(f"seed {SEED}")
    cat = tk.Catalog.create(tmp_path / "chaos.zarr", photos, block_size=40)
    profile = adapted("local", tmp_path, {"SILENT_SECONDS": "3"})
    happened: list[str] = []
    counts: list[int] = []

    def count(event: Event) -> None:
        if isinstance(event, EnginesChanged):
            counts.append(event.n_engines)

    with tk.Cluster.start(profile, n=3) as cluster:
        run = tk.segment(cat, model, protocol, cluster=cluster, flush_seconds=1.0, observers=[count])
        wanted = 3
        while len(happened) < 3 * N_EVENTS // 2 and not run.progress.ended:
            engines = list(cluster.resources()["pid"].dropna().astype(int))
            kind = random_number.choice(["kill", "stop", "add", "remove"])
            if len(happened) == N_EVENTS // 2 and "kill all" not in happened:
                kind = "kill all"
            if kind == "add" and wanted < 4:
                cluster.scale(wanted := wanted + 1)
            elif kind == "remove" and wanted > 1:
                cluster.scale(wanted := wanted - 1)
            elif kind == "kill all" and engines:
                for engine in engines:
                    _signal(engine, signal.SIGKILL)
            elif kind in ("kill", "stop") and engines:
                _signal(random_number.choice(engines), signal.SIGKILL if kind == "kill" else signal.SIGSTOP)
            else:
                continue
            happened.append(kind)
            wait_until(lambda: cluster.n_engines > 0 or run.progress.ended)
            time.sleep(random_number.uniform(0.1, 0.5))
        run.wait(180)
    print(happened)
    assert len(happened) >= N_EVENTS
    assert {"kill", "stop", "add", "remove", "kill all"} <= set(happened)
    assert 0 in counts
    assert (run.progress.state, run.progress.done, run.progress.failed) == ("finished", N_IMAGES, 0)
    table, right = cat.to_xarray(), expected.to_xarray()
    np.testing.assert_array_equal(table.composition.values, right.composition.values)
    assert set(table.status.values) == {"done"}
    assert cat.verify() == []
    for image in range(0, N_IMAGES, 20):
        np.testing.assert_array_equal(cat.labels(run.id, image), expected.labels(run.id, image))


def _signal(pid: int, number: int) -> None:
    if psutil.pid_exists(pid):
        os.kill(pid, number)
