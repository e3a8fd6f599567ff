"""The engines: processes that run tasks, one at a time, each on a GPU of its own."""

from toolkit.engines.inside import configure_engine
from toolkit.engines.inside.devices import check_pinned

configure_engine(get_config())  # noqa: F821  given by ipyparallel
check_pinned()
