"""What LeWM and PLDM are made of: five parts that fit, the encoding, the prediction, and further losses."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from .._checks import check_number, describe, plain_number, quoted
from .._config import ModuleConfig
from ..errors import ConfigError
from ..predictors import IncrementalPredictor
from ._incremental import can_roll_incrementally, incremental_rollout
from ._sizes import check_fit, part_size
from ._world_model import WorldModel

_READS = ("samples", "trajectories", "actions")


class JointEmbeddingModel(WorldModel):
    """A world model whose encoder is trained along with the predictor of its own embeddings.

    The arguments are described at `LeWM`. A subclass adds what keeps the embeddings from collapsing, names
    its terms in `own_terms`, and writes `_loss`.
    """

    config: ModuleConfig
    own_terms: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        encoder: nn.Module,
        predictor: nn.Module,
        *,
        action_encoder: nn.Module | None,
        projector: nn.Module | None,
        prediction_projector: nn.Module | None,
        auxiliary: Mapping[str, nn.Module] | None,
        auxiliary_weights: Mapping[str, float] | None,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.predictor = predictor
        self.action_encoder = nn.Identity() if action_encoder is None else action_encoder
        self.projector = nn.Identity() if projector is None else projector
        self.prediction_projector = nn.Identity() if prediction_projector is None else prediction_projector
        owner = type(self).__name__
        _check_vectors(owner, "encoder", encoder, "Make one vector of them with `encoders.PooledTokens`")
        _check_vectors(owner, "predictor", predictor, "Take another, or a `DINOWM`, which predicts tokens")
        embedded = part_size(owner, "encoder", encoder, "embedding_dim")
        said = "`encoder.embedding_dim`"
        if projector is not None:
            check_fit(owner, "projector", projector, "in_dim", embedded, to=said)
            embedded = part_size(owner, "projector", projector, "out_dim")
            said = "`projector.out_dim`"
        check_fit(owner, "predictor", predictor, "embedding_dim", embedded, to=said)
        self.action_dim = part_size(owner, "predictor", predictor, "condition_dim")
        if action_encoder is not None:
            own = "`action_encoder.embedding_dim`"
            due = part_size(owner, "action_encoder", action_encoder, "embedding_dim")
            check_fit(owner, "predictor", predictor, "condition_dim", due, to=own)
            self.action_dim = part_size(owner, "action_encoder", action_encoder, "action_dim")
        if prediction_projector is not None:
            own = "`predictor.embedding_dim`"
            check_fit(owner, "prediction_projector", prediction_projector, "in_dim", embedded, to=own)
            check_fit(owner, "prediction_projector", prediction_projector, "out_dim", embedded, to=said)
        slides = getattr(predictor, "slides", None)
        if isinstance(predictor, IncrementalPredictor) and not isinstance(slides, bool):
            raise ConfigError(
                f"{owner} needs its predictor to say by `slides` whether it forgets what leaves its window",
                f"{type(predictor).__name__} has `slides={slides!r}`",
                "Set `slides = True` for windows of `history_size`, `False` for a recurrent predictor",
            )
        self.history_size = part_size(owner, "predictor", predictor, "history_size")
        self.latent_shape = (embedded,)
        self.observation_parts = tuple(getattr(encoder, "observation_parts", ("pixels",)))
        self.register_module("auxiliary", _named(owner, auxiliary, self.own_terms))
        self.auxiliary_weights = _weights(owner, auxiliary, auxiliary_weights)

    def _encode(self, observations: Any) -> Tensor:
        if isinstance(observations, Tensor):
            frames, leading = observations.flatten(0, 1), observations.shape[:2]
        else:
            frames = observations.map(lambda part: part.flatten(0, 1))
            leading = observations[self.observation_parts[0]].shape[:2]
        return self.projector(self.encoder(frames)).unflatten(0, leading)

    def _predict(self, embeddings: Tensor, actions: Tensor) -> Tensor:
        return self.prediction_projector(self.predictor(embeddings, self.action_encoder(actions)))

    def _rollout(self, context: Tensor, past_actions: Tensor, actions: Tensor) -> Tensor:
        around = self.action_encoder, self.prediction_projector
        if not can_roll_incrementally(self.predictor, *around):
            return super()._rollout(context, past_actions, actions)
        return incremental_rollout(
            self.predictor, *around, context=context, past_actions=past_actions, actions=actions
        )

    def _auxiliary_terms(
        self, embeddings: Tensor, actions: Tensor, generator: torch.Generator | None
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Return the further losses, weighted and as they are, of embeddings (batch, time, dim)."""
        parts = self.auxiliary
        if not isinstance(parts, nn.ModuleDict):
            return {}, {}
        weights = self.auxiliary_weights or {}
        values = {name: judged(part, embeddings, actions, generator) for name, part in parts.items()}
        return {name: weights[name] * value for name, value in values.items()}, values


