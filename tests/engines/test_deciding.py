"""What is decided, given what is there: plain data, and clocks that a test makes up."""

import math
from collections.abc import Iterable, Mapping

import pytest

from toolkit.engines import deciding
from toolkit.engines.deciding import Decision, Sight, State, decide

NOW = 1000.0
PLACES = {engine: f"place {engine}" for engine in range(100)}


def elsewhere(*ids: int, jobs: int | None = None, occupied: Iterable[str] = ()) -> Sight:
    """Engines of other machines."""
    return Sight(frozenset(ids), places=PLACES, occupied=frozenset(occupied), jobs=jobs)


def here(pids: Mapping[int, int], *others: int) -> Sight:
    """Engines of this machine, by the processes that they are; and processes that are no members."""
    return Sight(frozenset(pids), pids=pids, processes=frozenset([*pids.values(), *others]))


def state(n: int, *ids: int, **options: object) -> State:
    return State(n, ids=frozenset(ids), **options)  # type: ignore[arg-type]


class TestReplacing:
    def test_nothing_is_done_where_all_is_well(self) -> None:
        before = state(2, 0, 1, replaces=True)
        assert decide(before, elsewhere(0, 1), NOW) == Decision(before)

    @pytest.mark.parametrize("replaces", [True, False])
    def test_one_that_died_is_replaced_if_that_is_wanted(self, replaces: bool) -> None:
        assert decide(state(2, 0, 1, replaces=replaces), elsewhere(1), NOW).start == replaces

    def test_the_place_of_one_that_left_is_free(self) -> None:
        assert decide(state(2, 0, 1), elsewhere(1), NOW).free == {"place 0"}

    def test_what_is_on_its_way_is_not_started_again(self) -> None:
        decision = decide(state(3, 0, replaces=True, coming=(math.inf, math.inf)), elsewhere(0), NOW)
        assert decision.start == 0
        decision = decide(decision.state, elsewhere(0, 1, 2), NOW)
        assert (decision.start, decision.state.coming) == (0, ())

    def test_one_that_dies_just_when_another_joins_is_replaced(self) -> None:
        assert decide(state(2, 0, coming=(math.inf,), replaces=True), elsewhere(1), NOW).start == 1

    def test_engines_of_this_machine_count_as_soon_as_they_are_processes(self) -> None:
        assert decide(state(3, 0, replaces=True), here({0: 10}, 11), NOW).start == 1

    def test_what_could_not_be_started_is_tried_again_later(self) -> None:
        before = state(4, 0, replaces=True)
        after = before.after_start(3, 1, NOW, NOW + 100)
        assert decide(after, elsewhere(0), NOW + 1).start == 0
        assert decide(after, elsewhere(0), NOW + deciding.SECONDS_AFTER_ERROR).start == 2

    @pytest.mark.parametrize(("n", "most"), [(1, 30), (100, 200)])
    def test_after_many_deaths_in_a_minute_it_gives_up_until_somebody_asks(self, n: int, most: int) -> None:
        now, n_started, current = NOW, 0, state(n, replaces=True)
        while (decision := decide(current, here({}), now)).start:
            n_started += decision.start
            current, now = decision.state.after_start(decision.start, decision.start, now, None), now + 0.5
        assert n_started == most
        assert decision.state.gave_up
        assert decision.words == (
            f"{most} engines were started within 60 s; no more are until Cluster.scale is called",
        )
        assert decide(decision.state, here({}), now + 3600) == Decision(decision.state)
        assert decide(decision.state.scaled(n), here({}), now).start == n

    def test_many_jobs_that_end_together_and_now_and_then_one_are_no_reason_to_give_up(self) -> None:
        current = decide(state(100, *range(100), replaces=True), elsewhere(), NOW).state
        current = current.after_start(100, 100, NOW, math.inf)
        decision = decide(current, elsewhere(*range(100, 200)), NOW + 10)
        assert decide(decision.state, elsewhere(*range(101, 200)), NOW + 20).start == 1

    def test_deaths_that_are_far_apart_are_no_reason_either(self) -> None:
        now, current = NOW, state(1, replaces=True)
        for _ in range(100):
            decision = decide(current, here({}), now)
            assert decision.start == 1
            current, now = decision.state.after_start(1, 1, now, None), now + 3.0


