"""What stands in the way of an evaluation, in words that a person can act on."""


class EvaluationError(ValueError):
    """Targets, classes and label maps do not fit together; the message names what, and the remedy."""
