"""The label maps of images of one block."""

import os

import numpy as np

from toolkit.catalog.errors import CatalogError
from toolkit.catalog.format.labels import LabelFolder, LabelPlace
from toolkit.catalog.format.layout import DONE, STATUS_NAMES
from toolkit.catalog.format.results import Results, RunResults
from toolkit.catalog.format.tables import ImageTable


def read_label_map(run: RunResults, table: ImageTable, row: int, image: int | str | os.PathLike[str]) -> np.ndarray:
    """The label map of one image, ``(height, width)``; see `Catalog.labels`."""
    label_maps = LabelMaps(run, table, slice(row, row + 1))
    if label_maps.status[0] != DONE:
        status = STATUS_NAMES[label_maps.status[0]]
        raise KeyError(f"image {image!r} has no label map in run {run.run_id}: it is {status}")
    if not label_maps.are_kept[0]:
        raise KeyError(f"image {image!r} has no label map: run {run.run_id} was made with labels=False")
    return label_maps.read(0)


class LabelMaps:
    """The label maps of a run's images, by position in the rows given.

    Parameters
    ----------
    results : RunResults
        The run.
    table : ImageTable
        The images.
    rows : slice
        Rows of the table, all of one block.
    """

    def __init__(self, results: RunResults, table: ImageTable, rows: slice) -> None:
        self._results, self._table, self._rows = results, table, rows
        self._read = self._read_places()

    @property
    def status(self) -> np.ndarray:
        """Status number of each image."""
        return self._read.status

    @property
    def sizes(self) -> np.ndarray:
        """Height and width of each, pixels, ``(n_rows, 2)``."""
        return np.stack([self._read.values["height"], self._read.values["width"]], axis=1)

    @property
    def are_kept(self) -> np.ndarray:
        """Whether there is one of each image."""
        kept: np.ndarray = (self.status == DONE) & (self._read.values["label_place"] >= 0)
        return kept

    def read(self, index: int) -> np.ndarray:
        """A label map that is kept, ``(height, width)``.

        Raises
        ------
        DamagedError
            It cannot be read.
        """
        try:
            return self._read_map(index)
        except CatalogError:  # a driver may have brought the block's label maps into another array just now
            self._read = self._read_places()
            return self._read_map(index)

    def _read_map(self, index: int) -> np.ndarray:
        values, generation = self._read.values, int(self._read.generation[index])
        block = self._rows.start // self._table.block_size
        folder = LabelFolder(self._results.store, self._results.run_id, self._table.number, block, generation)
        place = LabelPlace.unpacked(int(values["label_place"][index]))
        return folder.read(place, int(values["height"][index]), int(values["width"][index]))

    def _read_places(self) -> Results:
        return self._results.read(self._table, self._rows, ["height", "width", "label_place"])
