"""Find a model by its name."""

from pathlib import Path

from toolkit.models.bundles import DEFINITION_FILE, load_bundle
from toolkit.models.descriptors import UnknownNameError, list_models, load_model_descriptor
from toolkit.models.model import Model
from toolkit.paths import expand


def load_model(name: str | Path) -> Model:
    """Load a model by name, or from a bundle directory.

    Parameters
    ----------
    name : str or pathlib.Path
        A name in the data catalog, such as ``"deeplabv3-mobilenetv2-voc"`` (works offline), or a directory that holds
        ``model.json`` and weights.

    Returns
    -------
    Model
        In evaluation mode, on the CPU; its digest verified.

    Raises
    ------
    UnknownNameError
        Nothing has that name; the message lists what exists.
    BundleError
        The bundle is damaged, incomplete, or not what its digest says.

    Examples
    --------
    >>> model = load_model("deeplabv3-mobilenetv2-voc")
    >>> model.class_names[15]
    'person'
    """
    if not isinstance(name, str | Path):
        raise TypeError(f"model must be a name or the path of a bundle, not {type(name).__name__}: {name!r}")
    if str(name) in list_models():
        return load_bundle(load_model_descriptor(str(name)).bundle, source=str(name))
    folder = Path(expand(str(name))).expanduser()
    if (folder / DEFINITION_FILE).is_file():
        return load_bundle(folder)
    reason = f"the directory holds no {DEFINITION_FILE}" if folder.is_dir() else "no such name, no such directory"
    raise UnknownNameError(
        f"model {str(name)!r}: {reason}; there are {', '.join(list_models())}, "
        f"or give the path of a directory with a {DEFINITION_FILE}"
    )
