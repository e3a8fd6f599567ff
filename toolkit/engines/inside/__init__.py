"""What goes on in an engine beside its tasks: it says what it is doing, leaves in good order, and notices that it was
given up."""

import os
import sys
from typing import Any

from toolkit.engines.environment import engine_environment
from toolkit.engines.lifetime import exit_with_parent

ENGINES_ON_HOST = "SEGSCAPE_ENGINES_ON_HOST"
"""Tells an engine how many share its machine, where whoever starts it does not know how many cores that has."""

_COMMAND = "import toolkit.engines.inside; toolkit.engines.inside.begin()"


def configure_engine(c: Any) -> None:
    """Fill in the settings of an ``ipengine_config.py``.

    Parameters
    ----------
    c
        What ipyparallel's ``get_config()`` returns there.
    """
    c.IPEngine.startup_command = _COMMAND
    c.IPEngine.timeout = 60  # seconds; a controller that many join at once may take some to answer
    if sharing := os.environ.get(ENGINES_ON_HOST):  # before torch is loaded, and with it OpenMP
        os.environ |= {
            name: value for name, value in engine_environment(int(sharing)).items() if name not in os.environ
        }
    exit_with_parent()


def engine_number() -> int | None:
    """The id that this process has in its cluster; None if it is no engine."""
    app = sys.modules.get("ipyparallel.engine.app")
    if app is None or not app.IPEngine.initialized():
        return None
    number: int = app.IPEngine.instance().id
    return number


def begin() -> None:
    """Called in an engine, once it has joined; does nothing anywhere else, or when called again."""
    import ipyparallel.engine.app

    from toolkit.engines.inside import membership, retirement, status

    if not ipyparallel.engine.app.IPEngine.initialized():
        return
    engine = ipyparallel.engine.app.IPEngine.instance()
    if status.answer_requests(engine):
        retirement.leave_on_sigterm(engine)
        membership.watch(engine)
