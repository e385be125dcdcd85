"""The errors that leworld raises, each told in three parts: the rule, what came, what to do."""

from typing import TYPE_CHECKING, final

from ._names import room_names


class LeWorldError(Exception):
    """Base of every error that leworld raises on purpose.

    The message reads "<rule>, but <got>. <fix>", and the three parts stay available on their own.

    Args:
        rule: What the called function requires.
        got: What it was given instead, with names and values as the caller wrote them.
        fix: What to do about it.

    Example:
        ```python
        from leworld.errors import ShapeError

        error = ShapeError("SIGReg needs at least 2 samples", "`embeddings` has 1", "Use a larger batch")
        assert str(error) == "SIGReg needs at least 2 samples, but `embeddings` has 1. Use a larger batch."
        ```
    """

    def __init__(self, rule: str, got: str, fix: str) -> None:
        super().__init__(rule, got, fix)
        self.rule = rule
        self.got = got
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.rule}, but {self.got}. {self.fix.rstrip('.')}."


@final
class ShapeError(LeWorldError, ValueError):
    """A tensor has the wrong rank, the wrong size along an axis, or the wrong dtype."""


@final
class ConfigError(LeWorldError, ValueError):
    """A setting is out of its range, unknown, or at odds with another one."""


@final
class DataError(LeWorldError, ValueError):
    """A dataset or data file breaks the layout that it should have."""


@final
class CheckpointError(LeWorldError, RuntimeError):
    """A checkpoint cannot be found, read, verified or matched to a model."""


@final
class KernelUnavailableError(LeWorldError, RuntimeError):
    """A kernel implementation was asked for by name and cannot run here."""


@final
class NonFiniteError(LeWorldError, ArithmeticError):
    """A value that must be finite is NaN or infinite."""


@final
class MissingExtraError(LeWorldError, ImportError):
    """A feature needs an optional dependency that is not installed."""


if not TYPE_CHECKING:
    __getattr__, __dir__ = room_names(__name__)
