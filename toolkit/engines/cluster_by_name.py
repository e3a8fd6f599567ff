"""Engines by a word: what a notebook's parameter ``cluster`` may say."""

from collections.abc import Iterator
from contextlib import contextmanager

from toolkit.engines.cluster import Cluster

_CONNECT = "connect:"


@contextmanager
def open_cluster(name: str, n: int | None = None) -> Iterator[Cluster | None]:
    """Engines for the time of a ``with`` block.

    Parameters
    ----------
    name : str
        ``"none"``: no engines, the work is done in this process; ``"connect:PROFILE"``: a cluster that runs already;
        else a profile to start, such as ``"local"``.
    n : int, optional
        How many engines to start.

    Yields
    ------
    Cluster or None
        What `toolkit.segment` takes as ``cluster``.

    Raises
    ------
    ValueError, TimeoutError
        There is no such profile, or nothing runs or starts there.
    """
    if name == "none":
        yield None
    elif name.startswith(_CONNECT):
        with Cluster.connect(name.removeprefix(_CONNECT)) as cluster:
            yield cluster
    else:
        with Cluster.start(name, n) as cluster:
            yield cluster
