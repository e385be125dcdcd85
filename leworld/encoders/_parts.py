"""One embedding of several parts of an observation."""

from collections.abc import Mapping
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from .._checks import check_number, describe, quoted
from .._config import configurable
from ..data import Observation
from ..errors import ConfigError


@final
@configurable
class PartsEncoder(nn.Module):
    """Encode several cameras and vectors, each with an encoder of its own, and join them into one embedding.

    Reach for it where one picture does not tell the state: a robot with a second camera, or with joints that
    it feels. As the encoder of a `LeWM` it makes the model read these parts; the processor has to know them,
    see `leworld.data.fit_processor(..., parts=...)`.

        embedding = Linear(concat over parts of encoder_part(part))

    Beware of parts that tell the state by themselves: a model that can read the joints has little reason to
    look at the picture. Probe for what only the picture shows.

    Shapes:
        an `Observation` of parts (batch, ...) -> (batch, embedding_dim).

    Args:
        encoders: By name of the part, what encodes it: pictures (batch, channel, height, width), vectors
            (batch, dim). Each says the size of what it returns as `embedding_dim`.
        embedding_dim: Size of the embedding.

    Attributes:
        observation_parts: The names, in the order of `encoders`.

    Raises:
        ConfigError: If there is no encoder, one does not say its size, a part is missing, or its name
            cannot be a module's.

    Example:
        ```python
        import torch
        from leworld.data import Observation
        from leworld.encoders import ConvEncoder, PartsEncoder, VectorEncoder

        camera, joints = ConvEncoder(16, 8, channels=(4, 8)), VectorEncoder(7, 8)
        encoder = PartsEncoder({"pixels": camera, "proprio": joints}, 12)
        seen = Observation(torch.randn(2, 3, 16, 16), {"proprio": torch.randn(2, 7)})
        assert encoder(seen).shape == (2, 12)
        ```
    """

    def __init__(self, encoders: Mapping[str, nn.Module], embedding_dim: int = 32) -> None:
        super().__init__()
        check_number("PartsEncoder", "embedding_dim", embedding_dim, low=1, integer=True)
        if not isinstance(encoders, Mapping) or not encoders:
            raise ConfigError(
                "PartsEncoder needs `encoders` to hold one encoder for every part, by name",
                f"it is {describe(encoders)}",
                'Pass for example {"pixels": ConvEncoder(), "proprio": VectorEncoder(7)}',
            )
        sizes = {name: _size(name, encoder) for name, encoder in encoders.items()}
        self.encoders = _named(encoders)
        self.output = nn.Linear(sum(sizes.values()), embedding_dim)
        self.embedding_dim = embedding_dim

    @property
    def observation_parts(self) -> tuple[str, ...]:
        """Names of the parts that are read."""
        return tuple(self.encoders)

    def forward(self, observation: Observation | Tensor) -> Float[Tensor, "batch dim"]:
        """Encode the parts; of a single one its tensor will do."""
        names = self.observation_parts
        if isinstance(observation, Observation):
            read = observation.parts
        elif isinstance(observation, Tensor) and len(names) == 1:
            read = {names[0]: observation}
        else:
            raise ConfigError(
                f"PartsEncoder needs an Observation with {quoted(names)}",
                f"it was given {describe(observation)}",
                "Pass what the model's `processor.observations` returns",
            )
        missing = [name for name in names if name not in read]
        if missing:
            raise ConfigError(
                f"PartsEncoder needs the parts {quoted(names)}",
                f"`{missing[0]}` is missing",
                "Give the model a `processor` that knows it, and data that have it",
            )
        encoded = [encoder(read[name]) for name, encoder in self.encoders.items()]
        return self.output(torch.cat(encoded, dim=-1))


def _named(encoders: Mapping[str, nn.Module]) -> nn.ModuleDict:
    try:
        return nn.ModuleDict(encoders)
    except (KeyError, TypeError) as error:  # a point, or a name that ModuleDict has itself
        raise ConfigError(
            "PartsEncoder needs names of parts that a module can have",
            f"they are {', '.join(repr(name) for name in encoders)} ({error.args[0]})",
            "Call the part by another word, in the data and the processor too",
        ) from error


def _size(name: str, encoder: object) -> int:
    size = getattr(encoder, "embedding_dim", None)
    if not isinstance(encoder, nn.Module) or not isinstance(size, int):
        raise ConfigError(
            f"PartsEncoder needs the encoder of `{name}` to be a module that says its `embedding_dim`",
            f"it is a {type(encoder).__name__} with the size {size!r}",
            "Set `self.embedding_dim` in its constructor",
        )
    return size
