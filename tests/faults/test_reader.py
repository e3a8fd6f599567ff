"""Another process reads the catalog as fast as it can while a run goes on, and never sees half a result."""

import json
import subprocess
import sys
from pathlib import Path

import toolkit as tk
from toolkit import Catalog, Model, Protocol

POLL = Path(__file__).with_name("poll.py")


def test_whatever_says_done_is_complete(catalog: Catalog, model: Model, protocol: Protocol) -> None:
    command = [sys.executable, str(POLL), str(catalog.store.root)]  # type: ignore[attr-defined]
    reader = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert reader.stdout is not None
    assert reader.stdout.readline() == "ready\n"
    tk.segment(catalog, model, protocol, flush_seconds=0.05).wait()
    answer, words = reader.communicate(timeout=60)
    assert reader.returncode == 0, words
    seen = json.loads(answer)
    print(seen)
    assert seen["wrong"] == []
    assert len([state for state in seen["states"] if 0 < state < len(catalog)]) >= 3
    assert seen["states"][-1] == len(catalog)
