"""A network's class from a Python file of the user's, which runs with all rights of this process."""

import sys
from types import ModuleType

from torch import nn

from toolkit.models.definitions import SourceCode
from toolkit.models.errors import UserCodeError, alternatives
from toolkit.models.torchvision_operators import define_missing_operators


def load_class(code: SourceCode) -> type[nn.Module]:
    """Run a file and take a network's class from it. Nothing holds the code back: it can do whatever the user can.

    Raises
    ------
    UserCodeError
        The file raised an error, or defines no such class.
    """
    module = _module(code)
    found = getattr(module, code.class_name, None)
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        networks = [name for name, value in vars(module).items() if isinstance(value, type) and _is_of(value, module)]
        raise UserCodeError(
            f"{code.file} has no network class {code.class_name!r}; it has {alternatives(code.class_name, networks)}"
        )
    return found


def _is_of(value: type, module: ModuleType) -> bool:
    return issubclass(value, nn.Module) and value.__module__ == module.__name__


def _module(code: SourceCode) -> ModuleType:
    # Named after its content: the same file gives the same classes again, two versions of a file never mix.
    name = f"_segscape_bundle_{code.sha256}"
    if name in sys.modules:
        return sys.modules[name]
    define_missing_operators()
    path = str(code.folder / code.file)
    module = ModuleType(name)
    module.__file__ = path
    sys.modules[name] = module  # dataclasses and pickle look their module up while it runs
    try:
        # The bytes that were checked, not what the file may hold by now.
        exec(compile(code.content, path, "exec", dont_inherit=True), vars(module))
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise UserCodeError(f"{code.file} cannot be run: {type(error).__name__}: {error}") from error
    return module
