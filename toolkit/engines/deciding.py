"""How many engines are to be started, and which are to end: decided from what is there, without doing any of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from toolkit.engines.inside.retirement import GRACE_SECONDS

# Engines that die faster than this die of something that new ones would die of too.
MOST_STARTED = 30
MOST_STARTED_EACH = 2
STARTED_SECONDS = 60.0

SECONDS_AFTER_ERROR = 30.0
SECONDS_TO_JOIN = 180.0
SECONDS_TO_RETIRE = GRACE_SECONDS + 20.0  # and an image or so that it was at when the work cannot be given up
SECONDS_TO_REJOIN = 5.0
SECONDS_WITHOUT_JOB = 90.0  # longer than the controller takes to notice that an engine is gone


@dataclass(frozen=True)
class Sight:
    """What is there at a moment."""

    ids: frozenset[int]
    """The engines that are registered."""
    pids: Mapping[int, int] = field(default_factory=dict)
    """The process of each engine that is known to be on this machine."""
    places: Mapping[int, str] = field(default_factory=dict)
    """The place of each engine that has said it, also of those that have left; "" where a launcher knows none."""
    processes: frozenset[int] | None = None
    """The processes of engines of this machine that live; None: engines are elsewhere, and only joining tells."""
    occupied: frozenset[str] = frozenset()
    """The places on other machines in which engines were started."""
    jobs: int | None = None
    """Engines of ours that a scheduler runs or has in its queue; None: that is not known."""


@dataclass(frozen=True)
class State:
    """What is wanted, and what has to be remembered from one moment to the next."""

    n: int
    """How many engines there are to be."""
    replaces: bool = False
    """Whether engines that die are replaced."""
    filling: bool = False
    """Whether so many are to be started as were asked for: until they have been there at once."""
    foreign: frozenset[int] = frozenset()
    """Engines that somebody else started."""
    ids: frozenset[int] = frozenset()
    """The engines that were registered a moment ago."""
    coming: tuple[float, ...] = ()
    """Until when each engine of another machine that was started, and has not joined, is waited for."""
    retiring: Mapping[int, float] = field(default_factory=dict)
    """Engines that were told to leave, and when."""
    joined: frozenset[int] = frozenset()
    """Processes of this machine that have joined."""
    astray: Mapping[int, float] = field(default_factory=dict)
    """Those of them that the controller has given up, and since when."""
    started: tuple[float, ...] = ()
    """When engines were started, lately."""
    not_before: float = 0.0
    """Nothing is started before that, because it could not be."""
    without_job_since: float | None = None
    """Since when fewer jobs are known to the scheduler than there should be."""
    gave_up: bool = False
    """Whether too many died."""

    def scaled(self, n: int) -> "State":
        """Somebody wants so many."""
        return replace(self, n=n, filling=True, gave_up=False, not_before=0.0, started=())

    def after_start(self, n_wanted: int, n_started: int, now: float, join_before: float | None) -> "State":
        """So many were started; where only joining tells, they may join until then."""
        return replace(
            self,
            coming=self.coming if join_before is None else self.coming + (join_before,) * n_started,
            started=self.started + (now,) * n_started,
            not_before=self.not_before if n_started >= n_wanted else now + SECONDS_AFTER_ERROR,
        )


@dataclass(frozen=True)
class Decision:
    """What is to be done now."""

    state: State
    """What to remember."""
    start: int = 0
    """How many engines to start."""
    retire: tuple[int, ...] = ()
    """Engines to tell to leave."""
    end: tuple[int, ...] = ()
    """Engines that were told, and did not."""
    kill: frozenset[int] = frozenset()
    """Processes of this machine to kill."""
    free: frozenset[str] = frozenset()
    """Places on other machines to free, ending what may be left there."""
    words: tuple[str, ...] = ()
    """What a person should know."""


def decide(state: State, sight: Sight, now: float) -> Decision:
    """What is to be done, given what is there at the moment ``now`` (seconds of a clock that nobody sets)."""
    left, n_came = state.ids - sight.ids, len(sight.ids - state.ids)
    state = replace(state, ids=sight.ids, coming=state.coming[n_came:])
    retiring = {engine: since for engine, since in state.retiring.items() if engine in sight.ids}
    retire = tuple(sorted(sight.ids - retiring.keys())[state.n :])  # the newest
    state = replace(state, retiring=retiring | dict.fromkeys(retire, now))
    end = tuple(engine for engine, since in state.retiring.items() if now - since > SECONDS_TO_RETIRE)
    n_members = len(sight.ids - state.retiring.keys())
    state = replace(state, filling=state.filling and n_members < state.n)
    kill, free, words = frozenset[int](), frozenset[str](), list[str]()
    if sight.processes is None:
        state, free = _give_up_late(state, sight, now, words)
        free |= {sight.places[engine] for engine in left if sight.places.get(engine)}
        state = _give_up_without_job(state, sight, now, words)
        n_present = n_members + len(state.coming)
    else:
        state, kill = _find_astray(state, sight, sight.processes, now, words)
        leaving = {sight.pids[engine] for engine in state.retiring if engine in sight.pids}
        n_present = len(sight.processes - state.astray.keys() - leaving)
    state, start = _fill(state, state.n - n_present, now, words)
    return Decision(state, start, retire, end, kill, free, tuple(words))


def _give_up_late(state: State, sight: Sight, now: float, words: list[str]) -> tuple[State, frozenset[str]]:
    """Engines that were started on other machines and have not joined in time will not: free their places."""
    if not state.coming or max(state.coming) >= now:
        return state, frozenset()
    words.append(f"{len(state.coming)} engines that were started did not join within {SECONDS_TO_JOIN:g} s")
    joined = {sight.places[engine] for engine in sight.ids if engine in sight.places}
    all_known = len(joined) == len(sight.ids)
    return replace(state, coming=()), sight.occupied - joined if all_known else frozenset()


def _give_up_without_job(state: State, sight: Sight, now: float, words: list[str]) -> State:
    """Engines are not waited for whose jobs were cancelled in the queue."""
    n_mine = len(sight.ids - state.foreign)
    n_lost = 0 if sight.jobs is None else min(n_mine + len(state.coming) - sight.jobs, len(state.coming))
    if n_lost <= 0:
        return replace(state, without_job_since=None)
    since = now if state.without_job_since is None else state.without_job_since
    if n_mine and now - since <= SECONDS_WITHOUT_JOB:  # one of them may have ended, and the controller not know it yet
        return replace(state, without_job_since=since)
    words.append(f"{n_lost} jobs ended before their engines joined")
    return replace(state, coming=state.coming[: len(state.coming) - n_lost], without_job_since=None)


def _find_astray(
    state: State, sight: Sight, processes: frozenset[int], now: float, words: list[str]
) -> tuple[State, frozenset[int]]:
    """Engines that the controller has given up, as after SIGSTOP, get no work any more: they are ended."""
    members = {sight.pids[engine] for engine in sight.ids if engine in sight.pids}
    joined = processes & (state.joined | members)
    astray = {process: state.astray.get(process, now) for process in joined - members}
    kill = frozenset(process for process, since in astray.items() if now - since > SECONDS_TO_REJOIN)
    words += [f"engine process {process} was given up by the controller; it is ended" for process in sorted(kill)]
    return replace(state, joined=joined, astray=astray), kill


def _fill(state: State, n_missing: int, now: float, words: list[str]) -> tuple[State, int]:
    """How many to start."""
    if n_missing <= 0 or state.gave_up or now < state.not_before or not (state.replaces or state.filling):
        return state, 0
    state = replace(state, started=tuple(when for when in state.started if now - when < STARTED_SECONDS))
    most = max(MOST_STARTED, MOST_STARTED_EACH * state.n)
    if len(state.started) >= most:
        words.append(
            f"{most} engines were started within {STARTED_SECONDS:g} s; no more are until Cluster.scale is called"
        )
        return replace(state, gave_up=True), 0
    return state, n_missing
