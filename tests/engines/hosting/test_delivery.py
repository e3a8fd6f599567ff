"""The model is brought to each machine that asks for it, once at a time."""

import threading
from concurrent.futures import Future
from typing import Any

import pytest

from toolkit.engines import EngineLostError
from toolkit.engines.hosting import Deliveries, LacksModel, ModelDeliveryError
from toolkit.models import Model
from toolkit.testing.gate import waiting_model
from toolkit.testing.waiting import wait_until


class Engines:
    """Take what is submitted to one of them, once ``ready`` is set; ``error`` is what comes of it."""

    def __init__(self, error: Exception | None = None) -> None:
        self.ready = threading.Event()
        self.error = error
        self.received: list[tuple[int, Any]] = []

    def submit_to(self, engine: int, function: object, part: Any) -> "Future[None]":
        self.ready.wait()
        self.received.append((engine, part))
        future: Future[None] = Future()
        future.set_result(None) if self.error is None else future.set_exception(self.error)
        return future


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return waiting_model(tmp_path_factory.mktemp("model") / "waiting")


def bring(deliveries: Deliveries, engine: int = 0, host: str = "far", since: float = 1e9) -> None:
    deliveries.bring(LacksModel(host, engine, "there is no such folder"), since)


def test_a_machine_whose_engines_all_ask_gets_it_once_and_whole(model: Model) -> None:
    engines = Engines()
    deliveries = Deliveries(engines, model)  # type: ignore[arg-type]
    for engine in range(3):
        bring(deliveries, engine)
    engines.ready.set()
    wait_until(lambda: engines.received and engines.received[-1][1].is_last)
    assert {engine for engine, _ in engines.received} == {0}
    assert [part.number for _, part in engines.received] == list(range(len(engines.received)))
    assert {part.digest for _, part in engines.received} == {model.digest}


def test_what_was_said_before_it_arrived_has_nothing_sent_again(model: Model) -> None:
    engines = Engines()
    engines.ready.set()
    deliveries = Deliveries(engines, model, clock=lambda: 100.0)  # type: ignore[arg-type]
    bring(deliveries)
    wait_until(lambda: engines.received and engines.received[-1][1].is_last)
    wait_until(lambda: not any(thread.name == "model to far" for thread in threading.enumerate()))
    bring(deliveries, 1, since=99.0)
    assert {engine for engine, _ in engines.received} == {0}


def test_every_machine_gets_a_parcel_of_its_own(model: Model) -> None:
    engines = Engines()
    deliveries = Deliveries(engines, model)  # type: ignore[arg-type]
    bring(deliveries, 0, "far")
    bring(deliveries, 1, "farther")
    engines.ready.set()
    wait_until(lambda: sum(part.is_last for _, part in engines.received) == 2)
    assert len({(engine, part.parcel) for engine, part in engines.received}) == 2


def test_one_that_cannot_take_it_is_an_error_for_who_asks_next(model: Model) -> None:
    engines = Engines(error := OSError("the disk is full"))
    deliveries = Deliveries(engines, model)  # type: ignore[arg-type]
    engines.ready.set()
    bring(deliveries)
    wait_until(lambda: engines.received)
    words = "^far: there is no such folder; and it cannot be sent there: the disk is full$"
    with pytest.raises(ModelDeliveryError, match=words) as caught:
        wait_until(lambda: bring(deliveries))
    assert caught.value.__cause__ is error
    bring(deliveries, 1, "another host")  # whose disk may not be


def test_one_that_dies_meanwhile_is_nobodys_fault(model: Model) -> None:
    engines = Engines(EngineLostError(0))
    deliveries = Deliveries(engines, model)  # type: ignore[arg-type]
    engines.ready.set()
    bring(deliveries, 0)
    wait_until(lambda: engines.received)
    engines.error = None

    def arrives() -> bool:
        bring(deliveries, 1)
        return bool(engines.received[-1][0] == 1 and engines.received[-1][1].is_last)

    wait_until(arrives)
