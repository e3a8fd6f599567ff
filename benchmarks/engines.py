"""What the orchestration costs: runs with a network that only sleeps, on 1 to 32 engines.

    python -m benchmarks.engines [--engines 1 4 16 32] [--milliseconds 20 50 100 200] [--seconds 15] [--mixed 16]

All engines are on this machine; sleeping, they leave it alone, but what each image costs besides (reading it, tiles,
results) has to fit into its cores, which a cluster has more of. ``efficiency`` is the ideal time, images × milliseconds
÷ engines, over the time of the whole run: claiming, first tasks, tail and last flush included; ``steady`` is that of
the middle 80 % of the images. Of the driver: percent of one core, and its greatest resident memory. ``mixed``: every
second engine takes ten times as long; ``tail`` is the time between the moment when the first engine has ended its last
task and the end of the last task, to be held against half a flush interval, the longest task.

Prints the tables, and writes ``benchmarks/results/engines.csv``.
"""

import argparse
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import psutil
from PIL import Image

import toolkit as tk
from toolkit.models import Model, Normalization
from toolkit.runs.events import BatchEnded, Event
from toolkit.testing.networks import SleepingNetwork

RESULTS = Path(__file__).parent / "results"
_SIDE = 32
_SLOW = 10.0
_FLUSH_SECONDS = 5.0


@dataclass
class Recorder:
    """When batches ended, and by whom."""

    ended: list[tuple[float, str, int]] = field(default_factory=list)
    """Seconds, engine, images."""
    memory: int = 0
    """Greatest resident memory of this process, bytes."""

    def __call__(self, event: Event) -> None:
        """Note an event."""
        if isinstance(event, BatchEnded):
            self.ended.append((time.perf_counter(), event.engine, event.done + event.failed))
            self.memory = max(self.memory, psutil.Process().memory_info().rss)


def main() -> None:
    """Measure what was asked for, print it, and write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engines", type=int, nargs="+", default=[1, 4, 16, 32])
    parser.add_argument("--milliseconds", type=int, nargs="+", default=[20, 50, 100, 200])
    parser.add_argument("--seconds", type=float, default=15.0, help="ideal length of a run")
    parser.add_argument("--mixed", type=int, default=16, help="engines of the mixed run; 0: none")
    parser.add_argument("--output", type=Path, default=RESULTS / "engines.csv")
    given = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder, tk.Cluster.start("local", n=1) as cluster:
        bench = _Bench(Path(folder), cluster)
        for n in sorted(given.engines):
            bench.scale(n)
            rows += [bench.run(n, milliseconds / 1000, given.seconds) for milliseconds in given.milliseconds]
            print(pd.DataFrame(rows[-len(given.milliseconds) :]).to_string(float_format="{:.3g}".format), flush=True)
        if given.mixed:
            bench.scale(given.mixed)
            rows.append(bench.run(given.mixed, 0.1, given.seconds, slow=_SLOW))
    table = pd.DataFrame(rows)
    print(table.to_string(float_format="{:.3g}".format))
    given.output.parent.mkdir(exist_ok=True)
    table.to_csv(given.output, float_format="%.4g", index=False)


class _Bench:
    """Runs on one cluster, each with a catalog of its own."""

    def __init__(self, folder: Path, cluster: tk.Cluster) -> None:
        self._folder = folder
        self._cluster = cluster
        self._runs = 0
        self._photo = folder / "photo.png"
        Image.new("RGB", (_SIDE, _SIDE)).save(self._photo)

    def scale(self, n: int) -> None:
        """Wait until there are so many engines."""
        self._cluster.scale(n)
        while self._cluster.n_engines != n:
            time.sleep(0.1)

    def run(self, n_engines: int, seconds: float, length: float, slow: float = 1.0) -> dict[str, object]:
        """Measure one run; every engine has loaded the model before."""
        model = self._model(seconds, slow)
        engines = self._cluster.resources()["pid"].astype(int)
        speed = sum(1 / (seconds * (slow if pid % 2 else 1.0)) for pid in engines)
        self._segment(self._catalog(4 * n_engines), model, Recorder())
        n_images = round(speed * length)
        recorder = Recorder()
        cat = self._catalog(n_images)
        before, begin = psutil.Process().cpu_times(), time.perf_counter()
        self._segment(cat, model, recorder)
        took = time.perf_counter() - begin
        after = psutil.Process().cpu_times()
        driver = after.user + after.system - before.user - before.system
        last = pd.DataFrame(recorder.ended, columns=["time", "engine", "images"]).groupby("engine").time.max()
        ended = pd.DataFrame(recorder.ended, columns=["time", "engine", "images"])
        done = ended.images.cumsum()
        middle = ended[(done > 0.1 * n_images) & (done <= 0.9 * n_images)]
        steady = middle.images.iloc[1:].sum() / (middle.time.iloc[-1] - middle.time.iloc[0]) / speed
        return {
            "engines": n_engines,
            "milliseconds": 1000 * seconds,
            "slow": slow,
            "images": n_images,
            "images_per_second": n_images / took,
            "efficiency": n_images / speed / took,
            "steady": steady,
            "driver_cpu_percent": 100 * driver / took,
            "driver_mib": recorder.memory / 2**20,
            "tail_seconds": last.max() - last.min(),
            "longest_task_seconds": _FLUSH_SECONDS / 2,
        }

    def _model(self, seconds: float, slow: float) -> Model:
        folder = self._folder / f"sleeping-{seconds:g}-{slow:g}"
        if not folder.exists():
            network = SleepingNetwork(seconds, slow).eval()
            model = Model(network, ("one", "other"), Normalization((0.0,) * 3, (1.0,) * 3), name="sleeping")
            model.save_bundle(folder, arguments={"seconds": seconds, "slow": slow})
        return tk.load_model(folder)

    def _catalog(self, n_images: int) -> tk.Catalog:
        self._runs += 1
        images = self._folder / f"photos{self._runs}"
        images.mkdir()
        for number in range(n_images):
            (images / f"{number:06d}.png").symlink_to(self._photo)
        return tk.Catalog.create(self._folder / f"{self._runs}.zarr", images)

    def _segment(self, cat: tk.Catalog, model: Model, recorder: Recorder) -> None:
        run = tk.segment(
            cat,
            model,
            tk.Protocol(crop_size=_SIDE),
            cluster=self._cluster,
            batch_size=1,
            flush_seconds=_FLUSH_SECONDS,
            observers=[recorder],
        )
        run.wait()
        assert run.progress.done == len(cat), run.progress


if __name__ == "__main__":
    main()
