"""What a cost needs of a model, and how it is kept in evaluation mode meanwhile."""

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, runtime_checkable

from torch import Tensor, nn

from ..errors import ConfigError


@runtime_checkable
class RolloutModel(Protocol):
    """Anything that predicts embeddings under candidate actions, such as a `leworld.models.WorldModel`.

    Example:
        ```python
        import torch
        from leworld.costs._model import RolloutModel

        class Integrator:
            def rollout(self, context, past_actions, actions):
                return context[:, None, -1:] + actions.cumsum(2)

        assert isinstance(Integrator(), RolloutModel)
        ```
    """

    @abstractmethod
    def rollout(self, context: Tensor, past_actions: Tensor, actions: Tensor) -> Tensor:
        """Predict the embeddings after each of `actions`: -> "batch sample horizon *latent".

        Args:
            context: Embeddings of past frames, "batch time *latent".
            past_actions: Actions between them, "batch time-1 action".
            actions: Candidates, "batch sample horizon action"; step 0 leaves the last context frame.
        """
        ...


@contextmanager
def evaluation_mode(model: object) -> Iterator[None]:
    """Switch a module and its children to evaluation for a while, then give each its own mode back.

    Dropout and batch statistics would else make a plan depend on chance and on the other candidates.

    Args:
        model: A module, or any other object, which is left alone.

    Raises:
        ConfigError: If `model` is a class.

    Example:
        ```python
        from torch import nn
        from leworld.costs import evaluation_mode

        model = nn.Sequential(nn.Dropout(), nn.BatchNorm1d(3).eval())
        with evaluation_mode(model):
            assert not model[0].training
        assert model[0].training and not model[1].training
        ```
    """
    if isinstance(model, type):
        raise ConfigError(
            "evaluation_mode needs a model",
            f"`model` is the class {model.__name__} itself",
            "Pass an instance of it",
        )
    switched = (
        [module for module in model.modules() if module.training] if isinstance(model, nn.Module) else []
    )
    for module in switched:
        module.training = False
    try:
        yield
    finally:
        for module in switched:
            module.training = True
