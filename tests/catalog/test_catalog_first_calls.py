"""What somebody types who is new to a catalog, and who knows pandas and xarray: what is meant is done, else said."""

import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
import zarr
from claiming import claim_next

from toolkit.catalog import DONE, FAILED, Catalog, RunSettings

PHOTOS = ["bern/000.png", "basel/000.png", "moto.png", "Häuser.jpg", "pending.png", "broken.png"]
CLASS_NAMES = ("sky", "tree", "road")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A working directory with a catalog of two runs, a catalog of one, a publication and a folder."""
    folder = tmp_path_factory.mktemp("first")
    (folder / "photos").mkdir()
    (folder / "photos" / "notes.txt").write_text("of nothing")
    photos = [folder / "photos" / name for name in PHOTOS]
    known = {"uri": photos, "lat": np.arange(len(PHOTOS)) / 2, "city": [photo.parent.name for photo in photos]}
    for name, versions in {"demo": (1, 2), "single": (1,)}.items():
        catalog = Catalog.create(folder / f"{name}.zarr", photos, covariates=pd.DataFrame(known))
        for version in versions:
            fill(catalog, catalog.start_run(RunSettings("m", "0" * 64, CLASS_NAMES, {}, version, ((1, 2, 3),) * 3)))
    catalog.publish(folder / "published.zarr", partial=True)
    before = Path.cwd()
    os.chdir(folder)
    yield folder
    os.chdir(before)


def fill(catalog: Catalog, run_id: str) -> None:
    """Photos are of the class of their number, one is pending, and one failed."""
    owned = claim_next(catalog, run_id, catalog.image_tables()[0], 0)
    maps = [np.full((2, 3), row % 3, dtype=np.uint8) for row in range(4)]
    for row, place in enumerate(owned.labels.write(0, maps)):
        values = {"composition": np.eye(3)[row % 3], "label_place": place.packed(), "height": 2, "width": 3}
        owned.writer.set(row, status=DONE, attempts=1, **values)
    owned.writer.set(5, status=FAILED, error=1, attempts=1)
    owned.writer.flush()


@pytest.fixture
def names(folder: Path) -> dict[str, Any]:
    """What the calls may name."""
    cat = Catalog.open("demo.zarr")
    table, runs = cat.to_xarray(), cat.runs()
    first, second = runs.index
    return {
        **{"cat": cat, "Catalog": Catalog, "Path": Path, "np": np, "table": table, "runs": runs, "folder": folder},
        **{"run": SimpleNamespace(id=second), "first": first, "second": second, "single": Catalog.open("single.zarr")},
        **{"store": zarr.storage.MemoryStore()},
    }


LABELS = [[2, 2, 2], [2, 2, 2]]
OF_HOUSES = [[0, 0, 0], [0, 0, 0]]
ANSWERS: dict[str, Any] = {
    "len(cat)": 6,
    "bool(cat)": True,
    "'demo.zarr: 6 images, 2 runs' in str(cat)": True,
    "cat.images().sizes['image']": 6,
    "cat.runs().shape[0]": 2,
    # which run
    "cat.to_xarray(runs.iloc[0]).run_id == first": True,
    "cat.to_xarray(runs.loc[first]).run_id == first": True,
    "cat.to_xarray(run).run_id == second": True,
    "cat.to_xarray(second[:5]).run_id == second": True,
    "cat.to_xarray(np.str_(first)).run_id == first": True,
    "cat.to_xarray(runs).run.values.tolist() == [first, second]": True,
    "cat.to_xarray(runs.index[:1]).run.values.tolist() == [first]": True,
    "cat.to_xarray(np.array([first, second])).sizes['run']": 2,
    "cat.to_xarray([runs.iloc[0], run]).run.values.tolist() == [first, second]": True,
    "cat.errors(run).uri.str.endswith('broken.png').tolist()": [True],
    "cat.palette(run)['sky']": (1, 2, 3),
    "len(cat.sessions(first))": 0,
    "cat.compare().run_a == first and cat.compare().run_b == second": True,
    "cat.compare(first).run_b == second": True,
    "cat.compare(run, runs.iloc[0]).run_b == first": True,
    # which image
    "cat.labels(run, table.uri.values[2]).tolist()": LABELS,
    "cat.labels(run.id, table.uri[2]).tolist()": LABELS,
    "cat.labels(table.uri.values[2]).tolist()": LABELS,
    "cat.labels('moto.png').tolist()": LABELS,
    "cat.labels('./photos/moto.png').tolist()": LABELS,
    "cat.labels('photos\\\\moto.png').tolist()": LABELS,
    "cat.labels(Path('moto.png')).tolist()": LABELS,
    "cat.labels('Häuser.jpg').tolist()": OF_HOUSES,
    "cat.labels('bern/000.png').tolist()": OF_HOUSES,
    "cat.labels(2).tolist()": LABELS,
    "cat.labels(None, 2).tolist()": LABELS,
    "cat.labels(np.int64(2)).tolist()": LABELS,
    "cat.labels(table.image[2]).tolist()": LABELS,
    "cat.labels(table.image.values[2]).tolist()": LABELS,
    "cat.labels(-4).tolist()": LABELS,
    "cat.labels(image=2).tolist()": LABELS,
    # tables and files
    "cat.to_dataframe().shape": (6, 13),
    "cat.to_dataframe(first).attrs['run_id'] == first": True,
    "cat.to_dataframe().set_index('uri')['tree'].max()": 1.0,
    "cat.publish('a.csv', partial=True)": None,
    "cat.publish(Path('a.parquet'), partial=True)": None,
    "cat.publish(run, 'b.csv', partial=True)": None,
    "cat.publish(target='c.csv', partial=True)": None,
    "cat.publish(store, partial=True)": None,
    "cat.publish(folder.as_uri() + '/d%20d.csv', partial=True) or Path('d d.csv').is_file()": True,
    # opening and closing
    "len(Catalog('demo.zarr'))": 6,
    "len(Catalog.open(Path('demo.zarr')))": 6,
    "len(Catalog.open('demo.zarr/'))": 6,
    "len(Catalog.open(folder.as_uri() + '/demo.zarr'))": 6,
    "len(Catalog.open(Catalog.open('demo.zarr').store))": 6,
    "cat.close()": None,
    "cat.__enter__() is cat": True,
}


@pytest.mark.parametrize("call", ANSWERS)
def test_a_call_that_says_what_is_meant(call: str, names: dict[str, Any]) -> None:
    expected = ANSWERS[call]
    assert eval(call, names) == expected


RUN = "run_id must be the id of a run"
IMAGE = "image must be the row of an image in the catalog, or its URI, not"
REFUSALS: dict[str, tuple[type[Exception], str]] = {
    "cat.to_xarray(0)": (TypeError, f"{RUN}.*, or None for the newest, not 0"),
    "cat.to_xarray(1.5)": (ValueError, RUN),
    "cat.to_xarray(True)": (TypeError, RUN),
    "cat.to_xarray(cat)": (TypeError, f"{RUN}.* not <Catalog"),
    "cat.to_xarray([0, 1])": (TypeError, RUN),
    "cat.to_xarray('')": (Exception, "has no run ''; there are"),
    "cat.to_xarray('nope')": (Exception, "has no run 'nope'; there are"),
    "cat.to_xarray(runs.iloc[:0])": (ValueError, "run_id is an empty sequence"),
    "cat.to_xarray(lazy='yes')": (ValueError, "lazy must be True or False, not 'yes'"),
    "cat.to_dataframe(3)": (TypeError, RUN),
    "cat.errors(5)": (TypeError, RUN),
    "cat.sessions(0)": (TypeError, RUN),
    "cat.palette('nope')": (Exception, "has no run 'nope'; there are"),
    "single.compare()": (Exception, "two runs are compared, and .*single.zarr has only .*; start another one"),
    "single.compare(None, None)": (Exception, "two runs are compared"),
    "cat.compare(run)": (Exception, "is the newest run itself; name another one"),
    "cat.compare(1, 2)": (TypeError, RUN),
    "cat.labels()": (TypeError, r"which image\? labels\(image\), or labels\(run_id, image\)"),
    "cat.labels(run)": (TypeError, r"which image\?"),
    "cat.labels(run.id)": (TypeError, r"which image\?"),
    "cat.labels('moto.png', run.id)": (TypeError, r"which image\?.* or labels\(run_id, image\)"),
    "cat.labels('000.png')": (KeyError, "2 images end in '000.png': .*bern/000.png, .*basel/000.png; give more"),
    "cat.labels(None, 'moto.PNG')": (KeyError, "has no image 'moto.PNG'; did you mean 'moto.png'?"),
    "cat.labels('mot.png')": (KeyError, "did you mean 'moto.png'?"),
    "cat.labels('oto.png')": (KeyError, "did you mean 'moto.png'?"),
    "cat.labels('zebra.jpg')": (KeyError, "has no image 'zebra.jpg'; its 6 images are numbered from 0"),
    "cat.labels(99)": (KeyError, "has no image 99; its 6 images are numbered from 0"),
    "cat.labels(-7)": (KeyError, "has no image -7"),
    "cat.labels(2.0)": (TypeError, f"{IMAGE} 2.0"),
    "cat.labels(True)": (TypeError, f"{IMAGE} True"),
    "cat.labels(run, [0, 1])": (TypeError, IMAGE),
    "cat.labels('')": (ValueError, "is empty; give a path or a URI"),
    "cat.labels('pending.png')": (KeyError, "'pending.png' has no label map in run .*: it is pending"),
    "cat.publish()": (TypeError, r"target must be a path .*publish\(target\) publishes the newest run"),
    "cat.publish(run.id)": (TypeError, r"publish\(run_id, target\) another one"),
    "cat.publish(None, 5)": (TypeError, "target must be a path such as 'photos.zarr', or a Zarr store, not 5"),
    "cat.publish('x.csv', run.id)": (TypeError, r"publish\(run_id, target\) another one"),
    "cat.publish('x.nc')": (ValueError, "'x.nc' does not say its format; let it end in .zarr"),
    "cat.publish('photos/')": (ValueError, "does not say its format"),
    "cat.publish('demo.zarr', partial=True)": (Exception, "lies in the catalog"),
    "cat.publish('x.csv')": (Exception, "has 1 pending images; finish it, or pass partial=True"),
    "Catalog()": (TypeError, r"a catalog is opened with Catalog.open\(path\), and made with Catalog.create"),
    "Catalog(5)": (TypeError, "catalog must be a path or a Zarr store, not int"),
    "Catalog('nowhere.zarr')": (Exception, r"there is no catalog at .*nowhere.zarr"),
    "Catalog.open('nowhere')": (Exception, r"there is no catalog at .*nowhere; make one with Catalog.create"),
    "Catalog.open('demo')": (Exception, r"there is no catalog at .*demo \(did you mean .*demo.zarr\?\)"),
    "Catalog.open('demo.zarr/runs')": (Exception, r"is not a catalog \(did you mean .*demo.zarr\?\)"),
    "Catalog.open('.')": (Exception, r"did you mean .*demo.zarr or .*single.zarr\?"),
    "Catalog.open('photos')": (Exception, "photos holds something that is not a catalog"),
    "Catalog.open('published.zarr')": (Exception, "is a publication, no catalog; xarray.open_dataset"),
    "Catalog.open('photos/notes.txt')": (Exception, "is not a directory"),
    "Catalog.open('~/nowhere.zarr')": (Exception, f"there is no catalog at {Path.home()}/nowhere.zarr"),
    "Catalog.open('http://example.org/x.zarr')": (Exception, "only paths and URLs of s3, gs, az can be opened"),
    "Catalog.open(None)": (TypeError, "catalog must be a path or a Zarr store, not NoneType"),
    "Catalog.open('')": (Exception, "catalog '' is not a directory"),
    "cat['uri']": (TypeError, "not subscriptable"),
    "list(cat)": (TypeError, "not iterable"),
    "cat.to_pandas()": (AttributeError, "no attribute 'to_pandas'"),
    "cat.composition": (AttributeError, "no attribute 'composition'"),
}


@pytest.mark.parametrize("call", REFUSALS)
def test_a_call_that_does_not(call: str, names: dict[str, Any]) -> None:
    kind, words = REFUSALS[call]
    with pytest.raises(kind, match=words):
        eval(call, names)


def test_a_catalog_closes_and_goes_on(folder: Path) -> None:
    with Catalog.open("demo.zarr") as cat:
        assert len(cat) == 6
    assert isinstance(cat.to_xarray(), xr.Dataset)


def test_the_table_is_what_is_published(names: dict[str, Any], folder: Path) -> None:
    names["cat"].publish("table.parquet", partial=True)
    published = pd.read_parquet("table.parquet")
    table = names["cat"].to_dataframe()
    assert table.index.tolist() == [0, 1, 2, 3, 4, 5]
    pd.testing.assert_frame_equal(table.reset_index(drop=True), published, check_dtype=False)
    assert table.attrs["n_done"] == 4
