"""One output that stays true: in a log, in a terminal, and in the notebook that is stored."""

import io
import time
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from nbclient import NotebookClient

from toolkit import display
from toolkit.display import LiveDisplay


class State:
    """What `LiveDisplay` shows."""

    def __init__(self, text: object) -> None:
        self.text = text

    def __str__(self) -> str:
        return str(self.text)

    def _repr_html_(self) -> str:
        return f"<b>{self.text}</b>"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(display, "time", SimpleNamespace(monotonic=clock.monotonic))
    return clock


class TestLog:
    def test_the_first_state_is_shown_at_once(self, clock: Clock) -> None:
        stream = io.StringIO()
        LiveDisplay(stream).show(State("10 %"))
        assert stream.getvalue() == "10 %\n"

    def test_at_most_one_line_in_15_seconds(self, clock: Clock) -> None:
        stream = io.StringIO()
        shown = LiveDisplay(stream)
        for second in range(601):
            shown.show(State(second))
            clock.now += 1
        assert stream.getvalue().split() == [str(second) for second in range(0, 601, 15)]

    def test_the_last_state_is_always_shown(self, clock: Clock) -> None:
        stream = io.StringIO()
        shown = LiveDisplay(stream)
        shown.show(State("10 %"))
        shown.show(State("20 %"))
        shown.show(State("100 %"))
        assert stream.getvalue() == "10 %\n"
        shown.finish()
        assert stream.getvalue() == "10 %\n100 %\n"

    def test_no_state_is_shown_twice(self, clock: Clock) -> None:
        stream = io.StringIO()
        shown = LiveDisplay(stream)
        shown.show(State("100 %"))
        shown.finish()
        shown.finish()
        assert stream.getvalue() == "100 %\n"

    def test_nothing_to_show_is_nothing_shown(self, clock: Clock) -> None:
        stream = io.StringIO()
        LiveDisplay(stream).finish()
        assert stream.getvalue() == ""

    def test_it_is_flushed(self, clock: Clock, tmp_path: Path) -> None:
        with (tmp_path / "log").open("w") as stream:
            LiveDisplay(stream).show(State("10 %"))
            assert (tmp_path / "log").read_text() == "10 %\n"

    def test_standard_error_is_the_default(self, clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
        LiveDisplay().show(State("10 %"))
        assert capsys.readouterr() == ("", "10 %\n")


class TestTerminal:
    def test_one_line_is_written_again(self, clock: Clock) -> None:
        stream = Terminal()
        shown = LiveDisplay(stream)
        for text in ("10 %", "20 %"):
            shown.show(State(text))
            clock.now += 1
        shown.show(State("100 %"))
        shown.finish()
        assert stream.getvalue() == "\r\x1b[2K10 %\r\x1b[2K20 %\r\x1b[2K100 %\n"

    def test_the_rate_is_bounded(self, clock: Clock) -> None:
        stream = Terminal()
        shown = LiveDisplay(stream)
        for _ in range(1000):
            shown.show(State("x"))
            clock.now += 0.001
        assert 2 <= stream.getvalue().count("\r") <= 10

    def test_the_last_state_is_always_shown(self, clock: Clock) -> None:
        stream = Terminal()
        shown = LiveDisplay(stream)
        shown.show(State("10 %"))
        shown.show(State("100 %"))
        shown.finish()
        assert stream.getvalue() == "\r\x1b[2K10 %\r\x1b[2K100 %\n"

    def test_the_line_ends_once(self, clock: Clock) -> None:
        stream = Terminal()
        shown = LiveDisplay(stream)
        shown.show(State("100 %"))
        shown.finish()
        shown.finish()
        assert stream.getvalue() == "\r\x1b[2K100 %\n"


PREPARE = """
import toolkit as tk
catalog = tk.Catalog.create("demo.zarr", images={images!r})
protocol = tk.Protocol(crop_size=97, scales=(0.5, 0.75, 1.0, 1.25), flip=True)
small = tk.Protocol(crop_size=97)
"""
RUN = "run = tk.segment(catalog, 'deeplabv3-mobilenetv2-voc', protocol)"

STOPPED = """
from toolkit.catalog import LabelFolder
def full(*_):
    raise OSError(28, "No space left on device")
LabelFolder.write = full
run = tk.segment(catalog, "deeplabv3-mobilenetv2-voc", small)
try:
    run.wait()
except RuntimeError as error:
    print(type(error).__name__)
"""


def prepare(photos: list[Path]) -> str:
    return PREPARE.format(images=[str(photo) for photo in photos])


def execute(folder: Path, *cells: str, between_cells: float = 0.0) -> list[list[nbformat.NotebookNode]]:
    """The outputs of each cell of a notebook, as they are stored after its execution."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    client = NotebookClient(notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(folder)}})
    client.on_cell_executed = lambda **_: time.sleep(between_cells)  # as papermill does while it saves the notebook
    client.execute()
    (folder / "executed.ipynb").write_text(nbformat.writes(notebook))
    stored = nbformat.read(folder / "executed.ipynb", as_version=4)
    return [cell.outputs for cell in stored.cells]


def assert_final_state(outputs: list[nbformat.NotebookNode]) -> None:
    (output,) = outputs
    assert output.output_type == "display_data"
    text, html = output.data["text/plain"], output.data["text/html"]
    assert "finished: 10 of 10 images done, 0 failed; 10 processed in" in text
    assert 'role="progressbar"' in html
    assert 'aria-valuenow="10"' in html
    assert "finished: 10 of 10 images done" in html


class TestNotebook:
    def test_waiting_stores_the_final_state_once(self, tmp_path: Path, small_photos: list[Path]) -> None:
        outputs = execute(tmp_path, prepare(small_photos), f"{RUN}\nrun.wait()", STOPPED)
        assert outputs[0] == []
        assert_final_state(outputs[1])

        shown = [output for output in outputs[2] if output.output_type == "display_data"]  # one that stopped
        assert len(shown) == 1
        assert "stopped: 0 of 10 images done" in shown[0].data["text/plain"]
        assert "No space left on device" in shown[0].data["text/html"]
        assert [output.text for output in outputs[2] if output.output_type == "stream"] == ["RunError\n"]

    def test_a_run_that_was_displayed_before_it_was_waited_for_is_stored_once(
        self, tmp_path: Path, small_photos: list[Path]
    ) -> None:
        """The cell that shows the run has ended by the time that a large catalog's images are counted."""
        slow = "import time\nread = tk.Catalog.run_blocks\ndef slow(*a):\n    time.sleep(0.3)\n    return read(*a)\n"
        first = f"{slow}tk.Catalog.run_blocks = slow\n{RUN}\nrun"
        outputs = execute(tmp_path, prepare(small_photos), first, "run.wait()", between_cells=0.6)
        assert_final_state([output for cell in outputs for output in cell])
