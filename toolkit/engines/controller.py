"""How every profile sets up its controller: it passes tasks to engines and notices which engines are alive."""

from typing import Any

from toolkit.engines.lifetime import exit_with_parent

_LOOPBACK = "127.0.0.1"
_HEARTBEAT_MS = 1000


def configure_controller(c: Any, ip: str, silent_seconds: float = 30.0) -> None:
    """Fill in the settings of an ``ipcontroller_config.py``.

    Parameters
    ----------
    c
        What ipyparallel's ``get_config()`` returns there.
    ip : str
        Where to listen: ``"127.0.0.1"``, for engines on this machine only; ``"*"``, on all networks; or an address of
        this machine. Beyond loopback all connections are encrypted, and take the key that lies in ``security/``.
    silent_seconds : float
        An engine that gives no sign of life for so long counts as dead: it was stopped, or its machine is gone. Nothing
        that the engine does can keep it from giving that sign. Of one that just ends the controller hears at once.
    """
    c.IPController.ip = ip
    if ip != _LOOPBACK:
        c.IPController.enable_curve = True
    # The catalog is the record of what was done; the controller would keep every result in memory.
    c.IPController.db_class = "NoDB"
    # One task per engine at a time, so that an engine that dies takes no other task along.
    c.TaskScheduler.hwm = 1
    # An engine joins at its first heartbeat.
    c.HeartMonitor.period = _HEARTBEAT_MS
    c.HeartMonitor.max_heartmonitor_misses = max(1, round(1000 * silent_seconds / _HEARTBEAT_MS))
    exit_with_parent()
