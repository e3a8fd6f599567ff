"""What stands in the way of an evaluation."""

from toolkit.errors import ToolkitError


class EvaluationError(ToolkitError, ValueError):
    """Targets, classes and label maps do not fit together; the message names what, and the remedy."""
