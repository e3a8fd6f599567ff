"""Crops go through the network in batches; each output comes to who asked for it, in the order of asking."""

import weakref
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from toolkit.segmentation.batching import Batches, BatchSize, is_out_of_memory

CPU = torch.device("cpu")
SHAPES = [(3, 2, 2), (3, 4, 2), (3, 1, 1)]


class RecordedNetwork:
    """Gives each crop's first channel, and remembers what it was called with; too little memory for large batches."""

    def __init__(self, *, fixed_shape: bool = False, most_crops: int = 1000, error: Exception | None = None) -> None:
        self.fixed_shape = fixed_shape
        self.memory_format = torch.channels_last
        self.batches: list[Tensor] = []
        self.watch: Callable[[Tensor], None] = lambda crops: None
        self._most_crops = most_crops
        self._error = error or torch.OutOfMemoryError("no memory")

    @property
    def sizes(self) -> list[int]:
        """Crops per call."""
        return [len(crops) for crops in self.batches]

    def __call__(self, crops: Tensor) -> Tensor:
        self.watch(crops)
        self.batches.append(crops.clone())
        if len(crops) > self._most_crops:
            raise self._error
        return crops[:, :1].clone()


def batches_of(network: RecordedNetwork, batch_size: int | None = None) -> Batches:
    """Batches for a network that is not a model's."""
    return Batches(network, batch_size)  # type: ignore[arg-type]


def crop(value: float, shape: tuple[int, ...] = (3, 2, 2)) -> Tensor:
    """A crop that can be told from others."""
    return torch.full(shape, float(value))


class Taken:
    """What arrived, in the order of arrival: (who asked, what came)."""

    def __init__(self) -> None:
        self.events: list[tuple[int, float] | str] = []

    def by(self, number: int) -> Callable[[Tensor], None]:
        """Receive for one who asked."""
        return lambda output: self.events.append((number, output.mean().item()))

    def note(self, text: str) -> Callable[[], None]:
        """Remember that something was called."""
        return lambda: self.events.append(text)


@settings(deadline=None, max_examples=150, derandomize=True)
@given(
    shapes=st.lists(st.sampled_from(SHAPES), max_size=30),
    batch_size=st.none() | st.integers(1, 9),
    fixed_shape=st.booleans(),
    most_crops=st.integers(1, 9),
)
def test_outputs_come_in_order_and_to_who_asked(
    shapes: list[tuple[int, ...]], batch_size: int | None, fixed_shape: bool, most_crops: int
) -> None:
    network = RecordedNetwork(fixed_shape=fixed_shape, most_crops=most_crops)
    batches, taken = batches_of(network, batch_size), Taken()
    for number, shape in enumerate(shapes):
        batches.add(crop(number, shape), taken.by(number))
    batches.finish()
    assert taken.events == [(number, number) for number in range(len(shapes))]
    assert batches.n_waiting == 0


def test_an_output_has_the_shape_of_its_crop() -> None:
    batches, shapes = batches_of(RecordedNetwork(), 3), []
    for shape in SHAPES:
        batches.add(crop(0, shape), lambda output: shapes.append(tuple(output.shape)))
    batches.finish()
    assert shapes == [(1, *shape[1:]) for shape in SHAPES]


def test_crops_of_one_shape_fill_a_batch_though_others_come_in_between() -> None:
    network = RecordedNetwork()
    batches, taken = batches_of(network, 2), Taken()
    for number, shape in enumerate([SHAPES[0], SHAPES[1], SHAPES[0], SHAPES[1]]):
        batches.add(crop(number, shape), taken.by(number))
    assert network.sizes == [2, 2]
    assert [crops[:, 0, 0, 0].tolist() for crops in network.batches] == [[0, 2], [1, 3]]


def test_the_crop_is_copied() -> None:
    network = RecordedNetwork()
    batches, mine = batches_of(network, 2), crop(5)
    batches.add(mine, lambda _: None)
    mine.zero_()
    batches.finish()
    assert (network.batches[0] == 5).all()


def test_nothing_runs_before_a_batch_is_full() -> None:
    network = RecordedNetwork()
    batches = batches_of(network, 3)
    for _ in range(2):
        batches.add(crop(0), lambda _: None)
    assert network.sizes == []
    assert batches.n_waiting == 2
    batches.add(crop(0), lambda _: None)
    assert network.sizes == [3]
    assert batches.n_waiting == 0


def test_an_action_is_called_once_the_crops_before_it_were_taken() -> None:
    batches, taken = batches_of(RecordedNetwork(), 2), Taken()
    batches.then(taken.note("at once"))
    assert taken.events == ["at once"]
    batches.add(crop(0), taken.by(0))
    batches.then(taken.note("after 0"))
    assert taken.events == ["at once"]
    batches.add(crop(1), taken.by(1))
    batches.then(taken.note("after 1"))
    batches.finish()
    assert taken.events == ["at once", (0, 0), "after 0", (1, 1), "after 1"]


