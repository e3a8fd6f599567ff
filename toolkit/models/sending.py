"""Models for machines that cannot load them by their source: sent in parts, kept by digest, checked before use.

A machine keeps what it got in `toolkit.paths.cache`, under the model's digest, for all engines and later runs.
"""

import contextlib
import io
import secrets
import shutil
import tarfile
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from toolkit.models.bundles import files_of
from toolkit.models.errors import BundleError
from toolkit.models.loading import bundle_folder, load_bundle
from toolkit.models.model import Model
from toolkit.paths import cache

_PART_BYTES = 8 * 2**20
_SECONDS_UNTIL_LEFT = 86_400.0


@dataclass(frozen=True)
class BundlePart:
    """A piece of a model on its way; they are sent in order."""

    digest: str
    """Digest of the model."""
    parcel: str
    """What this sending is called, among others of the same model."""
    number: int
    """Number of the part, from 0."""
    is_last: bool
    """Whether none comes after it."""
    content: bytes
    """At most 8 MiB."""


def parts_of(model: Model) -> Iterator[BundlePart]:
    """A model as a bundle, in parts.

    Raises
    ------
    BundleError
        It cannot be written as a bundle, or would not be the same model afterwards.
    """
    with tempfile.TemporaryDirectory() as beside:
        folder = bundle_folder(model.source)
        if folder is None:
            folder = model.save_bundle(Path(beside) / "bundle")
        if load_bundle(folder).digest != model.digest:
            raise BundleError(f"model {model.name!r} is another than its source {model.source!r} by now")
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w", dereference=True) as tar:
            for file in files_of(folder):
                tar.add(folder / file, arcname=str(file))
    content, parcel = archive.getbuffer(), secrets.token_hex(8)
    begins = range(0, len(content), _PART_BYTES)
    for number, begin in enumerate(begins):
        is_last = number == len(begins) - 1
        yield BundlePart(model.digest, parcel, number, is_last, bytes(content[begin : begin + _PART_BYTES]))


def receive_part(part: BundlePart) -> None:
    """Take in a part; with the last one the model is put together, checked, and kept.

    Raises
    ------
    BundleError
        What arrived is not the model that it is said to be.
    OSError
        It cannot be written.
    """
    parcel = _folder() / f".{part.parcel}.partial"
    if not part.number:
        _clear_left()
    parcel.mkdir(parents=True, exist_ok=True)
    (parcel / f"{part.number:06d}").write_bytes(part.content)
    if not part.is_last:
        return
    try:
        pieces = sorted(path for path in parcel.iterdir() if path.name.isdigit())
        archive = io.BytesIO(b"".join(path.read_bytes() for path in pieces))
        with tarfile.open(fileobj=archive) as tar:
            tar.extractall(parcel / "bundle", filter="data")
        found = load_bundle(parcel / "bundle").digest
        if found != part.digest:
            raise BundleError(f"a model of digest {part.digest[:16]}… was sent, {found[:16]}… arrived")
        with contextlib.suppress(OSError):  # somebody else was quicker with the same
            (parcel / "bundle").rename(_folder() / part.digest)
    except tarfile.TarError as error:
        raise BundleError(f"what arrived of the model {part.digest[:16]}… is damaged: {error}") from error
    finally:
        shutil.rmtree(parcel, ignore_errors=True)


def load_kept(digest: str) -> Model | None:
    """The model of this digest, if this machine has kept it; one that is damaged is removed."""
    folder = _folder() / digest
    if not digest.isalnum() or not folder.is_dir():
        return None
    try:
        model = load_bundle(folder)
        if model.digest == digest:
            return model
    except BundleError:
        pass
    shutil.rmtree(folder, ignore_errors=True)
    return None


def _folder() -> Path:
    return cache() / "models"


def _clear_left() -> None:
    """Remove what of other sendings was left unfinished."""
    for parcel in _folder().glob(".*.partial"):
        with contextlib.suppress(OSError):
            if time.time() - parcel.stat().st_mtime > _SECONDS_UNTIL_LEFT:
                shutil.rmtree(parcel)
