"""Another process reads the catalog as fast as it can while a run goes on, and never sees half a result."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import toolkit as tk
from toolkit import Catalog, Model, Protocol
from toolkit.testing.gate import Gate

POLL = Path(__file__).with_name("poll.py")
STEPS = 4


def test_whatever_says_done_is_complete(catalog: Catalog, model: Model, protocol: Protocol, gate: Gate) -> None:
    command = [sys.executable, str(POLL), str(catalog.store.root)]  # type: ignore[attr-defined]
    reader = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def next_line() -> str:
        assert reader.stdout is not None
        line = reader.stdout.readline()
        assert line, reader.communicate()[1]
        return line

    assert next_line() == "ready\n"
    run = tk.segment(catalog, model, protocol, batch_size=1, flush_seconds=0.05)
    seen: list[dict[str, Any]] = []
    for _ in range(STEPS):  # the reader sees every one of these before the run may go on
        gate.let_more_through(len(catalog) // (2 * STEPS))
        seen.append(json.loads(next_line()))
    gate.open()
    run.wait()
    while seen[-1]["done"] < len(catalog):
        seen.append(json.loads(next_line()))
    assert reader.wait() == 0
    assert len({state["done"] for state in seen}) > STEPS
    assert seen[-1]["wrong"] == []
