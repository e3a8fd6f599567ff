"""Notebooks as commands: parameters checked before anything runs, papermill to run them, progress on the terminal."""

import ast
import asyncio
import contextlib
import difflib
import json
import os
import re
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import papermill
import yaml
from nbconvert import HTMLExporter
from nbformat import ValidationError
from nbformat.reader import NotJSONError
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, papermill_engines
from papermill.exceptions import PapermillExecutionError, PapermillMissingParameterException

from toolkit import paths
from toolkit.catalog.provenance import NOTEBOOK_VARIABLE, PARAMETERS_VARIABLE
from toolkit.display import LiveDisplay
from toolkit.errors import ToolkitError

_ENGINE = "segscape"
_INTERRUPTS = ("KeyboardInterrupt", "CancelledError")
"""What a cell that was interrupted raises: the second in what it awaits."""
_MOST_INTERRUPTS = 2
_QUIET = ["--IPKernelApp.log_level=50"]  # a newcomer's terminal is for the notebook's own words; it holds its errors


class ParameterError(ToolkitError, ValueError):
    """A parameter that the notebook does not have, or a value that is not of its type."""


class NotebookError(ToolkitError, RuntimeError):
    """A cell of the notebook raised; the executed notebook holds the traceback."""


@dataclass(frozen=True)
class Parameter:
    """A papermill parameter of a notebook, as its cell tagged ``parameters`` declares it."""

    name: str
    """Its name."""
    type_name: str
    """Its annotation, ``"None"`` if it has none."""
    default: str
    """Its default, as source text."""
    help: str
    """The comment behind it."""


def notebook_names() -> list[str]:
    """Names of the notebooks that came with the toolkit, in the order in which they are used."""
    usual = ("segment", "explore", "evaluate")
    found = {path.stem for path in paths.notebooks().glob("*.ipynb")}
    return [*(name for name in usual if name in found), *sorted(found.difference(usual))]


