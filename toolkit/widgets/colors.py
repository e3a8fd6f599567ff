"""One colour per class, the same in every picture."""

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np

from toolkit.catalog import Catalog


def class_colors(catalog: Catalog, run_id: str | None, class_names: Sequence[str]) -> dict[str, tuple[float, ...]]:
    """RGB in 0…1 of each class: the model's palette, or evenly spaced hues where it has none.

    Parameters
    ----------
    catalog : Catalog
        Knows the palette.
    run_id : str or None
        The run; the newest if None.
    class_names : sequence of str
        All classes, in order.

    Returns
    -------
    dict
        By class name.
    """
    palette = catalog.palette(run_id)
    hues = mpl.colormaps["hsv"](np.linspace(0, 1, len(class_names), endpoint=False))
    return {
        name: tuple(np.array(palette[name]) / 255) if name in palette else tuple(hue[:3])
        for name, hue in zip(class_names, hues, strict=True)
    }
