"""Images from a storage server that is 20 ms away, beside one-by-one fetching and beside local files.

    python -m benchmarks.sources [--images 1000] [--delay 0.02] [--segmented 60] [--parts fetching segmenting]

``fetching``: JPEGs over SFTP (a private OpenSSH server behind a proxy through which a round trip takes ``--delay``
seconds more), fetched one by one, as many at once as an engine does, and read from the disk with as many threads. The
three take turns, a hundred images at a time. ``segmenting``: a run of the built-in model over that link and one over
local files, in this process, turn by turn; its efficiency is the ratio of their images per second.

Prints the tables, and writes ``benchmarks/results/sources.csv``.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pandas as pd
from PIL import Image

import toolkit as tk
from toolkit.paths import data_catalog
from toolkit.runs.worker import FETCHES
from toolkit.sources import read_bytes
from toolkit.sources.sftp import CONFIG_VARIABLE
from toolkit.testing.slow_link import SlowLink, slow_link
from toolkit.testing.ssh_server import SshServer

RESULTS = Path(__file__).parent / "results"
_AT_ONCE = 100
_ROUNDS = 3
_SIZE = (640, 480)


def main() -> None:
    """Measure what was asked for, print it, and write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--delay", type=float, default=0.02, help="seconds that a round trip takes more")
    parser.add_argument("--segmented", type=int, default=60, help="images per run")
    parser.add_argument("--parts", nargs="+", default=["fetching", "segmenting"])
    parser.add_argument("--output", type=Path, default=RESULTS / "sources.csv")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        photos = _make_photos(Path(folder) / "photos", given.images)
        with SshServer(Path(folder) / "ssh") as server, slow_link(server.port, given.delay / 2) as link:
            server.trust(server.public_key, link.port)
            os.environ[CONFIG_VARIABLE] = str(server.config)
            tables = []
            if "fetching" in given.parts:
                tables.append(_fetching(photos, server, link))
            if "segmenting" in given.parts:
                tables.append(_segmenting(Path(folder), photos[: given.segmented], server, link))
    table = pd.concat(tables)
    print(table.to_string(float_format="{:.2f}".format))
    given.output.parent.mkdir(exist_ok=True)
    table.to_csv(given.output, float_format="%.4g")


def _fetching(photos: Sequence[Path], server: SshServer, link: SlowLink) -> pd.DataFrame:
    """Images per second of three ways to get their bytes."""
    far = partial(server.uri, port=link.port)
    read_bytes(far(photos[0]))  # connects
    with ThreadPoolExecutor(FETCHES) as pool:
        ways: dict[str, Callable[[Sequence[Path]], list[bytes]]] = {
            "one by one over SFTP": lambda part: [read_bytes(far(photo)) for photo in part],
            f"{FETCHES} at once over SFTP": lambda part: list(pool.map(lambda photo: read_bytes(far(photo)), part)),
            "local files": lambda part: list(pool.map(lambda photo: read_bytes(str(photo)), part)),
        }
        seconds = dict.fromkeys(ways, 0.0)
        for start in range(0, len(photos), _AT_ONCE):
            part = photos[start : start + _AT_ONCE]
            for name, way in ways.items():
                begin = time.perf_counter()
                found = way(part)
                seconds[name] += time.perf_counter() - begin
                assert all(data == photo.read_bytes() for data, photo in zip(found, part, strict=True))
    rates = {name: len(photos) / total for name, total in seconds.items()}
    return _table("fetching", rates, "one by one over SFTP")


def _segmenting(folder: Path, photos: Sequence[Path], server: SshServer, link: SlowLink) -> pd.DataFrame:
    """Images per second of whole runs."""
    model, protocol = tk.load_model("deeplabv3-mobilenetv2-voc"), tk.Protocol(crop_size=473, stride=316)
    uris = {"local files": [str(photo) for photo in photos], "SFTP": [server.uri(photo, link.port) for photo in photos]}
    seconds = dict.fromkeys(uris, 0.0)
    for number in range(_ROUNDS + 1):
        for name, images in uris.items():
            cat = tk.Catalog.create(folder / f"{name}-{number}.zarr", images)
            begin = time.perf_counter()
            tk.segment(cat, model, protocol, labels=False).wait()
            if number:  # the first warms up
                seconds[name] += time.perf_counter() - begin
    return _table("segmenting", {name: _ROUNDS * len(photos) / total for name, total in seconds.items()}, "local files")


def _table(part: str, rates: dict[str, float], base: str) -> pd.DataFrame:
    rows = {
        name: {"part": part, "images_per_second": rate, "ratio": rate / rates[base], "to": base}
        for name, rate in rates.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index")


def _make_photos(folder: Path, n: int) -> list[Path]:
    """JPEGs of a street photo's size, about 60 kB each, all different."""
    folder.mkdir()
    samples = [
        Image.open(path).convert("RGB").resize(_SIZE) for path in sorted((data_catalog() / "samples").glob("*.jpg"))
    ]
    paths = []
    for number in range(n):
        image = samples[number % len(samples)].copy()
        image.putpixel((number % _SIZE[0], number // _SIZE[0]), (255, 0, 0))
        paths.append(folder / f"{number:05d}.jpg")
        image.save(paths[-1], quality=90)
    return paths


if __name__ == "__main__":
    main()
