"""A name by which profiles of earlier versions know `toolkit.engines.site`."""

from toolkit.engines.site import *  # noqa: F403
