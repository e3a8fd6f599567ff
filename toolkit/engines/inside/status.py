"""What an engine is and does, answered on its control channel: at once, also while it is at work."""

import functools
import os
import socket
from typing import Any

import psutil

from toolkit.engines.inside.activity import activity
from toolkit.engines.inside.devices import device, gpu_usage
from toolkit.engines.inside.gate import OPEN, gate
from toolkit.engines.inside.retirement import LEAVING, retirement

REQUEST = "segscape_status_request"
ENGINE_PLACE = "SEGSCAPE_ENGINE_PLACE"
"""Environment variable by which a launcher tells engines on other machines apart."""
_REPLY = "segscape_status_reply"


def answer_requests(engine: Any) -> bool:
    """Have an ``IPEngine`` obey `REQUEST` and `OPEN`, in its control thread; whether it did not do so already."""
    kernel = engine.kernel
    if REQUEST in kernel.control_handlers:
        return False

    def answer(stream: Any, ident: Any, parent: Any) -> None:
        try:
            content = {"status": "ok", **describe()}
        except Exception as error:  # noqa: BLE001  who is not answered does not ask again
            place = os.environ.get(ENGINE_PLACE, "")
            content = {"host": socket.gethostname(), "pid": os.getpid(), "place": place, "doing": repr(error)}
        kernel.session.send(stream, _REPLY, content=content, parent=parent, ident=ident)

    def open_gate(stream: Any, ident: Any, parent: Any) -> None:
        gate.open(parent["content"]["group"], parent["content"]["begin"])
        kernel.session.send(stream, _REPLY, content={"status": "ok"}, parent=parent, ident=ident)

    _process().cpu_percent()  # the first call only sets the mark from which the next one counts
    kernel.control_handlers |= {REQUEST: answer, OPEN: open_gate}
    return True


def describe() -> dict[str, Any]:
    """This process as a row of `Cluster.resources`, without its number."""
    process = _process()
    with process.oneshot():
        row: dict[str, Any] = {
            "host": socket.gethostname(),
            "pid": process.pid,
            "device": device(),
            "cpu_percent": process.cpu_percent(),
            "memory": process.memory_info().rss,
            "threads": process.num_threads(),
            "since": process.create_time(),
        }
    gpu = gpu_usage()
    return {
        **row,
        "gpu_memory": gpu and gpu.memory,
        "gpu_load": gpu and gpu.load,
        "doing": LEAVING if retirement.asked else activity.doing,
        "waits_for": gate.waits_for,
        "place": os.environ.get(ENGINE_PLACE, ""),
        "images": activity.images,
        "images_per_second": round(activity.images_per_second, 3),
    }


@functools.cache
def _process() -> psutil.Process:
    return psutil.Process()
