"""What a run is known by in a catalog: all that decides its results."""

from toolkit.catalog import RunSettings
from toolkit.models import Model
from toolkit.runs.tasks import Work
from toolkit.segmentation import NUMERICS_VERSION, Protocol


def settings_of(work: Work, model: Model) -> RunSettings:
    """What a run of this work is known by in a catalog."""
    return RunSettings(
        model=model.name,
        model_digest=model.digest,
        class_names=model.class_names,
        protocol=work.protocol.to_dict(),
        options=_options(work),
        numerics_version=NUMERICS_VERSION,
        palette=model.palette,
    )


def _options(work: Work) -> dict[str, bool | str]:
    """What of a run's work besides model and protocol decides its results, where it is not as usual."""
    options: dict[str, bool | str] = {}
    if work.execution.precision != "float32":
        options["precision"] = work.execution.precision
    if work.execution.compile:
        options["compile"] = True
    if work.soft_composition:
        options["soft_composition"] = True
    return options


def check_model(model: object, protocol: object) -> None:
    """Refuse what is no model or no protocol, or a model that results could not be told by."""
    if not isinstance(model, Model):
        raise TypeError(f"model must be a Model or the name of one, not {model!r}")
    if not isinstance(protocol, Protocol):
        raise TypeError(f"protocol must be a Protocol, not {protocol!r}; Protocol.preset(name) makes a published one")
    if not model.digest:
        raise ValueError(
            f"model {model.name!r} has no digest, so its results could not be told from another's; set one"
        )