def test_the_oldest_crop_is_finished_with_its_batch_and_no_other() -> None:
    network = RecordedNetwork()
    batches, taken = batches_of(network, 4), Taken()
    for number, shape in enumerate([SHAPES[0], SHAPES[1], SHAPES[0]]):
        batches.add(crop(number, shape), taken.by(number))
    batches.finish_oldest()
    assert network.sizes == [2]
    assert taken.events == [(0, 0)]  # 2 ran with it, but comes after 1
    batches.finish_oldest()
    assert taken.events == [(0, 0), (1, 1), (2, 2)]
    batches.finish_oldest()
    assert network.sizes == [2, 1]


def test_what_is_cleared_is_never_seen_again() -> None:
    network = RecordedNetwork()
    batches, taken = batches_of(network, 2), Taken()
    batches.add(crop(0), taken.by(0))
    batches.then(taken.note("after 0"))
    batches.clear()
    assert batches.n_waiting == 0
    batches.add(crop(1), taken.by(1))
    batches.finish()
    assert taken.events == [(1, 1)]
    assert [crops[:, 0, 0, 0].tolist() for crops in network.batches] == [[1]]


def test_after_an_error_of_the_network_and_clear_work_goes_on() -> None:
    network = RecordedNetwork(most_crops=1, error=RuntimeError("a fault"))
    batches, taken = batches_of(network, 2), Taken()
    batches.add(crop(0), taken.by(0))
    with pytest.raises(RuntimeError, match="a fault"):
        batches.add(crop(1), taken.by(1))
    batches.clear()
    batches.add(crop(2), taken.by(2))
    batches.finish()
    assert taken.events == [(2, 2)]


def test_a_fixed_shape_is_filled_up_with_crops_that_nobody_gets() -> None:
    network = RecordedNetwork(fixed_shape=True)
    batches, taken = batches_of(network, 4), Taken()
    for number in range(6):
        batches.add(crop(number + 1), taken.by(number))
    batches.finish()
    assert network.sizes == [4, 4]
    assert network.batches[1][2:].count_nonzero() == 0
    assert taken.events == [(number, number + 1) for number in range(6)]


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("no memory"), MemoryError(), RuntimeError("DefaultCPUAllocator: not enough")]
)
def test_a_batch_that_does_not_fit_is_halved_and_later_ones_begin_smaller(error: Exception) -> None:
    network = RecordedNetwork(most_crops=3, error=error)
    batches, taken = batches_of(network, 10), Taken()
    for number in range(16):
        batches.add(crop(number), taken.by(number))
    batches.finish()
    assert taken.events == [(number, number) for number in range(16)]
    # 10 and both its halves do not fit; from then on batches have the size that did.
    assert network.sizes == [10, 5, 3, 2, 5, 3, 2, 3, 3]


def test_a_single_crop_that_does_not_fit_is_an_error() -> None:
    network = RecordedNetwork(most_crops=0)
    with pytest.raises(torch.OutOfMemoryError):
        batches_of(network, 1).add(crop(0), lambda _: None)
    assert network.sizes == [1]


def test_other_errors_are_not_taken_for_lack_of_memory() -> None:
    network = RecordedNetwork(most_crops=3, error=RuntimeError("a fault"))
    batches = batches_of(network, 4)
    for _ in range(3):
        batches.add(crop(0), lambda _: None)
    with pytest.raises(RuntimeError, match="a fault"):
        batches.add(crop(0), lambda _: None)
    assert network.sizes == [4]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), True),
        (MemoryError(), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("DefaultCPUAllocator"), False),
    ],
    ids=repr,
)
def test_lack_of_memory_is_told_from_other_errors(error: Exception, expected: bool) -> None:
    assert is_out_of_memory(error) is expected


@pytest.mark.usefixtures("filled_up")
@pytest.mark.parametrize(("batch_size", "n_crops", "expected"), [(16, 5, 8), (16, 1, 1), (6, 5, 6), (16, 16, 16)])
def test_on_a_gpu_a_batch_is_filled_up_to_a_power_of_2(batch_size: int, n_crops: int, expected: int) -> None:
    """But has no more crops than were asked for."""
    network = RecordedNetwork()
    batches, taken = batches_of(network, batch_size), Taken()
    for number in range(n_crops):
        batches.add(crop(number + 1), taken.by(number))
    batches.finish()
    assert network.sizes == [expected]
    assert network.batches[0][n_crops:].count_nonzero() == 0
    assert taken.events == [(number, number + 1) for number in range(n_crops)]


def test_the_memory_of_a_batch_is_free_before_its_outputs_are_worked_on() -> None:
    network, alive = RecordedNetwork(), []
    batches = batches_of(network, 1)
    seen: list[weakref.ref[torch.UntypedStorage]] = []
    network.watch = lambda crops: seen.append(weakref.ref(crops.untyped_storage()))
    batches.add(crop(1), lambda _: alive.extend(one() is not None for one in seen))
    assert alive == [False]


