"""What people type every day, on a table of 150,000 rows and a catalog of 300,000 images: time, memory, same results.

    python -m benchmarks.everyday [--images 1024 150000 300000] [--folder /tmp]

For each number of images, makes tiny photos (hard links to a few), a survey's table of twelve columns, and a catalog of
both; segments the first 1,024 images with a network of one layer, and draws results for the others. Then runs lines of
README and of the notebook ``explore`` in a process of its own, and holds each line's answer against that of the same
table read lazily (``lazy=True``). Prints the table, and writes ``benchmarks/results/everyday.csv``.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
import zarr
from PIL import Image

import toolkit as tk
from benchmarks.catalog import _array, _compositions, _most_memory
from benchmarks.tables import RESULTS, report
from toolkit.catalog import DONE
from toolkit.catalog.format.generations import GenerationArrays
from toolkit.catalog.format.layout import generation_path
from toolkit.notebooks import find_notebook, run_notebook
from toolkit.testing.small_run import PROTOCOL, small_model

SEED = 0
N_SEGMENTED = 1024
N_PER_FOLDER = 1000


def main() -> None:
    """Measure each number of images, print the table, and write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, nargs="+", default=[N_SEGMENTED, 150_000, 300_000])
    parser.add_argument("--folder", help="where photos and catalogs lie for the time being")
    parser.add_argument("--output", type=Path, default=RESULTS / "everyday.csv")
    parser.add_argument("--lines", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.lines:
        print(json.dumps(_typed(arguments.lines)))
        return
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        for n_images in sorted(arguments.images):
            print(f"{n_images:,} images …", flush=True)
            rows += [{"images": n_images, **row} for row in _measured(n_images, Path(folder))]
    report(arguments.output, rows)


def _measured(n_images: int, parent: Path) -> list[dict[str, Any]]:
    """One row per line that is typed."""
    folder = parent / str(n_images)
    table = _survey(n_images, folder)
    begun = time.perf_counter()
    catalog = tk.Catalog.create(folder / "catalog.zarr", images=table)
    created = time.perf_counter() - begun
    begun = time.perf_counter()
    tk.Catalog.create(folder / "catalog.zarr", images=table, exist_ok=True)
    again = time.perf_counter() - begun
    _segment(catalog)
    typed = subprocess.run(
        [sys.executable, "-m", "benchmarks.everyday", "--lines", str(folder)],
        cwd=Path(__file__).parents[1],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    begun = time.perf_counter()
    parameters = {"catalog": str(folder / "catalog.zarr"), "covariate": "safety"}
    run_notebook(find_notebook("explore"), folder / "explore.ipynb", parameters, folder / "explore.html")
    explored = {"line": "segscape run explore", "seconds": time.perf_counter() - begun}
    explored["MiB"] = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    rows = [{"line": "Catalog.create(table)", "seconds": created}, {"line": "the same again", "seconds": again}]
    return [*rows, *json.loads(typed.stdout.splitlines()[-1]), explored]


def _survey(n_images: int, folder: Path) -> Path:
    """Photos, and a table of what is known of them."""
    random = np.random.default_rng(SEED)
    originals = []
    (folder / "photos").mkdir(parents=True)
    for number in range(8):
        originals.append(folder / f"{number}.png")
        Image.fromarray(random.integers(0, 256, (12, 16, 3), dtype=np.uint8)).save(originals[-1])
    uris = [f"photos/{number // N_PER_FOLDER:03d}/{number:06d}.png" for number in range(n_images)]
    for number, uri in enumerate(uris):
        if number % N_PER_FOLDER == 0:
            (folder / uri).parent.mkdir()
        os.link(originals[number % len(originals)], folder / uri)
    numbers = np.arange(n_images)
    times = pd.Timestamp("2024-01-01") + pd.to_timedelta(numbers, unit="min")
    table = pd.DataFrame(
        {
            "uri": uris,
            "id": [f"{number:08d}" for number in numbers],
            "panorama": [str(2**60 + number) if number % 7 else "" for number in numbers],
            "country": np.array(["NA", "CH", "DE", "FR"])[numbers % 4],
            "tile": [
                f"{number % 1000}" if number < 140_000 or number % 2 else f"{number % 1000}e" for number in numbers
            ],
            "lat": np.round(46 + numbers / 1e6, 6),
            "lon": np.round(7 + numbers / 1e6, 6),
            "taken": times.strftime("%Y-%m-%dT%H:%M:%S"),
            "safety": np.round(np.sin(numbers), 3),
            "votes": [str(number % 12) if number % 5 else "" for number in numbers],
            "scene": np.array(["street", "park", "square"])[numbers % 3],
            "night": np.array(["true", "false"])[numbers % 2],
        }
    )
    table.to_csv(folder / "survey.csv", index=False)
    return folder / "survey.csv"


def _segment(catalog: tk.Catalog) -> None:
    """Give all but the first images results that were drawn, and segment those."""
    model = small_model()
    begun = tk.segment(catalog, model, PROTOCOL)
    begun.cancel()
    begun.wait()
    (shape,) = catalog.image_tables()
    if shape.n_images > N_SEGMENTED:
        random = np.random.default_rng(SEED)
        arrays = GenerationArrays(catalog.store, begun.id, shape, 99)
        arrays.create(model.class_names)
        group = zarr.open_group(catalog.store, path=generation_path(begun.id, shape.number, 99), mode="r+")
        drawn = slice(N_SEGMENTED, shape.n_images)
        n_drawn = drawn.stop - drawn.start
        _array(group, "started")[drawn] = 1_700_000_000_000 + np.arange(n_drawn)
        _array(group, "seconds")[drawn] = random.random(n_drawn, dtype=np.float32)
        _array(group, "composition")[drawn] = _compositions(random, n_drawn, model.n_classes)
        _array(group, "confidence")[drawn] = random.random(n_drawn, dtype=np.float32)
        _array(group, "height")[drawn] = 12
        _array(group, "width")[drawn] = 16
        _array(group, "status")[drawn] = np.full(n_drawn, DONE, dtype=np.uint8)
    tk.segment(catalog, model, PROTOCOL).wait()


LINES: dict[str, Callable[[tk.Catalog, xr.Dataset, Path], Any]] = {
    "cat.images()": lambda cat, results, folder: cat.images().to_dataframe(),
    "cat.runs()": lambda cat, results, folder: cat.runs()[["images", "done", "failed", "pending"]],
    "cat.to_xarray()": lambda cat, results, folder: results.sizes["image"],
    'composition.sel(class_name="bright").to_series()': lambda cat, results, folder: (
        results.composition.sel(class_name="bright").swap_dims(image="given_uri").to_series()
    ),
    'composition.groupby("scene").mean()': lambda cat, results, folder: results.composition.groupby("scene").mean(),
    'composition.mean("image")': lambda cat, results, folder: results.composition.mean("image"),
    'where(results.scene == "park", drop=True)': lambda cat, results, folder: results.composition.where(
        results.scene == "park", drop=True
    ).mean("image"),
    "query(image=\"country == 'NA'\")": lambda cat, results, folder: results.query(
        image="country == 'NA'"
    ).composition.mean("image"),
    'idxmax("class_name")': lambda cat, results, folder: (
        results.composition.idxmax("class_name").to_series().value_counts().sort_index()
    ),
    'sortby("safety")[-10:]': lambda cat, results, folder: results.sortby("safety").given_uri[-10:].to_series(),
    'groupby("taken.month").mean()': lambda cat, results, folder: results.composition.groupby("taken.month").mean(),
    "to_dataframe()": lambda cat, results, folder: results.composition.to_dataframe().composition,
    "to_netcdf": lambda cat, results, folder: results.to_netcdf(folder / "results.nc"),
    "errors": lambda cat, results, folder: cat.errors(),
    "labels(None, 2)": lambda cat, results, folder: cat.labels(None, 2),
    "verify()": lambda cat, results, folder: cat.verify().clean,
    'publish("a.csv")': lambda cat, results, folder: cat.publish(None, folder / "a.csv", overwrite=True),
    'publish("a.parquet")': lambda cat, results, folder: cat.publish(None, folder / "a.parquet", overwrite=True),
    'publish("a.zarr")': lambda cat, results, folder: cat.publish(None, folder / "a.zarr", overwrite=True),
}


def _typed(folder: Path) -> list[dict[str, Any]]:
    """Seconds, memory and whether the answer is right, of each line, in this process."""
    cat = tk.Catalog.open(folder / "catalog.zarr")
    rows = []
    begun = time.perf_counter()
    results = cat.to_xarray()
    rows.append({"line": "Catalog.open, to_xarray()", "seconds": time.perf_counter() - begun, "MiB": _most_memory()})
    answers = {}
    for line, typed in LINES.items():
        begun = time.perf_counter()
        answer = typed(cat, results, folder)
        answers[line] = answer.compute() if isinstance(answer, xr.DataArray | xr.Dataset) else answer
        rows.append({"line": line, "seconds": time.perf_counter() - begun, "MiB": _most_memory()})
    lazily = cat.to_xarray(lazy=True)
    for row in rows[1:]:
        line = row["line"]
        answer = LINES[line](cat, lazily, folder)
        row["same"] = _same(answers[line], answer.compute() if isinstance(answer, xr.DataArray) else answer)
    return rows


def _same(found: Any, expected: Any) -> bool:
    if isinstance(found, xr.DataArray | xr.Dataset):
        return bool(np.allclose(found, expected, rtol=1e-5, equal_nan=True))
    if isinstance(found, pd.DataFrame | pd.Series):
        return bool(found.equals(expected))
    return bool(np.all(found == expected))


if __name__ == "__main__":
    main()
