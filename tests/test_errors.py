"""The tree of errors that is drawn in `toolkit.errors` is the one that there is."""

import importlib
import pkgutil
import re
from types import ModuleType

import pytest

import toolkit
from toolkit import errors
from toolkit.errors import ToolkitError

ALSO = re.compile(r"(?:also an?) (\w+)")


def drawn() -> dict[str, tuple[str, list[str]]]:
    """Parent of each error, and what it is among Python's errors, by name."""
    found: dict[str, tuple[str, list[str]]] = {}
    above: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        branch = re.match(r"^    ((?:│   |    )*)(?:├── |└── )(\w+)(.*)$", line)
        if branch is None:
            continue
        depth = len(branch[1]) // 4
        del above[depth:]
        found[branch[2]] = (above[-1] if above else ToolkitError.__name__, ALSO.findall(branch[3]))
        above.append(branch[2])
    return found


def there_are() -> dict[str, type[ToolkitError]]:
    """The public errors of all modules, by name."""
    _modules()
    found: dict[str, type[ToolkitError]] = {}
    left = ToolkitError.__subclasses__()
    while left:
        error = left.pop()
        left += error.__subclasses__()
        if error.__module__.startswith("toolkit.") and not error.__name__.startswith("_"):
            found[error.__name__] = error
    return found


def strays() -> list[str]:
    """Public errors of the toolkit that are outside the tree; those of arguments are Python's own kinds."""
    return [
        f"{module.__name__}.{name}"
        for module in _modules()
        for name, value in vars(module).items()
        if isinstance(value, type)
        and issubclass(value, Exception)
        and not issubclass(value, Warning)
        and module.__name__ != "toolkit.arguments"
        and value.__module__ == module.__name__
        and not name.startswith("_")
        and not issubclass(value, ToolkitError)
    ]


def _modules() -> list[ModuleType]:
    names = [found.name for found in pkgutil.walk_packages(toolkit.__path__, "toolkit.")]
    return [
        importlib.import_module(name) for name in names if not name.startswith(("toolkit.testing", "toolkit._share"))
    ]


def test_every_error_is_in_the_drawing_and_the_other_way_round() -> None:
    assert sorted(there_are()) == sorted(drawn())


def test_every_error_of_the_toolkit_is_in_the_tree() -> None:
    assert strays() == []


@pytest.mark.parametrize("name", drawn())
def test_its_parents_are_those_of_the_drawing(name: str) -> None:
    error = there_are()[name]
    parent, also = drawn()[name]
    bases = [base.__name__ for base in error.__mro__ if base.__module__ == "builtins"]
    public = [base for base in error.__mro__[1:] if issubclass(base, ToolkitError) and base.__name__[0] != "_"]
    assert public[0].__name__ == parent
    assert [kind for kind in also if kind not in bases] == []