def test_the_size_that_the_oldest_crop_waits_for_is_known() -> None:
    batches = batches_of(RecordedNetwork(), 5)
    assert batches.size_of_oldest == 0
    batches.add(crop(0), lambda _: None)
    assert batches.size_of_oldest == 5
    batches.finish()
    assert batches.size_of_oldest == 0


class Clock:
    """Seconds that pass only while the network works."""

    def __init__(self, seconds_per_call: dict[int, list[float]]) -> None:
        self._left = {size: list(seconds) for size, seconds in seconds_per_call.items()}
        self._now = 0.0

    def __call__(self) -> float:
        return self._now

    def network(self, crops: Tensor) -> Tensor:
        """Takes as long as was said: the calls of each size in their order, the last one from then on."""
        seconds = self._left[len(crops)]
        self._now += seconds.pop(0) if len(seconds) > 1 else seconds[0]
        return crops


@pytest.fixture
def filled_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have partial batches filled up, as on a GPU."""
    monkeypatch.setattr("toolkit.segmentation.batching._FILLED_UP", ("cpu",))


@pytest.fixture
def three_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have 1, 2 and 4 crops tried, as on a device where that pays."""
    monkeypatch.setattr("toolkit.segmentation.batching._CANDIDATES", {"cpu": (1, 2, 4)})


def settle(seconds_per_call: dict[int, list[float]], crop_bytes: int = 12) -> tuple[list[int], int]:
    """Run until a size is found: the sizes that were tried, and the one that was kept."""
    clock = Clock(seconds_per_call)
    size, tried = BatchSize(None, CPU, crop_bytes, clock), []
    for _ in range(30):
        tried.append(size.current)
        size.run(clock.network, torch.zeros(size.current, 3, 1, 1))
    return list(dict.fromkeys(tried)), size.current


@pytest.mark.usefixtures("three_sizes")
class TestAutomaticSize:
    """A number of crops per call that nobody gave."""

    def test_a_larger_batch_is_kept_if_it_is_quicker_per_crop(self) -> None:
        assert settle({1: [1.0], 2: [1.6], 4: [2.4]}) == ([1, 2, 4], 4)

    def test_a_larger_batch_that_is_hardly_quicker_is_not_worth_it(self) -> None:
        assert settle({1: [1.0], 2: [1.98], 4: [0.1]}) == ([1, 2], 1)

    def test_sizes_beyond_one_that_is_slower_are_not_tried(self) -> None:
        assert settle({1: [1.0], 2: [1.6], 4: [4.0]}) == ([1, 2, 4], 2)

    def test_a_first_call_that_sets_things_up_does_not_count_against_a_size(self) -> None:
        assert settle({1: [9.0, 1.0], 2: [9.0, 1.6], 4: [9.0, 2.4]}) == ([1, 2, 4], 4)

    def test_one_hiccup_does_not_decide(self) -> None:
        assert settle({1: [1.0], 2: [1.6, 9.0, 1.6], 4: [9.0, 9.0, 2.4]}) == ([1, 2, 4], 4)

    def test_a_size_that_is_slower_by_far_is_not_tried_a_third_time(self) -> None:
        clock = Clock({1: [1.0], 2: [9.0]})
        size, tried = BatchSize(None, CPU, 12, clock), []
        for _ in range(10):
            tried.append(size.current)
            size.run(clock.network, torch.zeros(size.current, 3, 1, 1))
        assert tried.count(2) == 2
        assert size.current == 1

    def test_a_size_for_which_there_are_never_enough_crops_is_given_up(self) -> None:
        network = RecordedNetwork()
        batches = batches_of(network)
        for _ in range(30):
            batches.add(crop(0), lambda _: None)
            batches.finish()
        assert [size.current for size in batches._sizes.values()] == [1]
        assert network.sizes == [1] * 30

    def test_only_full_batches_are_measured(self) -> None:
        clock = Clock({1: [0.001], 2: [1.0]})
        size = BatchSize(None, CPU, 12, clock)
        while size.current == 1:
            size.run(clock.network, torch.zeros(1, 3, 1, 1))
        for _ in range(30):  # ends of images, say, that fill no batch of 2
            size.run(clock.network, torch.zeros(1, 3, 1, 1))
        assert size.current == 2

    def test_large_crops_are_not_gathered_whatever_is_measured(self) -> None:
        assert settle({1: [1.0]}, crop_bytes=2**30) == ([1], 1)

    def test_a_size_that_did_not_fit_is_not_tried_again(self) -> None:
        network = RecordedNetwork(most_crops=1)
        size = BatchSize(None, CPU, 12, lambda: 0.0)
        for _ in range(30):
            size.run(network, torch.zeros(size.current, 3, 1, 1))
        assert size.current == 1
        assert network.sizes.count(2) == 1


def test_a_given_size_is_kept() -> None:
    clock = Clock({5: [1.0]})
    size = BatchSize(5, CPU, 12, clock)
    for _ in range(5):
        size.run(clock.network, torch.zeros(5, 3, 1, 1))
        assert size.current == 5


def test_on_a_cpu_one_crop_at_a_time_goes_through_the_network() -> None:
    assert settle({1: [1.0]}) == ([1], 1)