def find_notebook(notebook: str) -> Path:
    """A notebook by its path, or one that came with the toolkit by its name.

    Parameters
    ----------
    notebook : str
        A path, or a name such as ``segment``, which is found wherever the toolkit is installed.

    Raises
    ------
    FileNotFoundError
        There is no such notebook; the message lists those that came with the toolkit.
    """
    if Path(notebook).is_file():
        return Path(notebook)
    names = notebook_names()
    if notebook in names:
        return paths.notebooks() / f"{notebook}.ipynb"
    near = difflib.get_close_matches(Path(notebook).stem, names, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise FileNotFoundError(
        f"there is no notebook {notebook!r}; {hint}give the path of one, or a name: {', '.join(names)}"
    )


def read_parameters(notebook: str | Path) -> list[Parameter]:
    """The parameters that a notebook takes, in their order.

    Raises
    ------
    FileNotFoundError, ParameterError
        There is no such notebook, or the file is none.
    """
    if not Path(notebook).is_file():
        raise FileNotFoundError(f"there is no notebook {str(notebook)!r}")
    if Path(notebook).suffix != ".ipynb":
        raise ParameterError(f"{str(notebook)!r} is not a notebook: its name does not end in .ipynb")
    try:
        found = papermill.inspect_notebook(str(notebook))
    except (NotJSONError, ValidationError, AttributeError, KeyError, TypeError) as error:
        raise ParameterError(f"{str(notebook)!r} is not a notebook: {error}") from error
    return [
        Parameter(entry["name"], str(entry["inferred_type_name"]), entry["default"], entry["help"])
        for entry in found.values()
    ]


def parse_parameters(parameters: Sequence[Parameter], given: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Text from a command line as values for a notebook.

    Parameters
    ----------
    parameters : sequence of Parameter
        What the notebook takes.
    given : sequence of (name, text)
        What the person typed. Text for a ``str`` stays text; other text is read as YAML, and ``0.5, 1`` is a list
        where the notebook wants one.

    Returns
    -------
    dict
        Values by name.

    Raises
    ------
    ParameterError
        A name is not among the parameters (the message offers the nearest), is given twice, or its value does not fit.
    """
    by_name = {parameter.name: parameter for parameter in parameters}
    values: dict[str, Any] = {}
    for name, text in given:
        if name not in by_name:
            near = difflib.get_close_matches(name, by_name, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise ParameterError(f"the notebook has no parameter {name!r}; {hint}it takes: {', '.join(by_name)}")
        if name in values:
            raise ParameterError(f"parameter {name!r} is given twice")
        values[name] = _parse(by_name[name], text)
    return values


_TYPES = {"int": int, "float": float, "bool": bool, "list": list, "tuple": list, "dict": dict}
_WORDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "list": "a list such as 0.5,1",
    "tuple": "a list such as 0.5,1",
    "dict": "pairs such as {name: value}",
    "None": "null for none",
}


def _parse(parameter: Parameter, text: str) -> Any:
    # Papermill understands Optional[int], but not int | None.
    type_name = re.sub(r"Optional\[(.+)\]", r"\1|None", parameter.type_name)
    kinds = [kind.split("[")[0].strip() for kind in type_name.split("|")]
    if "str" in kinds:
        return text
    in_brackets = {"list", "tuple"} & {*kinds} and not text.lstrip().startswith("[")
    try:
        value = _read_value(f"[{text}]" if in_brackets else text)
    except yaml.YAMLError as error:
        raise ParameterError(f"parameter {parameter.name}={text!r} cannot be read as {parameter.type_name}") from error
    if kinds == ["None"] or (value is None and "None" in kinds):  # papermill says None where there is no annotation
        return value
    if "float" in kinds and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    wanted = tuple(_TYPES[kind] for kind in kinds if kind in _TYPES)
    if wanted and (not isinstance(value, wanted) or (isinstance(value, bool) and "bool" not in kinds)):
        raise ParameterError(
            f"parameter {parameter.name}={text!r} must be {', or '.join(_WORDS.get(kind, kind) for kind in kinds)}"
        )
    return value


def _read_value(text: str) -> Any:
    """JSON where it is JSON, because YAML takes 1e-3 for text; else YAML."""
    with contextlib.suppress(json.JSONDecodeError):
        return json.loads(text)
    return yaml.safe_load(text)


def run_notebook(notebook: str | Path, output: str | Path, values: Mapping[str, Any], html: str | Path | None) -> None:
    """Run a notebook through papermill, in the working directory.

    Whatever can be known to fail at the end does so at the beginning: a place that cannot be written.

    Parameters
    ----------
    notebook : path
        The notebook; stays as it is.
    output : path
        Where the executed notebook goes; its folder is made.
    values : mapping
        Parameters by name, checked.
    html : path, optional
        Where it also goes as a page, without its code, once all of it ran.

    Raises
    ------
    NotebookError
        The output is the notebook itself or cannot be written, or a cell raised: what was written holds everything up
        to there.
    KeyboardInterrupt
        SIGINT or SIGTERM came, which interrupts the cell that runs; a second one does so again.
    """
    if Path(output).resolve() == Path(notebook).resolve():
        raise NotebookError(f"the output would replace the notebook {str(notebook)!r}; choose another path")
    for target in (output, html):
        if target is not None:
            _require_writable(Path(target))
    before = Path(output).read_bytes() if Path(output).exists() else b""
    papermill_engines.register(_ENGINE, _Engine)
    # Its kernel inherits them, so that a catalog can tell which notebook made its results.
    os.environ[NOTEBOOK_VARIABLE] = str(notebook)
    os.environ[PARAMETERS_VARIABLE] = json.dumps(dict(values), default=str)
    os.environ.pop("JPY_SESSION_NAME", None)  # of a notebook in Jupyter, if one calls this: the kernel is not its own
    try:
        papermill.execute_notebook(
            str(notebook), str(output), dict(values), engine_name=_ENGINE, progress_bar=False, kernel_name=None
        )
    except PapermillMissingParameterException as error:
        raise NotebookError(f"output {str(output)!r} names a parameter that was not given: {error}") from error
    except PapermillExecutionError as error:
        if error.ename in _INTERRUPTS:
            raise KeyboardInterrupt(error.evalue) from None
        kept = _keep(before, Path(output))
        raise NotebookError(f"{error.ename}: {_words_of(error)}\nThe executed notebook is {output}{kept}") from error
    if html is not None:
        _write_html(Path(output), Path(html))


def _keep(before: bytes, output: Path) -> str:
    """Keep the executed notebook that was there before one that failed; words that say where."""
    if not before:
        return ""
    kept = output.with_name(f"{output.stem}.before{output.suffix}")
    kept.write_bytes(before)
    return f", the one before is {kept}"


def _words_of(error: PapermillExecutionError) -> str:
    """What an error says; a KeyError says it between quotation marks."""
    with contextlib.suppress(ValueError, SyntaxError):
        if error.ename == "KeyError":
            return str(ast.literal_eval(error.evalue))
    return str(error.evalue)


def _require_writable(target: Path) -> None:
    """Make its folder, and refuse what only the end of the run would find out."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("a", encoding="utf-8"):
            pass
        if not target.stat().st_size:
            target.unlink()
    except OSError as error:
        raise NotebookError(f"{str(target)!r} cannot be written: {error.strerror}; choose another path") from error


def _write_html(notebook: Path, page: Path) -> None:
    exporter: Any = HTMLExporter(  # type: ignore[no-untyped-call]
        exclude_input=True, exclude_input_prompt=True, exclude_output_prompt=True
    )
    executed = nbformat.read(notebook, as_version=4)  # type: ignore[no-untyped-call]
    body, _ = exporter.from_notebook_node(executed)
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(body, encoding="utf-8")


class _Client(PapermillNotebookClient):  # type: ignore[misc]
    """Shows on the terminal what the notebook prints and the newest state of what it displays in place."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._live = LiveDisplay()
        self._n_interrupts = self._n_answered = 0
        self._interrupting: set[asyncio.Future[Any]] = set()

    @contextlib.contextmanager
    def setup_kernel(self, **kwargs: Any) -> Iterator[None]:
        """As nbclient does it; meanwhile a signal interrupts the cell that runs, rather than all of this."""
        with super().setup_kernel(**kwargs), contextlib.ExitStack() as handlers:
            if threading.current_thread() is threading.main_thread():
                for number in (signal.SIGINT, signal.SIGTERM):
                    handlers.callback(signal.signal, number, signal.signal(number, self._interrupt))
            yield

    def _interrupt(self, *_: object) -> None:
        self._n_interrupts += 1
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # between two cells
            raise KeyboardInterrupt from None
        if self._n_interrupts > _MOST_INTERRUPTS:
            raise KeyboardInterrupt
        loop.call_soon_threadsafe(self._interrupt_kernel)

    def _interrupt_kernel(self) -> None:
        asked = asyncio.ensure_future(self.km.interrupt_kernel())
        self._interrupting.add(asked)
        asked.add_done_callback(self._interrupting.discard)

    def process_message(self, message: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        content = message["content"]
        if message["msg_type"] == "stream":
            print(content["text"], end="", flush=True)
        elif "display_id" in content.get("transient", {}):
            text = content["data"].get("text/plain", "")
            answers = self._n_interrupts > self._n_answered and "interrupt again" in text
            self._n_answered += answers
            self._live.show(text, at_once=answers)
        elif content.get("execution_state") == "idle":
            self._live.finish()
        return super().process_message(message, *args, **kwargs)


class _Engine(NBClientEngine):  # type: ignore[misc]
    """Papermill's own engine, with the client above."""

    @classmethod
    def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **kwargs: Any) -> None:
        client = _Client(nb_man, kernel_name=kernel_name, timeout=None, startup_timeout=60, extra_arguments=_QUIET)
        client.execute()
