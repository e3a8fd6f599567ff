"""What people write of a table of results in xarray, pandas and matplotlib: the same of every kind of table."""

import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from claiming import claim_next
from zarr.storage import MemoryStore

from toolkit.catalog import DONE, FAILED, Catalog, RunSettings

N_IMAGES = 12
FAILS = 5
COMMON = ["composition", "confidence", "status", "error", "height", "width"]

Answer = Any
Idiom = Callable[[xr.Dataset, Path], Answer]


@pytest.fixture(scope="module", autouse=True)
def without_windows() -> None:
    """Plots are drawn, and shown to nobody."""
    plt.switch_backend("Agg")


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    """Twelve photos of three cities; all are done but one."""
    covariates = pd.DataFrame(
        {
            "uri": [f"https://host/photos/ä {number}.jpg" for number in range(N_IMAGES)],
            "city": ["Graz", "Linz", "", "Ötztal"] * 3,
            "lat": np.linspace(46, 48, N_IMAGES),
            "floors": pd.array([1, 2, None] * 4, dtype="Int64"),
            "lit": [True, False] * 6,
            "taken": pd.to_datetime(["2024-02-29T12:34:56.789", None, "2024-03-01T00:00:00.000"] * 4),
        }
    )
    catalog = Catalog.create(MemoryStore(), covariates.uri.tolist(), covariates=covariates, block_size=4)
    catalog.add([f"https://host/more/{number}.jpg" for number in range(2)])
    palette = ((0, 0, 255), (0, 128, 0), (9, 9, 9))
    run_id = catalog.start_run(RunSettings("a model", "0" * 64, ("sky", "tree", "road"), {"scales": [1]}, 1, palette))
    random = np.random.default_rng(1)
    for table in catalog.image_tables():
        for block in range(table.n_blocks):
            owned = claim_next(catalog, run_id, table, block)
            for row in range(table.rows(block).start, table.rows(block).stop):
                if table.number == 0 and row == FAILS:
                    owned.writer.set(row, status=FAILED, error=1, attempts=1, engine="host:1", started=5)
                else:
                    values = {"composition": random.dirichlet(np.ones(3)), "confidence": random.random()}
                    sizes = {"height": 3, "width": 4 + row, "attempts": 1, "engine": "host:1", "started": 5}
                    owned.writer.set(row, status=DONE, seconds=0.5, **values, **sizes)
            owned.writer.flush()
    return catalog


@pytest.fixture(scope="module")
def small(catalog: Catalog) -> xr.Dataset:
    """The table as it is read at once."""
    return catalog.to_xarray().drop_vars("given_uri")  # which publications have as uri


