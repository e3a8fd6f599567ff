"""What the values or colours of a mask stand for: from what a file stores to indices of classes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from toolkit.evaluation.errors import EvaluationError
from toolkit.models import DatasetDescriptor

_IGNORED_OF_8_BITS, _IGNORED_OF_16_BITS = 255, 65535


@dataclass(frozen=True)
class MaskEncoding:
    """How the masks of a data set store its classes."""

    stored: tuple[int, ...]
    """What stands for each class, ``(n_classes,)``: a value, or a colour as ``0xRRGGBB``."""
    ignored: tuple[int, ...] = ()
    """What is stored where nothing is counted."""
    colors: bool = False
    """Whether masks store colours."""
    channel: int | None = None
    """Channel that holds the class where a mask has several; None: masks have one."""
    ignores_unknown: bool = False
    """Whether what stands for no class is ignored; else it is an error."""
    palette: Mapping[int, tuple[int, int, int]] | None = None
    """Customary colour of each stored value, where values are stored and there are such."""

    @classmethod
    def plain(cls, n_classes: int, ignore_index: int | None = None) -> "MaskEncoding":
        """Masks that store class indices, and 255 (65535 if 255 is a class) or `ignore_index` where nothing counts."""
        if ignore_index is None:
            ignore_index = _IGNORED_OF_8_BITS if n_classes <= _IGNORED_OF_8_BITS else _IGNORED_OF_16_BITS
        return cls(tuple(range(n_classes)), (ignore_index,))

    @classmethod
    def of_dataset(cls, dataset: DatasetDescriptor, ignore_index: int | None = None) -> "MaskEncoding":
        """The encoding that a data set's descriptor describes; `ignore_index` is one more value to ignore."""
        label_format = dataset.label_format
        colors = label_format.encoding == "color"
        stored = label_format.stored_values
        if colors:
            stored = tuple(red << 16 | green << 8 | blue for red, green, blue in dataset.palette)
        # What masks are padded with; and 0 where ids begin at 1.
        usual = [value for value in (dataset.ignore_index, 0) if value not in (None, *stored)] if not colors else []
        return cls(
            stored=stored,
            ignored=tuple(value for value in (ignore_index, *usual) if value is not None),
            colors=colors,
            channel=None if colors else label_format.channel,
            ignores_unknown=dataset.ignore_index is not None,
            palette=None if colors else dict(zip(stored, dataset.palette, strict=True)),
        )


class MaskDecoder:
    """Turns what masks store into indices of the classes that are evaluated.

    Parameters
    ----------
    encoding : MaskEncoding
        How the masks store classes.
    evaluated : sequence of int
        Index of each of the encoding's classes among those that are evaluated; -1 where it is not counted.
    n_evaluated : int
        Number of classes that are evaluated.
    """

    def __init__(self, encoding: MaskEncoding, evaluated: Sequence[int], n_evaluated: int) -> None:
        self.encoding = encoding
        self.dtype: np.dtype[np.unsignedinteger] = np.dtype(np.uint8 if n_evaluated < 254 else np.uint16)
        self.uncounted = int(np.iinfo(self.dtype).max)
        """What `decode` gives where nothing is counted."""
        self._unknown = self.uncounted - 1
        meanings = list(zip(encoding.stored, evaluated, strict=True))
        counted = {index for stored, index in meanings if stored not in encoding.ignored}
        self.excluded = tuple(sorted({index for index in evaluated if index >= 0} - counted))
        """Evaluated classes all of whose pixels are ignored, and which so have no scores."""
        self._indices = {stored: self.uncounted if index < 0 else index for stored, index in meanings} | dict.fromkeys(
            encoding.ignored, self.uncounted
        )

    def decode(self, mask: np.ndarray) -> npt.NDArray[np.unsignedinteger]:
        """Indices ``(height, width)`` of the evaluated classes.

        Parameters
        ----------
        mask : numpy.ndarray
            Integers ``(height, width)`` or ``(height, width, n_channels)`` as stored; uint8 ``(height, width, 3)``
            where the encoding is by colours.

        Raises
        ------
        EvaluationError
            The mask has another shape or type, or holds a value that stands for nothing.
        """
        return self.decode_with_strange(mask)[0]

    def decode_with_strange(self, mask: np.ndarray) -> tuple[npt.NDArray[np.unsignedinteger], npt.NDArray[np.int64]]:
        """The same as `decode`, and the stored values of the pixels that stand for nothing but are ignored, ``(n,)``.

        Those are neither classes of a data set nor what its masks are padded with: perhaps they are of another one.
        """
        values = self._packed(mask)
        indices: npt.NDArray[np.unsignedinteger]
        if self.encoding.colors or values.dtype in (np.uint8, np.uint16):
            indices = self._table[values]
        else:
            found, places = np.unique(values, return_inverse=True)
            meanings = [self._indices.get(value, self._unknown) for value in found.tolist()]
            indices = np.array(meanings, dtype=self.dtype)[places.reshape(values.shape)]
        is_strange = indices == self._unknown
        strange: npt.NDArray[np.int64] = values[is_strange].astype(np.int64)
        if strange.size and not self.encoding.ignores_unknown:
            raise self._unknown_value(int(strange[0]))
        indices[is_strange] = self.uncounted
        return indices, strange

    def _packed(self, mask: np.ndarray) -> np.ndarray:
        """One integer per pixel."""
        if mask.dtype.kind not in "iu":
            raise EvaluationError(f"a mask of {mask.dtype} holds no class values; give integers")
        if self.encoding.colors:
            if mask.ndim != 3 or mask.shape[2] != 3 or mask.dtype != np.uint8:
                raise EvaluationError(
                    f"a mask of colours is uint8 (height, width, 3), not {mask.dtype} of shape {mask.shape}"
                )
            red, green, blue = np.moveaxis(mask.astype(np.int32), 2, 0)
            packed: npt.NDArray[np.int32] = red << 16 | green << 8 | blue
            return packed
        if mask.ndim == 3 and self.encoding.channel is not None and self.encoding.channel < mask.shape[2]:
            mask = mask[..., self.encoding.channel]
        if mask.ndim != 2:
            raise EvaluationError(f"a mask has shape (height, width), not {mask.shape}")
        return mask

    @cached_property
    def _table(self) -> npt.NDArray[np.unsignedinteger]:
        """The index of every colour, or of every value of 16 bits."""
        table = np.full(2**24 if self.encoding.colors else 2**16, self._unknown, dtype=self.dtype)
        for stored, index in self._indices.items():
            if 0 <= stored < len(table):
                table[stored] = index
        return table

    def as_written(self, value: int) -> str:
        """A stored value in words: a number, or a colour as ``#rrggbb``."""
        return f"#{value:06x}" if self.encoding.colors else str(value)

    def _unknown_value(self, value: int) -> EvaluationError:
        if self.encoding.colors:
            return EvaluationError(
                f"the mask holds the colour {self.as_written(value)}, which stands for no class; is it of another data "
                "set?"
            )
        stored = self.encoding.stored
        ignored = "".join(f", and {index} is ignored" for index in self.encoding.ignored)
        return EvaluationError(
            f"the mask holds the value {value}, which stands for no class ({min(stored)}…{max(stored)} do{ignored}); "
            f"name the data set whose encoding the masks have (dataset=...), or pass ignore_index={value}"
        )
