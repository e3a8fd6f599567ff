"""A gate that holds images back in their engines until a test lets them through."""

from pathlib import Path

import toolkit as tk
from toolkit.models import Normalization
from toolkit.testing.networks import GATE_VARIABLE, OPEN, WaitingNetwork

PROTOCOL = tk.Protocol(crop_size=97)
"""One call of the network for an image of at most so many pixels a side, with a batch of one."""


class Gate:
    """Lets so many images through, counted over all processes whose environment names it.

    Images of one batch pass together and count as one: give ``batch_size=1``.

    Parameters
    ----------
    folder : pathlib.Path
        Where numbers are drawn; made here. The gate is closed at first.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self._folder = folder
        self.environment = {GATE_VARIABLE: str(folder)}
        """What the processes must have in their environment."""
        self.let_through(0)

    def let_through(self, n: int) -> None:
        """Let the first ``n`` images through that come, or have come, those before included."""
        beside = self._folder / "let_through.partial"
        beside.write_text(str(n))
        beside.rename(self._folder / "let_through")

    def let_more_through(self, n: int) -> None:
        """Let those through that stand there, and the ``n`` next ones."""
        self.let_through(len(self.arrived) + n)

    def open(self) -> None:
        """Let all through from now on."""
        self.let_through(OPEN)

    def reset(self) -> None:
        """Close it, as if nobody had come yet."""
        for ticket in self._tickets():
            ticket.unlink()
        self.let_through(0)

    @property
    def arrived(self) -> list[int]:
        """Processes that came to the gate, one entry for each image in the order of their coming."""
        return [int(ticket.read_text() or 0) for ticket in self._tickets()]

    @property
    def held(self) -> list[int]:
        """Processes that stood there with an image when last heard of; the dead stand there for ever."""
        return self.arrived[int((self._folder / "let_through").read_text()) :]

    def _tickets(self) -> list[Path]:
        return sorted(self._folder.glob("[0-9]*"))


def waiting_model(folder: Path, seconds: float = 0.0) -> tk.Model:
    """The bundle of a `WaitingNetwork`, loaded; engines can load it, too.

    Parameters
    ----------
    folder : pathlib.Path
        Where the bundle goes.
    seconds : float
        How long a call takes at least.
    """
    normalization = Normalization((0.0, 0.0, 0.0), (255.0, 255.0, 255.0))
    model = tk.Model(WaitingNetwork(seconds).eval(), ("dark", "medium", "bright"), normalization, name="waiting")
    return tk.load_model(model.save_bundle(folder, arguments={"seconds": seconds}))