class TestScaling:
    def test_more_are_started_and_not_twice(self) -> None:
        decision = decide(state(2, 0, 1).scaled(4), elsewhere(0, 1), NOW)
        assert decision.start == 2
        assert decide(decision.state.after_start(2, 2, NOW, math.inf), elsewhere(0, 1), NOW).start == 0

    @pytest.mark.parametrize(("second", "start"), [(10, 8), (8, 6), (2, 0), (12, 10)])
    def test_without_replacing_the_last_word_counts(self, second: int, start: int) -> None:
        assert decide(state(2, 0, 1).scaled(10).scaled(second), elsewhere(0, 1), NOW).start == start

    def test_to_say_it_again_replaces_what_has_died(self) -> None:
        before = state(4, 0, 1, 2, 3)
        died = decide(before, elsewhere(0), NOW)
        assert died.start == 0
        assert decide(died.state.scaled(4), elsewhere(0), NOW).start == 3

    def test_without_replacing_a_start_that_failed_is_tried_again(self) -> None:
        failed = state(1, 0).scaled(3).after_start(2, 0, NOW, math.inf)
        assert decide(failed, elsewhere(0), NOW + 1).start == 0
        assert decide(failed, elsewhere(0), NOW + deciding.SECONDS_AFTER_ERROR).start == 2

    def test_without_replacing_so_many_are_started_until_they_were_there_at_once(self) -> None:
        started = state(1, 0).scaled(3).after_start(2, 2, NOW, NOW + 100)
        assert decide(started, elsewhere(0, 1), NOW + 50).start == 0  # the other may yet join
        assert decide(started, elsewhere(0, 1), NOW + 101).start == 1
        there = decide(started, elsewhere(0, 1, 2), NOW + 50)
        assert decide(there.state, elsewhere(0, 1), NOW + 60).start == 0

    def test_what_scaling_starts_replaces_none(self) -> None:
        decision = decide(state(1, 0, replaces=True).scaled(500), here({0: 1}), NOW)
        current = decision.state.after_start(499, 499, NOW, None)
        assert decide(current, here({0: 1}, *range(2, 500)), NOW + 5).start == 1

    def test_those_too_many_leave_the_newest_first(self) -> None:
        decision = decide(state(3, 0, 1, 2).scaled(1), elsewhere(0, 1, 2), NOW)
        assert (decision.retire, decision.start) == ((1, 2), 0)
        again = decide(decision.state, elsewhere(0, 1, 2), NOW + 1)
        assert (again.retire, again.end) == ((), ())

    def test_one_that_does_not_leave_is_ended(self) -> None:
        decision = decide(state(2, 0, 1).scaled(1), elsewhere(0, 1), NOW)
        assert decide(decision.state, elsewhere(0, 1), NOW + deciding.SECONDS_TO_RETIRE + 1).end == (1,)
        assert decide(decision.state, elsewhere(0), NOW + deciding.SECONDS_TO_RETIRE + 1).end == ()

    @pytest.mark.parametrize("sight", [elsewhere(0, 1), here({0: 10, 1: 11})])
    def test_one_that_leaves_counts_no_more_when_more_are_wanted(self, sight: Sight) -> None:
        decision = decide(state(2, 0, 1).scaled(1), sight, NOW)
        assert decide(decision.state.scaled(2), sight, NOW + 1).start == 1

    def test_a_job_that_comes_back_by_itself_makes_one_too_many_leave(self) -> None:
        """As one that a scheduler has requeued, when another has taken its place."""
        decision = decide(state(2, 1, replaces=True, coming=(math.inf,)), elsewhere(1, 2, 3), NOW)
        assert (decision.retire, decision.start) == ((3,), 0)


