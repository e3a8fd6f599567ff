"""A reader that never rests: ``poll.py CATALOG`` reads the results until nothing is pending.

Whenever more is done than before, it prints how much is, and which rows it ever found to be wrong.
"""

import json
import sys

import numpy as np

from toolkit.catalog import Catalog, CatalogError


def main(path: str) -> None:
    catalog = Catalog.open(path)
    wrong: list[int] = []
    n_done = 0
    print("ready", flush=True)
    while True:
        try:
            table = catalog.to_xarray()
        except CatalogError as error:
            if "no runs yet" not in str(error):
                raise
            continue
        done = table.status.values == "done"
        sums = table.composition.values.sum(axis=1)
        off = done & ~(np.abs(sums - 1) <= 1e-5)
        off |= done & ((table.height.values == 0) | (table.attempts.values != 1) | np.isnan(table.seconds.values))
        off |= ~done & ~np.isnan(table.composition.values).all(axis=1)
        wrong += table.image.values[off].tolist()
        if done.any():
            newest = int(np.flatnonzero(done)[-1])
            labels = catalog.labels(None, newest)
            shares = np.bincount(labels.ravel(), minlength=table.sizes["class_name"]) / labels.size
            if not np.allclose(shares, table.composition.values[newest], atol=1e-5):
                wrong.append(newest)
        if done.sum() != n_done:
            n_done = int(done.sum())
            print(json.dumps({"done": n_done, "wrong": wrong}), flush=True)
        if not (table.status.values == "pending").any():
            break


if __name__ == "__main__":
    main(sys.argv[1])
