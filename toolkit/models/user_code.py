"""A network's class from a Python file of the user's, which runs with all rights of this process."""

import sys
from importlib.abc import SourceLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

from torch import nn

from toolkit.models.definitions import SourceCode
from toolkit.models.errors import UserCodeError, alternatives
from toolkit.models.torchvision_operators import define_missing_operators


def load_class(code: SourceCode, path: Path) -> type[nn.Module]:
    """Run a file and take a network's class from it.

    Nothing holds the code back: it can do whatever the user can.

    Parameters
    ----------
    code : SourceCode
        The file, as it was read, and the name of the class.
    path : pathlib.Path
        Where it was read from, for tracebacks.

    Returns
    -------
    type
        A subclass of ``torch.nn.Module``.

    Raises
    ------
    UserCodeError
        The file raised an error, or defines no such class.
    """
    module = _module(code, path)
    found = getattr(module, code.class_name, None)
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        networks = [name for name, value in vars(module).items() if isinstance(value, type) and _is_of(value, module)]
        raise UserCodeError(
            f"{code.file} has no network class {code.class_name!r}; it has {alternatives(code.class_name, networks)}"
        )
    return found


def _is_of(value: type, module: ModuleType) -> bool:
    return issubclass(value, nn.Module) and value.__module__ == module.__name__


def _module(code: SourceCode, path: Path) -> ModuleType:
    # Named after its content: the same file gives the same classes again, two versions of a file never mix.
    name = f"_segscape_bundle_{code.sha256}"
    if name in sys.modules:
        return sys.modules[name]
    define_missing_operators()
    spec = spec_from_loader(name, _BytesLoader(code.content, path), origin=str(path))
    assert spec is not None  # it is None only for loaders that refuse the name
    module = module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look their module up while it runs
    try:
        assert spec.loader is not None
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise UserCodeError(f"{code.file} cannot be run: {type(error).__name__}: {error}") from error
    return module


class _BytesLoader(SourceLoader):
    """Runs the bytes that were checked, not what the file may hold by now; leaves no bytecode behind."""

    def __init__(self, content: bytes, path: Path) -> None:
        self._content = content
        self._path = path

    def get_filename(self, fullname: str) -> str:
        return str(self._path)

    def get_data(self, path: str | bytes) -> bytes:
        if str(path) != str(self._path):
            raise OSError(f"{path!r} is not part of the bundle")
        return self._content