def check_reads(owner: str, name: str, regularizer: nn.Module) -> None:
    """Raise `ConfigError` unless a regularizer reads something that a model can hand it."""
    reads = getattr(regularizer, "reads", "samples")
    if reads not in _READS:
        raise ConfigError(
            f"{owner} needs `{name}` to say by `reads` what it is called with, one of {quoted(_READS)}",
            f"{type(regularizer).__name__} has `reads={reads!r}`",
            "Leave it out for embeddings (*batch, sample, dim)",
        )


def judged(
    regularizer: nn.Module, embeddings: Tensor, actions: Tensor, generator: torch.Generator | None
) -> Tensor:
    """Return what a regularizer says of embeddings (batch, time, dim), in the axes that it reads."""
    reads = getattr(regularizer, "reads", "samples")
    if reads == "samples":  # the trajectories of a batch, at every time step
        return regularizer(embeddings.transpose(0, 1).clone(), generator=generator)
    if reads == "trajectories":
        return regularizer(embeddings.clone(), generator=generator)
    return regularizer(embeddings.clone(), actions.clone(), generator=generator)


def _check_vectors(owner: str, name: str, part: nn.Module, fix: str) -> None:
    tokens = getattr(part, "num_tokens", None)
    if isinstance(tokens, int):
        raise ConfigError(
            f"{owner} needs its {name} to be one of vectors",
            f"{type(part).__name__} is one of {tokens} tokens",
            fix,
        )


def _named(
    owner: str, auxiliary: Mapping[str, nn.Module] | None, taken: tuple[str, ...]
) -> nn.ModuleDict | None:
    if auxiliary is None:
        return None
    if not isinstance(auxiliary, Mapping) or not auxiliary:
        raise ConfigError(
            f"{owner} needs `auxiliary` to hold losses by name, or to be None",
            f"it is {describe(auxiliary)}",
            'Pass for example {"endpoint": EndpointInverseDynamics(192, 10, horizon=3)}',
        )
    for name, part in auxiliary.items():
        if name in taken:
            raise ConfigError(
                f"{owner} needs losses in `auxiliary` under names of their own",
                f"`{name}` is a term of the model itself",
                "Call it by another word",
            )
        check_reads(owner, f"auxiliary[{name!r}]", part)
    try:
        return nn.ModuleDict(auxiliary)
    except (KeyError, TypeError) as error:  # a point, a name that ModuleDict has itself, or no module
        raise ConfigError(
            f"{owner} needs `auxiliary` to hold modules, by names that a module can have",
            f"it is {describe(dict(auxiliary))} ({error.args[0]})",
            "Call the loss by another word, and pass an instance of its class",
        ) from error


def _weights(
    owner: str, auxiliary: Mapping[str, nn.Module] | None, weights: Mapping[str, float] | None
) -> dict[str, float] | None:
    names = set() if auxiliary is None else set(auxiliary)
    given = {} if weights is None else weights
    if not isinstance(given, Mapping) or set(given) != names:
        raise ConfigError(
            f"{owner} needs `auxiliary_weights` to hold a weight for every loss in `auxiliary`",
            f"it is {describe(weights)}, and these are {quoted(sorted(names)) or 'none'}",
            "Name the same in both",
        )
    for name, weight in given.items():
        check_number(owner, f"auxiliary_weights[{name!r}]", weight, low=0.0)
    return None if weights is None else {name: plain_number(weight) for name, weight in given.items()}
