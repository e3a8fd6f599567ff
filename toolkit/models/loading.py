"""Find a model by its name."""

from pathlib import Path

from toolkit.models.bundles import DEFINITION_FILE, load_bundle
from toolkit.models.descriptors import list_models, load_model_descriptor
from toolkit.models.messages import alternatives
from toolkit.models.model import Model
from toolkit.models.names import ModelName, ModelOptionError, UnknownNameError
from toolkit.models.providers import PROVIDERS, PSPNET_NAMES, load_pspnet
from toolkit.paths import data_catalog, expand

_EXTRAS = ("hf", "smp")


def load_model(name: str | Path) -> Model:
    """Load a model by name, or from a bundle directory.

    Parameters
    ----------
    name : str or pathlib.Path
        One of

        * a name in the data catalog, such as ``"deeplabv3-mobilenetv2-voc"`` (works offline);
        * a directory with ``model.json``: a bundle. Code that it brings runs unsandboxed, with your rights;
        * ``"pspnet-resnet50"``, ``"pspnet-resnet101"``: the paper's network, for semseg's weights;
        * ``"torchvision:NAME"``: ``deeplabv3_*``, ``fcn_*``, ``lraspp_*``;
        * ``"smp:ARCHITECTURE/ENCODER"``: segmentation-models-pytorch;
        * ``"hf:ORG/NAME"`` or ``"hf:DIRECTORY"``: a semantic segmentation checkpoint of Hugging Face transformers.

        Names other than the first two take options, ``?key=value&key=value``: ``n_classes`` (pspnet), ``num_classes``
        (torchvision), ``classes`` (smp); ``weights``, a ``.safetensors`` or ``.pth`` file; ``dataset``, whose classes
        and colours they have; ``seed`` of the random weights where none are given; ``mean`` and ``std`` of the input,
        each ``r,g,b`` in units of 0…255.

    Returns
    -------
    Model
        In evaluation mode, on the CPU; ``load_model(model.source)`` gives it again.

    Raises
    ------
    UnknownNameError
        Nothing has that name; the message lists what exists.
    ModelOptionError
        An option is unknown, or has a value that it cannot have.
    WeightsError
        The weights cannot be read, or are of another network.
    BundleError
        The bundle is damaged, incomplete, or not what its digest says.
    ImportError
        The name asks for a package that is not installed.

    Warns
    -----
    UntrainedNetworkWarning
        The network has random weights, since none were given.

    Examples
    --------
    >>> model = load_model("deeplabv3-mobilenetv2-voc")
    >>> model.class_names[15]
    'person'
    """
    if not isinstance(name, str | Path):
        raise TypeError(f"model must be a name or the path of a bundle, not {type(name).__name__}: {name!r}")
    text = str(name)
    bundle = bundle_folder(text)
    if bundle is not None:
        return load_bundle(bundle, source=text if text in list_models() else "")
    folder = Path(expand(text)).expanduser()
    parsed = ModelName.parse(text)
    if parsed.stem in PSPNET_NAMES or parsed.provider in PROVIDERS:
        return _provided(parsed)
    if parsed.options and (parsed.stem in list_models() or Path(expand(parsed.stem)).expanduser().is_dir()):
        raise ModelOptionError(f"model {text!r}: a bundle takes no options; write {parsed.stem!r}")
    raise _unknown(text, parsed, folder)


def bundle_folder(name: str) -> Path | None:
    """The directory of the bundle that a name stands for; None if it stands for something else, or for nothing."""
    if name in list_models():
        return _bundle_of(name)
    folder = Path(expand(name)).expanduser()
    return folder if (folder / DEFINITION_FILE).is_file() else None


def _provided(name: ModelName) -> Model:
    load = PROVIDERS[name.provider] if name.provider else load_pspnet
    try:
        return load(name)
    except ModuleNotFoundError as error:
        remedy = f"; pip install -e '.[{name.provider}]' in the project's folder" if name.provider in _EXTRAS else ""
        raise ImportError(f"model {str(name)!r} needs {error.name!r}, which is not installed{remedy}") from error


def _bundle_of(name: str) -> Path:
    """The folder of a model of the data catalog; its descriptor is read only if that lies elsewhere."""
    usual = data_catalog() / "models" / name
    return usual if (usual / DEFINITION_FILE).is_file() else load_model_descriptor(name).bundle


def _unknown(text: str, parsed: ModelName, folder: Path) -> UnknownNameError:
    reason = f"the directory holds no {DEFINITION_FILE}" if folder.is_dir() else "no such name, no such directory"
    if folder.is_file():
        reason = "a file is no model; give its network's name with ?weights=FILE"
    known = [*list_models(), *PSPNET_NAMES, *(f"{provider}:…" for provider in PROVIDERS)]
    return UnknownNameError(
        f"model {text!r}: {reason}; give the path of a directory with a {DEFINITION_FILE}, or one of "
        f"{alternatives(parsed.stem, known)}"
    )
