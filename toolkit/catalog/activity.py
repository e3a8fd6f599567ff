"""Who works on a catalog's runs right now, here or elsewhere, and how fast."""

import time
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd

from toolkit import processes
from toolkit.catalog.format.layout import DONE, FAILED, PENDING
from toolkit.catalog.format.owner import Owner
from toolkit.catalog.format.records import read_sessions
from toolkit.catalog.format.results import RunResults
from toolkit.catalog.owners import Beat, Watch, read_beat

_COLUMNS = ("run_id", "host", "pid", "since", "pending", "images_per_second", "seconds_left")
_ROWS_AT_ONCE = 2**20
_RECENT_MILLISECONDS = 600_000
_SECONDS_BETWEEN_LOOKS = 0.5
_SHARE_OF_LIFE = 0.5
"""A driver of another machine that gave no sign of life for such a share of its time to live is not counted."""


def activity(
    runs: Iterable[RunResults],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> pd.DataFrame:
    """The drivers at work; see `Catalog.activity`."""
    rows: list[dict[str, Any]] = []
    for run in runs:
        sessions = read_sessions(run.store, run.run_id)
        beats = {name: beat for name in sessions if (beat := read_beat(run.store, name)) and not beat.ended}
        living = _living(run, list(beats.values()), clock, sleep)
        pending, rate = _pace(run) if living else (0, float("nan"))
        for owner in living:
            since = pd.Timestamp(sessions[owner.name].started).tz_localize(None)
            left = pending / rate if rate > 0 else float("nan")
            rows.append(
                dict(zip(_COLUMNS, (run.run_id, owner.host, owner.pid, since, pending, rate, left), strict=True))
            )
    return pd.DataFrame(rows, columns=_COLUMNS)


def _living(
    run: RunResults, beats: list[Beat], clock: Callable[[], float], sleep: Callable[[float], None]
) -> list[Owner]:
    """Those that live: a process of this machine is looked at, one of another machine has to be seen to beat."""
    here = [beat.owner for beat in beats if beat.owner.place and beat.owner.place == processes.place()]
    strangers = [beat for beat in beats if beat.owner not in here]
    watch, begin = Watch(run.store, clock), clock()
    while strangers:
        lives = [watch.life(beat.owner) for beat in strangers]
        waited = clock() - begin
        if not any(
            life == "unknown" and waited < _SHARE_OF_LIFE * beat.time_to_live
            for life, beat in zip(lives, strangers, strict=True)
        ):
            here += [beat.owner for life, beat in zip(lives, strangers, strict=True) if life == "alive"]
            break
        sleep(_SECONDS_BETWEEN_LOOKS)
    return [owner for owner in here if not owner.is_gone]


def _pace(run: RunResults) -> tuple[int, float]:
    """How many images are pending, and how many were finished per second in the last minutes of work."""
    pending, begins, ends = 0, [np.empty(0)], [np.empty(0)]
    for _, table, part in run.parts(_ROWS_AT_ONCE):
        values = run.read(table, part, ["started", "seconds"]).values
        status = values["status"]
        pending += int((status == PENDING).sum())
        ended = (status == DONE) | (status == FAILED)
        begins.append(values["started"][ended].astype(float))
        ends.append(begins[-1] + 1000 * np.nan_to_num(values["seconds"][ended]))
    begin, end = np.concatenate(begins), np.concatenate(ends)
    if not end.size:
        return pending, float("nan")
    recent = end > end.max() - _RECENT_MILLISECONDS
    seconds = (end.max() - max(begin[recent].min(), end.max() - _RECENT_MILLISECONDS)) / 1000
    return pending, float(recent.sum() / seconds) if seconds > 0 else float("nan")
