"""An engine that the controller has given up joins again as a new one; an engine whose controller is gone ends.

The controller takes an engine that gave no sign of life (it was stopped, or cut off) for dead, and never sends it
another task: without this it would sit on its GPU for ever. And where the controller was on another machine, nothing
else tells an engine that it has ended.
"""

import os
import signal
import sys
import threading
import time
from typing import Any

SECONDS_BETWEEN_QUESTIONS = 15.0
"""An engine ends within about a minute of its controller."""

_SECONDS_TO_ANSWER = 5.0
_MOST_UNANSWERED = 3
_PERIODS_TO_JOIN = 20
_SECONDS_TO_END = 10.0
_THREAD_NAME = "membership"


def watch(engine: Any) -> None:
    """Ask the controller from time to time whether it knows this ``IPEngine``; begin anew or end if it does not."""
    threading.Thread(target=_watch, args=(engine,), name=_THREAD_NAME, daemon=True).start()


def _watch(engine: Any) -> None:
    was_known, unanswered, begun = False, 0, time.monotonic()
    while unanswered < _MOST_UNANSWERED:
        time.sleep(SECONDS_BETWEEN_QUESTIONS)
        known = _knows(engine)
        unanswered = unanswered + 1 if known is None else 0
        was_known |= bool(known) or time.monotonic() - begun > _PERIODS_TO_JOIN * SECONDS_BETWEEN_QUESTIONS
        if known is False and was_known:  # it takes some seconds until it is known at all
            _begin_anew(engine)
    engine.log.critical("the controller has not answered %d times in a row; ending", unanswered)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_SECONDS_TO_END)
    os._exit(1)


def _knows(engine: Any) -> bool | None:
    """Whether the controller counts the engine as one of its own; None: it gives no answer."""
    import zmq
    from ipyparallel import util
    from jupyter_client.session import Session
    from traitlets.config import Config

    # A session and socket of this thread's own.
    session = Session(config=Config({"Session": engine.config.Session}))
    socket = engine.context.socket(zmq.DEALER)
    socket.LINGER = 0
    try:
        util.connect(
            socket,
            engine.registration_url,
            curve_serverkey=engine.curve_serverkey,
            curve_secretkey=engine.curve_secretkey,
            curve_publickey=engine.curve_publickey,
        )
        session.send(socket, "connection_request", content={})
        if not socket.poll(int(1000 * _SECONDS_TO_ANSWER)):
            return None
        _, message = session.feed_identities(socket.recv_multipart())
        return engine.ident in session.deserialize(message)["content"]["engines"].values()
    finally:
        socket.close()


def _begin_anew(engine: Any) -> None:
    """Replace this process by a new one of the same command; whatever it was doing, nobody waits for the answer."""
    engine.log.warning("the controller has given this engine up; joining again as a new one")
    signal.pthread_sigmask(signal.SIG_UNBLOCK, range(1, signal.NSIG))
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