@pytest.fixture(scope="module", params=["at once", "lazy", "published", "icechunk"])
def table(
    request: pytest.FixtureRequest, catalog: Catalog, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[xr.Dataset]:
    """The same results, however they came."""
    folder = tmp_path_factory.mktemp("published")
    if request.param == "published":
        catalog.publish(None, folder / "run.zarr")
        yield xr.open_dataset(folder / "run.zarr", engine="zarr")
    elif request.param == "icechunk":
        import icechunk

        catalog.publish(None, folder / "run.icechunk")
        repository = icechunk.Repository.open(icechunk.local_filesystem_storage(str(folder / "run.icechunk")))
        yield xr.open_dataset(repository.readonly_session("main").store, engine="zarr", consolidated=False)
    else:
        with pytest.MonkeyPatch.context() as patch:
            if request.param != "at once":
                patch.setattr("toolkit.catalog.reading.views.LAZY_FROM", 1)
                patch.setattr("toolkit.catalog.reading.lazy._BYTES_PER_CHUNK", 1)
            yield catalog.to_xarray().drop_vars("given_uri")


def drawn(plot: Callable[[xr.Dataset], object]) -> Idiom:
    """What stands at the axes of a plot."""

    def answer(table: xr.Dataset, folder: Path) -> Answer:
        plt.close("all")
        plot(table)
        figure = plt.gcf()
        figure.canvas.draw()
        axes = figure.axes[0]
        labels = [label.get_text() for label in (*axes.get_xticklabels(), *axes.get_yticklabels())]
        return [axes.get_xlabel(), axes.get_ylabel(), *labels]

    return answer


def of_table(idiom: Callable[[xr.Dataset], Answer]) -> Idiom:
    """An idiom that needs no file."""
    return lambda table, folder: idiom(table)


def through_zarr(table: xr.Dataset, folder: Path) -> Answer:
    table.drop_encoding().to_zarr(folder / "copy.zarr", zarr_format=2)
    with xr.open_zarr(folder / "copy.zarr") as copy:
        return copy.load()


def through_netcdf(table: xr.Dataset, folder: Path) -> Answer:
    table.to_netcdf(folder / "copy.nc")
    with xr.open_dataset(folder / "copy.nc") as copy:
        return copy.load()


def through_parquet(table: xr.Dataset, folder: Path) -> Answer:
    table.to_dataframe().to_parquet(folder / "copy.parquet")
    return pd.read_parquet(folder / "copy.parquet")


def green(table: xr.Dataset) -> xr.DataArray:
    """Fraction of trees."""
    return table.composition.sel(class_name="tree", drop=True)


IDIOMS: dict[str, Idiom] = {
    "plot of compositions": drawn(lambda table: table.composition.plot()),
    "plot of the mean": drawn(lambda table: table.composition.mean("image").plot()),
    "lines of some images": drawn(lambda table: table.composition[:3].plot.line(x="class_name")),
    "a panel per class": drawn(lambda table: table.composition[:4].plot(col="class_name", x="image")),
    "bars per city": drawn(lambda table: table.composition.groupby("city").mean().to_pandas().plot.bar()),
    "plot by photo": drawn(lambda table: table.confidence[:4].swap_dims(image="uri").plot()),
    "histogram": drawn(lambda table: green(table).plot.hist()),
    "scatter": drawn(lambda table: table.plot.scatter(x="lat", y="confidence", hue="city")),
    "pandas bars": drawn(lambda table: table.composition.to_pandas().mean().plot.bar()),
    "to_netcdf": through_netcdf,
    "to_zarr": through_zarr,
    "to_parquet": through_parquet,
    "to_dataframe": of_table(lambda table: table.to_dataframe()),
    "to_pandas": of_table(lambda table: table.composition.to_pandas()),
    "to_series": of_table(lambda table: table.city.to_series().str.upper()),
    "to_dict": of_table(lambda table: table.status.to_dict()["data"]),
    "columns of classes": of_table(lambda table: table.composition.to_dataset("class_name").to_dataframe()),
    "value_counts": of_table(lambda table: table.status.to_series().value_counts()),
    "concat": of_table(lambda table: xr.concat([table, table], "image")),
    "concat of runs": of_table(lambda table: xr.concat([table, table], pd.Index(["a", "b"], name="run"))),
    "set_index": of_table(lambda table: table.set_index(image="uri").sel(image=table.uri.values[3])),
    "swap_dims": of_table(lambda table: table.swap_dims(image="uri").sel(uri=table.uri.values[[3, 1]])),
    "set_xindex": of_table(lambda table: table.set_xindex("uri").sel(uri=table.uri.values[3])),
    "set_xindex of text": of_table(lambda table: table.set_xindex("city").sel(city="Graz")),
    "groupby text": of_table(lambda table: table.composition.groupby("city").mean()),
    "groupby boolean": of_table(lambda table: table.composition.groupby("lit").median()),
    "groupby number": of_table(lambda table: table.composition.groupby("floors").max()),
    "groupby time": of_table(lambda table: table.composition.groupby("taken.month").mean()),
    "groupby status": of_table(lambda table: table.confidence.groupby(table.status).count()),
    "groupby of all": of_table(lambda table: table.groupby("city").first()),
    "groupby_bins": of_table(lambda table: table.composition.groupby_bins("lat", 3).mean()),
    "where": of_table(lambda table: table.where(table.status == "done")),
    "where drop": of_table(lambda table: table.where(table.status == "done", drop=True)),
    "where drop by covariate": of_table(lambda table: table.composition.where(table.city == "Graz", drop=True)),
    "where drop by class": of_table(lambda table: table.where((green(table) > 0.3).compute(), drop=True)),
    "where other": of_table(lambda table: table.city.where(table.city != "", "unknown")),
    "query": of_table(lambda table: table.query(image="city == 'Graz' and status == 'done' and lat > 47")),
    "sel by mask": of_table(lambda table: table.sel(image=table.city.isin(["Graz", "Linz"]))),
    "isel": of_table(lambda table: table.isel(image=[3, 0, -1], class_name=slice(1))),
    "idxmax": of_table(lambda table: table.composition.idxmax("class_name")),
    "idxmax counted": of_table(lambda table: table.composition.idxmax("class_name").to_series().value_counts()),
    "argmax": of_table(lambda table: int(green(table).argmax("image"))),
    "sortby text": of_table(lambda table: table.sortby("city")),
    "sortby class": of_table(lambda table: table.sortby(green(table), ascending=False)),
    "sortby class_name": of_table(lambda table: table.sortby("class_name")),
    "weighted": of_table(lambda table: table.composition.weighted(table.lat.fillna(0)).mean("image")),
    "quantile": of_table(lambda table: table.composition.compute().quantile([0.1, 0.9], "image")),
    "corr": of_table(lambda table: xr.corr(table.composition, table.lat, "image")),
    "mean of all": of_table(lambda table: table.mean("image")),
    "dropna": of_table(lambda table: table.dropna("image")),
    "fillna": of_table(lambda table: table.composition.fillna(0)),
    "reindex": of_table(lambda table: table.reindex(image=[0, 99], class_name=["sky", "car"])),
    "align": of_table(lambda table: xr.align(table, table.isel(image=[2]), join="outer")[1]),
    "text methods": of_table(lambda table: table.uri.str.split(dim="part", sep="/").isel(part=-1)),
    "pickle": of_table(lambda table: pickle.loads(pickle.dumps(table.compute()))),
    "shown": of_table(lambda table: "city" in repr(table) and "city" in table._repr_html_()),
    "median": of_table(lambda table: table.composition.median("image")),
}


@pytest.mark.parametrize("name", IDIOMS)
def test_an_idiom_gives_the_same_of_every_table(
    name: str, table: xr.Dataset, small: xr.Dataset, tmp_path: Path
) -> None:
    folders = [tmp_path / "one", tmp_path / "other"]
    for folder in folders:
        folder.mkdir()
    tables = [of[COMMON].drop_vars("given_uri", errors="ignore") for of in (table, small)]
    found, expected = (IDIOMS[name](of, folder) for of, folder in zip(tables, folders, strict=True))
    if isinstance(expected, xr.Dataset | xr.DataArray):
        xr.testing.assert_allclose(found, expected)
        assert set(found.coords) == set(expected.coords)
    elif isinstance(expected, pd.DataFrame):
        found = found[list(expected)]
        if "taken" in found:  # xarray reads times from files in nanoseconds
            found["taken"] = found["taken"].astype(expected["taken"].dtype)
        pd.testing.assert_frame_equal(found, expected, check_dtype=False)
    elif isinstance(expected, pd.Series):
        pd.testing.assert_series_equal(found, expected, check_dtype=False)
    else:
        assert found == expected