class TestJoining:
    def test_those_that_do_not_join_in_time_are_given_up_and_their_places_are_free(self) -> None:
        before = state(4, 0, 1, replaces=True, coming=(NOW - 2, NOW - 1))
        decision = decide(before, elsewhere(0, 1, occupied=PLACES.values()), NOW)
        assert decision.free == set(PLACES.values()) - {"place 0", "place 1"}
        assert decision.start == 2
        assert decision.words == ("2 engines that were started did not join within 180 s",)

    def test_places_stay_as_long_as_one_may_yet_join(self) -> None:
        before = state(4, 0, 1, replaces=True, coming=(NOW - 2, NOW + 1))
        assert decide(before, elsewhere(0, 1, occupied=PLACES.values()), NOW) == Decision(before)

    def test_no_place_is_freed_as_long_as_a_member_is_unknown(self) -> None:
        sight = Sight(frozenset({0, 1}), places={0: "place 0"}, occupied=frozenset(PLACES.values()))
        assert decide(state(3, 0, 1, coming=(NOW - 1,)), sight, NOW).free == set()

    def test_a_job_may_stand_in_a_queue_for_long(self) -> None:
        before = state(2, 0, replaces=True, coming=(math.inf,))
        assert decide(before, elsewhere(0, jobs=2), NOW + 1e7) == Decision(before)
        assert decide(before, elsewhere(0, jobs=None), NOW + 1e7) == Decision(before)


class TestJobs:
    def test_one_that_was_cancelled_in_the_queue_is_replaced(self) -> None:
        decision = decide(state(3, 0, 1, replaces=True, coming=(math.inf,)), elsewhere(0, 1, jobs=2), NOW)
        assert decision.start == 0  # one of the two may have ended just now
        assert decide(decision.state, elsewhere(0, 1, jobs=2), NOW + deciding.SECONDS_WITHOUT_JOB).start == 0
        decision = decide(decision.state, elsewhere(0, 1, jobs=2), NOW + deciding.SECONDS_WITHOUT_JOB + 1)
        assert decision.start == 1
        assert decision.words == ("1 jobs ended before their engines joined",)

    def test_at_once_where_no_engine_is_there(self) -> None:
        assert decide(state(3, replaces=True, coming=(math.inf,) * 3), elsewhere(jobs=1), NOW).start == 2

    def test_a_running_one_that_ended_is_replaced_once(self) -> None:
        """The scheduler knows at once, the controller half a minute later."""
        first = decide(state(3, 0, 1, replaces=True, coming=(math.inf,)), elsewhere(0, 1, jobs=2), NOW)
        second = decide(first.state, elsewhere(1, jobs=2), NOW + 30)
        assert second.start == 1
        third = decide(second.state.after_start(1, 1, NOW + 30, math.inf), elsewhere(1, jobs=3), NOW + 200)
        assert (third.start, len(third.state.coming)) == (0, 2)

    def test_those_of_somebody_else_are_none_of_ours(self) -> None:
        before = state(3, 0, 1, foreign=frozenset({0, 1}), coming=(math.inf,))
        assert decide(before, elsewhere(0, 1, jobs=1), NOW) == Decision(before)

    def test_without_replacing_it_is_only_waited_for_no_more(self) -> None:
        decision = decide(state(2, coming=(math.inf,) * 2), elsewhere(jobs=0), NOW)
        assert (decision.start, decision.state.coming) == (0, ())


class TestAstray:
    def test_one_that_was_given_up_is_ended_and_counts_no_more(self) -> None:
        before = decide(state(2, 0, 1, replaces=True), here({0: 10, 1: 11}), NOW).state
        decision = decide(before, here({0: 10}, 11), NOW)
        assert (decision.start, decision.kill) == (1, set())
        decision = decide(decision.state, here({0: 10}, 11, 12), NOW + deciding.SECONDS_TO_REJOIN + 1)
        assert (decision.start, decision.kill) == (0, {11})
        assert decision.words == ("engine process 11 was given up by the controller; it is ended",)

    def test_one_that_joins_again_in_time_lives(self) -> None:
        before = decide(state(2, 0, 1), here({0: 10, 1: 11}), NOW).state
        away = decide(before, here({0: 10}, 11), NOW).state
        back = decide(away, here({0: 10, 2: 11}), NOW + 1)
        assert decide(back.state, here({0: 10, 2: 11}), NOW + 100).kill == set()

    def test_one_that_has_not_joined_yet_may_take_its_time(self) -> None:
        decision = decide(state(2, 0), here({0: 10}, 11), NOW)
        assert decide(decision.state, here({0: 10}, 11), NOW + 1000).kill == set()
