"""A model brought to machines that have no other way to it, while work goes on elsewhere."""

import math
import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError
from dataclasses import replace

from toolkit.engines.executors import EngineLostError, Executor, NoEnginesError
from toolkit.engines.hosting.models import LacksModel
from toolkit.errors import ToolkitError
from toolkit.models import Model
from toolkit.models.sending import BundlePart, parts_of, receive_part


class ModelDeliveryError(ToolkitError, RuntimeError):
    """An engine cannot load a model, nor can it be sent there."""


class Deliveries:
    """Sends a model to one engine of each machine that asks for it. All methods are of the driver's thread.

    Parameters
    ----------
    executor : Executor
        The engines.
    model : Model
        What is sent.
    clock : callable
        Monotonic seconds.
    """

    def __init__(self, executor: Executor, model: Model, clock: Callable[[], float] = time.monotonic) -> None:
        self._executor = executor
        self._clock = clock
        self._arrived: dict[str, float] = {}
        """When machines had it."""
        self._model = model
        self._on_the_way: dict[str, threading.Thread] = {}
        self._errors: dict[str, Exception] = {}
        self._packing = threading.Lock()
        self._parts: list[BundlePart] = []

    def bring(self, lacking: LacksModel, since: float) -> None:
        """Have a machine get the model by way of one of its engines, unless it is on its way there already.

        Parameters
        ----------
        lacking : LacksModel
            What the engine said.
        since : float
            When it was asked, by the clock: it may have arrived meanwhile.

        Raises
        ------
        ModelDeliveryError
            Sending it there failed before.
        """
        host = lacking.host
        error = self._errors.get(host)
        if error is not None:
            raise ModelDeliveryError(f"{host}: {lacking.reason}; and it cannot be sent there: {error}") from error
        under_way = self._on_the_way.get(host)
        if (under_way is not None and under_way.is_alive()) or since < self._arrived.get(host, -math.inf):
            return
        thread = threading.Thread(target=self._bring, args=(host, lacking.number), name=f"model to {host}", daemon=True)
        self._on_the_way[host] = thread
        thread.start()

    def _bring(self, host: str, engine: int) -> None:
        try:
            for part in self._packed():
                self._executor.submit_to(engine, receive_part, part).result()
            self._arrived[host] = self._clock()
        except (EngineLostError, NoEnginesError, CancelledError):
            pass  # whoever asks next is tried
        except Exception as error:  # noqa: BLE001  raised by the next call of `bring`
            self._errors[host] = error

    def _packed(self) -> list[BundlePart]:
        """The model, packed once; each machine gets it as a parcel of its own."""
        with self._packing:
            self._parts = self._parts or list(parts_of(self._model))
        parcel = secrets.token_hex(8)
        return [replace(part, parcel=parcel) for part in self._parts]
