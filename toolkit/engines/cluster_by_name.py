"""Engines by a word: what a notebook's parameter ``cluster`` may say."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from toolkit.engines.cluster import Cluster, check_start

_CONNECT = "connect:"


def open_cluster(name: str, n: int | None = None) -> AbstractContextManager[Cluster | None]:
    """Engines for the time of a ``with`` block. What is given is checked at once, before anything else is made.

    Parameters
    ----------
    name : str
        ``"none"``: no engines, the work is done in this process; ``"connect:PROFILE"``: a cluster that runs already;
        else a profile to start, such as ``"local"``.
    n : int, optional
        How many engines to start.

    Returns
    -------
    context manager
        Gives what `toolkit.segment` takes as ``cluster``.

    Raises
    ------
    TypeError, ValueError
        There is no such profile, or ``n`` is no number of engines.
    TimeoutError, NoEnginesError
        In the ``with`` statement: nothing runs or starts there.
    """
    if name != "none":
        try:
            check_start(name.removeprefix(_CONNECT), n)
        except ValueError as error:
            if name.lower().startswith("no"):
                raise ValueError(f"cluster={name!r}: did you mean 'none', this process? {error}") from error
            raise
    return _opened(name, n)


@contextmanager
def _opened(name: str, n: int | None) -> Iterator[Cluster | None]:
    if name == "none":
        yield None
    elif name.startswith(_CONNECT):
        with Cluster.connect(name.removeprefix(_CONNECT)) as cluster:
            yield cluster
    else:
        with Cluster.start(name, n) as cluster:
            yield cluster
