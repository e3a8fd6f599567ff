"""When engines pay on one machine: the sample photos in one process, and on engines that share its cores.

    python -m benchmarks.processes [--engines 2] [--repeats 3] [--scales 0.5 1.0]

The ways take turns, so that what else goes on at the machine meets all of them. ``seconds`` is a run as its caller sees
it; ``start`` is how long engines take to come, and ``first`` until the first image is through, which includes that
each engine loads the model; ``steady`` is images per second between the first image and the last.

Prints the table of medians, and writes ``benchmarks/results/processes.csv``.
"""

import argparse
import contextlib
import tempfile
import time
from pathlib import Path

import pandas as pd

import toolkit as tk
from toolkit.paths import data_catalog
from toolkit.runs.events import BatchEnded, Event

RESULTS = Path(__file__).parent / "results"
_MODEL = "deeplabv3-mobilenetv2-voc"


def measure(n_engines: int, protocol: tk.Protocol) -> dict[str, float]:
    """One run on so many engines; 0: in this process."""
    ended: list[float] = []

    def note(event: Event) -> None:
        if isinstance(event, BatchEnded):
            ended.extend([time.perf_counter()] * (event.done + event.failed))

    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        catalog = tk.Catalog.create(f"{folder}/catalog.zarr", images=data_catalog() / "samples" / "*.*g")
        begin = time.perf_counter()
        cluster = stack.enter_context(tk.Cluster.start("local", n=n_engines)) if n_engines else None
        started = time.perf_counter()
        tk.segment(catalog, tk.load_model(_MODEL), protocol, cluster=cluster, observers=[note]).wait()
        end = time.perf_counter()
    return {
        "engines": n_engines,
        "seconds": end - begin,
        "start": started - begin,
        "first": ended[0] - started,
        "steady": (len(ended) - 1) / (ended[-1] - ended[0]),
    }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engines", type=int, nargs="+", default=[2])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--scales", type=float, nargs="+", default=[0.5, 1.0])
    given = parser.parse_args()
    protocol = tk.Protocol(scales=tuple(given.scales), flip=True)
    rows = [measure(n, protocol) for _ in range(given.repeats) for n in (0, *given.engines)]
    table = pd.DataFrame(rows).groupby("engines").median()
    print(table.round(2).to_string())
    table.round(3).to_csv(RESULTS / "processes.csv")


if __name__ == "__main__":
    main()
