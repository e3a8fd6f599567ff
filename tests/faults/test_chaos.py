"""Engines are killed, stopped, added and taken away at random while a run goes on, once all of them at a time."""

import contextlib
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
from everything import EVERYTHING

import toolkit as tk
from toolkit.processes import is_alive
from toolkit.testing.gate import Gate
from toolkit.testing.profiles import adapted
from toolkit.testing.waiting import PATIENCE, wait_until

SEED = 20261121
N_IMAGES = 120


def test_a_run_ends_right_whatever_becomes_of_its_engines(
    make_photos: Callable[..., list[Path]], model: tk.Model, protocol: tk.Protocol, gate: Gate, tmp_path: Path
) -> None:
    photos = make_photos(tmp_path / "photos", N_IMAGES)
    chance = random.Random(SEED)
    print(f"seed {SEED}")
    cat = tk.Catalog.create(tmp_path / "chaos.zarr", photos, block_size=40)
    profile = adapted("local", tmp_path, {"SILENT_SECONDS": "3"})
    kinds = ["kill", "stop", "add", "remove"] * (3 if EVERYTHING else 1)
    chance.shuffle(kinds)
    kinds.insert(len(kinds) // 2, "kill all")
    with tk.Cluster.start(profile, n=3) as cluster:
        run = tk.segment(cat, model, protocol, cluster=cluster, batch_size=1, flush_seconds=1.0)
        wanted = 3
        for kind in kinds:
            gate.let_more_through(2)  # images enough for all that is to happen
            wait_until(lambda: cluster.n_engines > 0)
            engines = [psutil.Process(pid) for pid in cluster.resources()["pid"].dropna().astype(int)]
            if kind in ("add", "remove"):
                cluster.scale(wanted := max(1, wanted + (1 if kind == "add" else -1)))
            elif kind == "kill all":
                _signal(engines, signal.SIGKILL)
                wait_until(lambda engines=engines: not any(map(is_alive, engines)))
            else:
                _signal([chance.choice(engines)], signal.SIGKILL if kind == "kill" else signal.SIGSTOP)
            time.sleep(chance.uniform(0.1, 0.5))
        assert run.progress.state == "running"
        gate.open()
        run.wait(PATIENCE)
    assert (run.progress.state, run.progress.done, run.progress.failed) == ("finished", N_IMAGES, 0)
    expected = tk.Catalog.create(tmp_path / "expected.zarr", photos)
    tk.segment(expected, model, protocol).wait(PATIENCE)
    table, right = cat.to_xarray(), expected.to_xarray()
    np.testing.assert_array_equal(table.composition.values, right.composition.values)
    assert set(table.status.values) == {"done"}
    assert cat.verify() == []
    for image in range(0, N_IMAGES, 20):
        np.testing.assert_array_equal(cat.labels(run.id, image), expected.labels(run.id, image))


def _signal(processes: list[psutil.Process], number: int) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)
