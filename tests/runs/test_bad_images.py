"""Ten good photos and seven that are not: each bad one fails alone, with its own reason, and can be tried again."""

import hashlib
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
import xarray as xr
from PIL import Image

import toolkit as tk
from toolkit import Catalog, Model, Protocol, Run
from toolkit.testing.waiting import PATIENCE

BAD = {
    "truncated.jpg": "truncated",
    "text.jpg": "not_an_image",
    "empty.jpg": "empty",
    "missing.jpg": "missing",
    "unreadable.jpg": "unreadable",
    "huge.png": "too_large",
    "animated.gif": "unsupported_format",
}
REASON = {
    "truncated.jpg": "is a JPEG whose end is missing",
    "text.jpg": "which is no picture",
    "empty.jpg": "the file has no bytes",
    "missing.jpg": "the file does not exist",
    "unreadable.jpg": "the file cannot be read",
    "huge.png": "has 20000 × 20000 pixels",
    "animated.gif": "is a file of format GIF",
}
MENDED = ["missing.jpg", "truncated.jpg"]


@pytest.fixture(scope="module")
def photos(make_photos: Callable[..., list[Path]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of ten good photos and the bad ones, with `mended` beside it for those that can be mended."""
    folder = tmp_path_factory.mktemp("job") / "photos"
    good = make_photos(folder)
    with Image.open(good[0]) as image:
        image.save(folder / "truncated.jpg", quality=95)
    whole = (folder / "truncated.jpg").read_bytes()
    (folder / "truncated.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "text.jpg").write_text("Dear diary, today I took no photos.")
    (folder / "empty.jpg").touch()
    if os.geteuid() == 0:  # permissions do not keep root out
        (folder / "unreadable.jpg").symlink_to("unreadable.jpg")
    else:
        (folder / "unreadable.jpg").write_bytes(whole)
        (folder / "unreadable.jpg").chmod(0)
    write_huge_png(folder / "huge.png", side=20_000)
    frames = [Image.new("RGB", (96, 64), colour) for colour in ("red", "green", "blue")]
    frames[0].save(folder / "animated.gif", save_all=True, append_images=frames[1:])
    return folder


@pytest.fixture(scope="module")
def catalog(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """Good and bad ones in turn, so that each block and batch holds both."""
    good = sorted(photos.glob("0*.png"))
    bad = [photos / name for name in BAD]
    mixed = [path for pair in zip(good, bad, strict=False) for path in pair] + good[len(bad) :]
    return Catalog.create(tmp_path_factory.mktemp("catalog") / "demo.zarr", mixed, block_size=8)


@pytest.fixture(scope="module")
def first(catalog: Catalog, model: Model, small_protocol: Protocol) -> Run:
    run = tk.segment(catalog, model, small_protocol)
    run.wait(PATIENCE)
    return run


def write_huge_png(path: Path, side: int) -> None:
    """A small file that unpacks to side × side pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    scanline = bytes(1 + side // 8)  # no filter, one bit per pixel
    packer = zlib.compressobj(1)
    pixels = b"".join(packer.compress(scanline * 100) for _ in range(side // 100)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b""))


def names(table: xr.Dataset) -> list[str]:
    return [Path(uri).name for uri in table.uri.values]


def test_the_bomb_is_small_on_disk(photos: Path) -> None:
    assert (photos / "huge.png").stat().st_size < 2**20


def test_the_run_ends_by_itself_and_counts_them(first: Run) -> None:
    progress = first.progress
    assert (progress.state, progress.done, progress.failed, progress.pending) == ("finished", 10, 7, 0)


def test_the_good_ones_are_done_and_the_bad_ones_failed_each_with_its_code(catalog: Catalog, first: Run) -> None:
    table = catalog.to_xarray(first.id)
    found = dict(zip(names(table), zip(table.status.values, table.error.values, strict=True), strict=True))
    for name, (status, error) in found.items():
        assert (status, error) == (("failed", BAD[name]) if name in BAD else ("done", "")), name
    assert table.attempts.values.tolist() == [1] * 17


def test_each_reason_names_the_file(catalog: Catalog, photos: Path, first: Run) -> None:
    errors = catalog.errors(first.id)
    assert {Path(uri).name: error for uri, error in zip(errors.uri, errors.error, strict=True)} == BAD
    for uri, message in zip(errors.uri, errors.message, strict=True):
        assert uri in message
        assert REASON[Path(uri).name] in message
    assert set(errors.attempts) == {1}
    assert (errors.engine != "").all()
    assert errors.time.notna().all()


def test_retrying_tries_only_the_failed_ones_and_touches_nothing_done(
    catalog: Catalog, photos: Path, model: Model, small_protocol: Protocol, first: Run
) -> None:
    before, stored = catalog.to_xarray(first.id), stored_objects(catalog, first.id)
    with Image.open(photos / "000-basketball1.png") as image:
        for name in MENDED:
            image.save(photos / name)

    run = tk.segment(catalog, model, small_protocol, retry="failed")
    run.wait(PATIENCE)
    assert run.id == first.id
    assert (run.progress.processed, run.progress.done, run.progress.failed) == (7, 12, 5)

    after = catalog.to_xarray(run.id)
    good = [row for row, name in enumerate(names(after)) if name not in BAD]
    xr.testing.assert_identical(after.isel(image=good), before.isel(image=good))
    for row, name in enumerate(names(after)):
        if name in BAD:
            assert after.attempts.values[row] == 2, name
            assert after.status.values[row] == ("done" if name in MENDED else "failed"), name
    later = stored_objects(catalog, run.id)
    assert {key: later[key] for key in stored} == stored  # not one byte or time of what was there has changed

    errors = catalog.errors(run.id)
    left = {name: code for name, code in BAD.items() if name not in MENDED}
    assert {Path(uri).name: error for uri, error in zip(errors.uri, errors.error, strict=True)} == left
    assert set(errors.attempts) == {2}
    assert all(uri in message for uri, message in zip(errors.uri, errors.message, strict=True))
    assert catalog.labels(run.id, str(photos / "missing.jpg")).shape == (64, 96)


def stored_objects(catalog: Catalog, run_id: str) -> dict[str, tuple[str, int]]:
    """Digest and time of change of every chunk of a run's results and label maps."""
    root = Path(str(catalog.store.root))  # type: ignore[attr-defined]
    files = [path for path in (root / "runs" / run_id).rglob("*") if path.is_file() and "/c/" in str(path)]
    return {str(path): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns) for path in files}
