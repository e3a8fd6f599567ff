"""Results made by hand, and small catalogs of real photos whose label maps are known."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from claiming import claim_next

from toolkit.catalog import DONE, FAILED, Catalog, Owner, RunSettings

CLASS_NAMES = ("sky", "tree", "road")
PALETTE = ((0, 0, 255), (0, 128, 0), (128, 64, 128))

MakeResults = Callable[..., xr.Dataset]
MakeRun = Callable[..., str]


@pytest.fixture(scope="session")
def make_results() -> MakeResults:
    """Makes what `Catalog.to_xarray` gives: an image is done if it has fractions, else failed."""

    def make(
        fractions: Mapping[str, Sequence[float] | None], class_names: Sequence[str] = CLASS_NAMES, **covariates: object
    ) -> xr.Dataset:
        missing = (np.nan,) * len(class_names)
        composition = np.array([missing if row is None else row for row in fractions.values()], dtype=np.float32)
        status = ["failed" if row is None else "done" for row in fractions.values()]
        return xr.Dataset(
            {
                "composition": (("image", "class_name"), composition.reshape(len(fractions), len(class_names))),
                "status": ("image", np.array(status, dtype=str)),
            },
            coords={
                "image": np.arange(len(fractions)),
                "uri": ("image", np.array(list(fractions), dtype=object)),
                "class_name": np.array(class_names, dtype=object),
                **{name: ("image", np.asarray(values)) for name, values in covariates.items()},
            },
        )

    return make


@pytest.fixture
def photos(small_photos: list[Path], tmp_path: Path) -> list[Path]:
    """Three small photos that a test may harm."""
    folder = tmp_path / "photos"
    folder.mkdir()
    return [Path(shutil.copy(photo, folder)) for photo in small_photos[:3]]


@pytest.fixture
def catalog(photos: list[Path], tmp_path: Path) -> Catalog:
    """Those photos; nothing ran yet."""
    return Catalog.create(tmp_path / "demo.zarr", images=photos)


@pytest.fixture(scope="session")
def make_run() -> MakeRun:
    """Enters a run with these label maps by row as done, and every other image as failed."""

    def make(
        catalog: Catalog,
        label_maps: Mapping[int, np.ndarray],
        class_names: Sequence[str] = CLASS_NAMES,
        palette: Sequence[tuple[int, int, int]] = PALETTE,
        keep_labels: bool = True,
    ) -> str:
        run_id = catalog.start_run(RunSettings("a model", "0" * 64, tuple(class_names), {}, 1, tuple(palette)))
        (shape,) = catalog.image_tables()
        owned = claim_next(catalog, run_id, shape, 0, Owner())
        places = owned.labels.write(0, list(label_maps.values())) if label_maps and keep_labels else []
        for position, (row, labels) in enumerate(label_maps.items()):
            counts = np.bincount(labels.ravel(), minlength=len(class_names))
            place = {"label_place": places[position].packed()} if places else {}
            height, width = labels.shape
            owned.writer.set(
                row, status=DONE, composition=counts / labels.size, height=height, width=width, attempts=1, **place
            )
        for row in set(range(len(catalog))) - set(label_maps):
            owned.writer.set(row, status=FAILED, error=1, attempts=1)
        owned.writer.flush()
        return run_id

    return make
