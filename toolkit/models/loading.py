"""A model by its name, or from a directory."""

import re
import warnings
from pathlib import Path

from torch import nn

from toolkit.models.building import follow
from toolkit.models.bundles import DEFINITION_FILE, read_bundle
from toolkit.models.definitions import InputRules, digest_of, document_of
from toolkit.models.descriptors import list_models, load_model_descriptor
from toolkit.models.errors import ModelOptionError, UnknownNameError, alternatives, shortened
from toolkit.models.model import Model
from toolkit.models.names import ModelName
from toolkit.models.providers import PROVIDERS
from toolkit.models.recipes import Recipe
from toolkit.models.usual_torch import usual_torch
from toolkit.models.weights import weights_sha256
from toolkit.models.wrapped import published_weights
from toolkit.paths import data_catalog, expand

_CHECKPOINT_FILE = "config.json"
_EXTRAS = ("hf", "smp")


class UntrainedNetworkWarning(UserWarning):
    """A network has random weights, so its label maps mean nothing."""


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
        each ``r,g,b`` in units of 0…255; ``output=sigmoid`` for a network of one channel that is the logit of one class
        against all else. Its classes are then the two of ``dataset`` or of the checkpoint; of a checkpoint that names
        only one, ``background`` and that.

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
        raise TypeError(f"model must be a name or the path of a bundle, not {_described(name)}")
    text = str(name)
    bundle = bundle_folder(text)
    if bundle is not None:
        return load_bundle(bundle, source=text if text in list_models() else "")
    parsed = ModelName.parse(text)
    recipe = _recipe_of(parsed)
    if recipe is not None:
        model = _assemble(recipe)
        if recipe.put_weights is None:
            words = "has random weights: its label maps mean nothing until it is trained; give weights=path"
            warnings.warn(f"{recipe.title} {words}", UntrainedNetworkWarning, stacklevel=2)
        return model
    if parsed.options and (parsed.stem in list_models() or Path(expand(parsed.stem)).expanduser().is_dir()):
        raise ModelOptionError(f"model {text!r}: a bundle takes no options; write {parsed.stem!r}")
    raise _unknown(text, parsed)


def bundle_folder(name: str) -> Path | None:
    """The directory of the bundle that a name stands for; None if it stands for something else, or for nothing."""
    if name in list_models():
        usual = data_catalog() / "models" / name
        # Its descriptor is read only if it lies elsewhere.
        return usual if (usual / DEFINITION_FILE).is_file() else load_model_descriptor(name).bundle
    folder = Path(expand(name)).expanduser()
    return folder if (folder / DEFINITION_FILE).is_file() else None


def load_bundle(folder: Path, source: str = "") -> Model:
    """Load the model in a bundle directory.

    Code that the bundle brings runs unsandboxed, with the rights of this process.

    Parameters
    ----------
    folder : pathlib.Path
        Directory with ``model.json`` and the files that it names.
    source : str
        What ``load_model`` takes to get this model again; the folder by default.

    Raises
    ------
    BundleError
        What `toolkit.models.bundles.read_bundle` refuses; or its code fails, or the weights do not fit the network.
    """
    return _assemble(read_bundle(folder, source))


def _assemble(recipe: Recipe) -> Model:
    network, rules, class_names = follow(recipe)
    document = document_of(recipe.definition, class_names, recipe.normalization, rules, InputRules.of(network))
    return Model(
        network=network,
        class_names=class_names,
        normalization=recipe.normalization,
        name=recipe.name,
        digest=digest_of(document, recipe.weights_sha256 or weights_sha256(published_weights(network))),
        source=recipe.source,
        palette=recipe.palette,
        **vars(rules),
        definition=recipe.definition,
    )


def _recipe_of(name: ModelName) -> Recipe | None:
    """What a provider makes of a name; None if it is nobody's."""
    find = PROVIDERS.get(f"{name.provider}:" if name.provider else name.name)
    try:
        with usual_torch():
            return find(name) if find else None
    except ModuleNotFoundError as error:
        remedy = f"; pip install -e '.[{name.provider}]' in the project's folder" if name.provider in _EXTRAS else ""
        raise ImportError(f"model {str(name)!r} needs {error.name!r}, which is not installed{remedy}") from error


def _unknown(text: str, parsed: ModelName) -> UnknownNameError:
    reason = _reason(text, Path(expand(text)).expanduser())
    known = [*list_models(), *(f"{provider}…" if provider.endswith(":") else provider for provider in PROVIDERS)]
    return UnknownNameError(
        f"model {text!r}: {reason}; give the path of a directory with a {DEFINITION_FILE}, or one of "
        f"{alternatives(parsed.stem, known)}"
    )


def _reason(text: str, path: Path) -> str:
    """Why a name is nobody's, with what it may have been meant to be."""
    if not text.strip():
        return "the name is empty"
    if path.name == DEFINITION_FILE and path.is_file():
        return f"it is the definition of a bundle; write {str(path.parent)!r}"
    if path.is_file():
        return (
            "a file is no model, since it does not say which network its weights are of; name that, too: "
            f"NETWORK?weights={text}, such as 'pspnet-resnet50?n_classes=150&weights={text}'"
        )
    if (path / _CHECKPOINT_FILE).is_file():
        return f"the directory holds a {_CHECKPOINT_FILE}, as checkpoints of transformers do; write 'hf:{text}'"
    if path.is_dir():
        return f"the directory holds no {DEFINITION_FILE}"
    if re.match("(deeplabv3|fcn|lraspp)_", text):
        return f"no such name, no such directory; torchvision's network of that name is 'torchvision:{text}'"
    provider, _, rest = text.partition("/")
    if rest and f"{provider}:" in PROVIDERS:
        return f"no such directory; did you mean '{provider}:{rest}'?"
    on_the_hub = re.fullmatch(r"(?:https?://(?:www\.)?huggingface\.co/)?([\w.-]*\w[\w.-]*/[\w.-]+)/?", text)
    if on_the_hub and not text.startswith((".", "~")):
        return (
            f"no such name, no such directory; if it is a checkpoint on Hugging Face's hub, write 'hf:{on_the_hub[1]}'"
        )
    return "no such name, no such directory"


def _described(given: object) -> str:
    """What was given instead of a name, with the remedy."""
    words = f"{type(given).__name__}: {shortened(given)}"
    if isinstance(given, nn.Module):
        return f"{words}; of a network of your own make Model(network, class_names, normalization)"
    return f"{words}, which is a model already" if isinstance(given, Model) else words
