"""The model brought to machines that have no other way to it, while the run goes on elsewhere."""

import secrets
import threading
from concurrent.futures import CancelledError
from dataclasses import replace

from toolkit.engines import EngineLostError, Executor, NoEnginesError
from toolkit.models import Model
from toolkit.models.sending import BundlePart, parts_of, receive_part


class ModelDeliveryError(RuntimeError):
    """An engine cannot load the run's model, nor can it be sent there."""


class Deliveries:
    """Sends a model to one engine of each machine that asks for it. All methods are of the driver's thread.

    Parameters
    ----------
    executor : Executor
        The engines.
    model : Model
        What is sent.
    """

    def __init__(self, executor: Executor, model: Model) -> None:
        self._executor = executor
        self._model = model
        self._on_the_way: dict[str, threading.Thread] = {}
        self._errors: dict[str, Exception] = {}
        self._packing = threading.Lock()
        self._parts: list[BundlePart] = []

    def bring(self, host: str, engine: int, reason: str) -> None:
        """Have a machine get the model by way of one of its engines, unless it is on its way there already.

        Parameters
        ----------
        host : str
            The machine.
        engine : int
            One of its engines.
        reason : str
            Why it cannot load the model.

        Raises
        ------
        ModelDeliveryError
            Sending it there failed before.
        """
        error = self._errors.get(host)
        if error is not None:
            raise ModelDeliveryError(f"{host}: {reason}; and it cannot be sent there: {error}") from error
        under_way = self._on_the_way.get(host)
        if under_way is not None and under_way.is_alive():
            return
        thread = threading.Thread(target=self._bring, args=(host, engine), name=f"model to {host}", daemon=True)
        self._on_the_way[host] = thread
        thread.start()

    def _bring(self, host: str, engine: int) -> None:
        try:
            for part in self._packed():
                self._executor.submit_to(engine, receive_part, part).result()
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
