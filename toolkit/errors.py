"""The one tree of errors that are the toolkit's own; what is raised beside them are Python's.

    ToolkitError
    ├── CatalogError                 a catalog cannot be used (toolkit.catalog)
    │   ├── DamagedError                 an object of it is broken
    │   └── StoreLostError               its object store is out of reach (also an OSError)
    ├── SourceError                  an image cannot be read; has a code (toolkit.sources)
    ├── NoImagesError                nothing was found (also a ValueError)
    ├── UnreachableError             a server of images does not answer (also a ConnectionError)
    ├── AccessError                  a server of images lets us not in (also a PermissionError)
    ├── ModelError                   a model cannot be had (toolkit.models; also a ValueError)
    │   ├── UnknownNameError             no model has that name
    │   ├── ModelOptionError             an option of a name is wrong
    │   ├── BundleError                  a bundle is not what it must be
    │   ├── DescriptorError              a descriptor is not what it must be
    │   ├── UserCodeError                code that came with a bundle failed
    │   ├── WeightsError                 weights do not fit
    │   ├── BuildError                   a library cannot build the network
    │   └── ProbeError                   a network does not do what a model must
    ├── PictureError                 a picture fits no area or projection (toolkit.segmentation; also a ValueError)
    ├── EvaluationError              nothing can be measured (toolkit.evaluation; also a ValueError)
    ├── EngineTaskError              a task failed on an engine (toolkit.engines)
    ├── EngineLostError              an engine died under its task
    ├── NoEnginesError               there is no engine (also a RuntimeError)
    ├── OperationError               what was going on stopped before its end (toolkit.operation; also a RuntimeError)
    │   └── RunError                     a run did (toolkit.runs)
    ├── NoModelError                 an engine has no way to a model (toolkit.engines.hosting; also a RuntimeError)
    ├── ModelDeliveryError           a model cannot be brought to an engine (also a RuntimeError)
    ├── ParameterError               a notebook has no such parameter (toolkit.notebooks; also a ValueError)
    └── NotebookError                a notebook failed (also a RuntimeError)

Wrong arguments are Python's own TypeError and ValueError (`toolkit.arguments`). A class lies in the package that raises
it. Those that have an obvious ancestor among Python's errors are of that kind, too, so that ``except ValueError`` and
the like do what one would expect.
"""


class ToolkitError(Exception):
    """Something that a person can act on; the message names the thing, the value and the remedy."""
