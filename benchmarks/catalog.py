"""What a catalog costs as it grows: opening, claiming, flushing, counting, reading lazily; time and memory.

    python -m benchmarks.catalog [--images 100000 1000000 10000000] [--classes 150] [--folder /tmp]

For each number of images, makes a catalog of images that do not exist in a temporary directory, and fills the statuses
of all but the last 64 blocks (that is, the first generation's arrays of ``status``, ``started`` and ``seconds``, and
``composition`` of some blocks only: the rest would be disk space and nothing else). Then measures in a process of its
own, that did not make the catalog, what a driver and a reader do. Prints the table, and writes
``benchmarks/results/catalog.csv``. What 10,000,000 images need: some minutes, 2 GB of disk, 6 GB of memory to create.

Memory is the process's resident set: ``driver_MiB`` the most of it after opening, counting, finding work, claiming and
flushing; ``import_MiB`` of it is there before anything was opened. Columns named ``cpu`` are the process's own time on
the processor: what others do on a shared machine disturbs them less.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
import psutil
import zarr

from toolkit.catalog import DONE, PENDING, Catalog, Owner, RunSettings
from toolkit.catalog.format.generations import GenerationArrays
from toolkit.catalog.format.layout import RESULT_FIELDS, generation_path
from toolkit.catalog.format.records import list_runs, read_record
from toolkit.runs.queue import BlockOfWork, BlockQueue

RESULTS = Path(__file__).parent / "results"
SEED = 0
N_CLAIMS = 30
N_FREE_BLOCKS = 64
N_BLOCKS_WITH_COMPOSITION = 64
ROWS_PER_FLUSH = 500
OBJECTS_PER_BLOCK = sum(not field.optional for field in RESULT_FIELDS) + 1  # its chunks of results, and its claim


def main() -> None:
    """Measure each number of images, print the table, and write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, nargs="+", default=[100_000, 1_000_000, 10_000_000])
    parser.add_argument("--classes", type=int, default=150)
    parser.add_argument("--folder", help="where the temporary catalogs lie; the system's choice if left out")
    parser.add_argument("--output", type=Path, default=RESULTS / "catalog.csv")
    parser.add_argument("--drive", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.drive:
        print(json.dumps(_driven(arguments.drive)))
        return
    rows = []
    for n_images in arguments.images:
        print(f"{n_images:,} images …", flush=True)
        rows.append(_measured(n_images, arguments.classes, arguments.folder))
    table = pd.DataFrame(rows)
    print("\n" + table.set_index("images").T.to_string(float_format="{:.4g}".format))
    arguments.output.parent.mkdir(exist_ok=True)
    table.to_csv(arguments.output, index=False, float_format="%.6g")


def _measured(n_images: int, n_classes: int, parent: str | None) -> dict[str, Any]:
    """One row of the table."""
    with tempfile.TemporaryDirectory(dir=parent) as folder:
        path = Path(folder) / "scale.zarr"
        with _seconds() as create:
            catalog = Catalog.create(path, (f"s3://photos/{number:09d}.jpg" for number in range(n_images)))
        (shape,) = catalog.image_tables()
        _fill(catalog, n_classes)
        driven = subprocess.run(
            [sys.executable, "-m", "benchmarks.catalog", "--drive", str(path)],
            cwd=Path(__file__).parents[1],
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        n_files = sum(len(files) for _, _, files in os.walk(path))
        return {
            "images": n_images,
            "classes": n_classes,
            "block_size": shape.block_size,
            "blocks": shape.n_blocks,
            "create_s": create(),
            **json.loads(driven.stdout.splitlines()[-1]),
            "files_here": n_files,
            "files_of_a_full_run": shape.n_blocks * OBJECTS_PER_BLOCK,
        }


def _fill(catalog: Catalog, n_classes: int) -> None:
    """A run in which all but the last blocks are done in generation 0."""
    names = tuple(f"class {number}" for number in range(n_classes))
    run_id = catalog.start_run(RunSettings("none", "0" * 64, names, {"scales": [1.0]}, 1))
    (shape,) = catalog.image_tables()
    GenerationArrays(catalog.store, run_id, shape, 0).create(names)
    group = zarr.open_group(catalog.store, path=generation_path(run_id, 0, 0), mode="r+")
    n_done = max(shape.n_blocks - N_FREE_BLOCKS, 1) * shape.block_size
    random = np.random.default_rng(SEED)
    _array(group, "started")[:n_done] = 1_700_000_000_000 + np.arange(n_done)
    _array(group, "seconds")[:n_done] = random.random(n_done, dtype=np.float32)
    for block in range(min(N_BLOCKS_WITH_COMPOSITION, n_done // shape.block_size)):
        _array(group, "composition")[shape.rows(block)] = _compositions(random, shape.block_size, n_classes)
    _array(group, "status")[:n_done] = np.full(n_done, DONE, dtype=np.uint8)


def _array(group: zarr.Group, name: str) -> "zarr.Array[Any]":
    array = group[name]
    assert isinstance(array, zarr.Array)
    return array


def _compositions(random: np.random.Generator, n_images: int, n_classes: int) -> np.ndarray:
    """Fractions of a 512 × 1024 image, most classes absent, as of street photos; float32 ``(n_images, n_classes)``."""
    weights = random.gamma(0.1, size=(n_images, n_classes))
    pixels = np.floor(weights / weights.sum(axis=1, keepdims=True) * 2**19)
    return (pixels / 2**19).astype(np.float32)


def _driven(path: Path) -> dict[str, Any]:
    """What a driver and a reader of the catalog need; in a process of its own."""
    before = psutil.Process().memory_info().rss
    with _seconds() as opening:
        catalog = Catalog.open(path)
        (run_id,) = list_runs(catalog.store)
        (shape,) = catalog.image_tables()
    n_classes = len(read_record(catalog.store, run_id).settings.class_names)
    owner = Owner()
    queue = BlockQueue(catalog, run_id, owner, PENDING)
    with _seconds() as first_count:
        queue.count()
    counting, counting_cpu = _repeated(queue.count, 5)
    with _seconds() as looking:
        queue.look(at_once=True)
    claims, flushes = [], []
    random = np.random.default_rng(SEED)
    compositions = _compositions(random, shape.block_size, n_classes)
    bytes_before = _size(path / "runs")
    for _ in range(N_CLAIMS):
        with _seconds() as claiming:
            work = queue.take()
        assert work is not None
        claims.append(claiming())
        with _seconds() as flushing:
            _note(work, compositions, work.rows.tolist())
            noted, cpu = flushing(), time.process_time()
            work.owned.writer.flush()
            cpu = time.process_time() - cpu
        flushes.append((noted, flushing() - noted, cpu))
    flushed_bytes = (_size(path / "runs") - bytes_before) / N_CLAIMS
    written = _written_in_parts(queue, compositions)
    driver = _most_memory()
    with _seconds() as lazily:
        table = catalog.to_xarray(run_id, lazy=True)
    opened = _most_memory()
    with _seconds() as averaging:
        table.composition.mean("image").compute()
    averaged = _most_memory()
    with _seconds() as listing:
        catalog.runs()
    with _seconds() as finding:
        catalog.errors(run_id)
    return {
        "open_s": opening(),
        "first_count_s": first_count(),
        "count_s": counting,
        "count_cpu_s": counting_cpu,
        "find_work_s": looking(),
        "claim_median_ms": 1000 * median(claims),
        "claim_max_ms": 1000 * max(claims),
        "note_block_ms": 1000 * median(noted for noted, _, _ in flushes),
        "flush_median_ms": 1000 * median(flushed for _, flushed, _ in flushes),
        "flush_max_ms": 1000 * max(flushed for _, flushed, _ in flushes),
        "flush_cpu_ms": 1000 * median(cpu for _, _, cpu in flushes),
        "flush_MB": flushed_bytes / 1e6,
        "written_kB_per_image": written / 1e3,
        "to_xarray_s": lazily(),
        "mean_s": averaging(),
        "runs_s": listing(),
        "errors_s": finding(),
        "import_MiB": before / 2**20,
        "driver_MiB": driver,
        "to_xarray_MiB": opened,
        "mean_MiB": averaged,
    }


def _note(work: BlockOfWork, compositions: np.ndarray, rows: list[int]) -> None:
    """Note some rows of a block as done."""
    first = int(work.rows[0])
    for row in rows:
        work.owned.writer.set(
            row,
            composition=compositions[row - first],
            confidence=0.9,
            attempts=1,
            engine="host:1234",
            started=1_700_000_000_000 + row,
            seconds=0.1,
            height=512,
            width=1024,
            status=DONE,
        )


def _written_in_parts(queue: BlockQueue, compositions: np.ndarray) -> float:
    """Bytes that are written per image if a block is flushed once per 500 images: 100 a second, every five seconds."""
    work = queue.take()
    assert work is not None
    before = psutil.Process().io_counters().write_chars
    for rows in np.split(work.rows, range(ROWS_PER_FLUSH, work.rows.size, ROWS_PER_FLUSH)):
        _note(work, compositions, rows.tolist())
        work.owned.writer.flush()
    return (psutil.Process().io_counters().write_chars - before) / work.rows.size


def _repeated(call: Callable[[], object], times: int) -> tuple[float, float]:
    """Median seconds of a call, and of the processor's time that it took."""
    taken, worked = [], []
    for _ in range(times):
        cpu = time.process_time()
        with _seconds() as calling:
            call()
        taken.append(calling())
        worked.append(time.process_time() - cpu)
    return median(taken), median(worked)


def _most_memory() -> float:
    """The most memory that this process had resident so far, MiB; unlike ``getrusage``, without that of its parent."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


def _size(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


@contextmanager
def _seconds() -> Iterator[Callable[[], float]]:
    """Tells how long the block took so far, or took when it is over."""
    begun = time.perf_counter()
    ended: list[float] = []
    try:
        yield lambda: (ended[0] if ended else time.perf_counter()) - begun
    finally:
        ended.append(time.perf_counter())


if __name__ == "__main__":
    main()
