"""What a model imagines, as pictures beside the true ones."""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ..._checks import check_finite, check_number, describe, plain_numbers
from ..._random import fold_seed
from ...data import Episodes
from ...decoders import CrossAttentionDecoder
from ...errors import ConfigError, DataError
from ...models import WorldModel, processor_of
from ...nn import evaluation_mode
from ...probes import Probe, RidgeProbe
from .._columns import state_column
from .._latent_paths import imagined_paths, latent_paths
from ._rollouts_result import ImaginedRollouts

_AT_ONCE = 256
_VALIDATION = 0.1


@plain_numbers
def imagined_rollouts(
    model: WorldModel,
    episodes: Episodes,
    *,
    decoder: CrossAttentionDecoder,
    horizon: int = 5,
    num_rollouts: int = 16,
    column: str | None = None,
    probe: Callable[[int, int], Probe] | None = None,
    seed: int = 0,
) -> ImaginedRollouts:
    """Let the model imagine the future of recorded episodes, and decode what it imagines.

    Each rollout sees history_size frames of an episode (all of them so far, if the model carries a state) and
    then only its actions. The decoder draws the
    imagined embeddings and, to tell its own faults from the model's, those of the true frames. With a
    `column`, a probe fitted on the other half of the episodes reads the state off both; its validation
    episodes are a tenth of that half.

    Args:
        model: A world model with its processor, action statistics included.
        episodes: Episodes that neither the model nor the decoder was trained on.
        decoder: A decoder trained on this model's latents, as vectors: its `embedding_dim` is the number of
            entries of a latent.
        horizon: Steps to imagine, each `frameskip` rows.
        num_rollouts: Rollouts, drawn uniformly among all possible ones, at most one an episode as long as
            there are enough episodes; fewer where there are not so many.
        column: Column of true states, or None.
        probe: Makes the probe from the sizes of an embedding and of a state, for example `MLPProbe`;
            `RidgeProbe` when None.
        seed: Which windows, which episodes fit the probe, and the probe's own randomness.

    Raises:
        ConfigError: A model without processor, a decoder for other embeddings, or an option out of range.
        DataError: Episodes too short or too few, or no such column.
        NonFiniteError: Embeddings, predictions or pictures are NaN or infinite.

    Randomness:
        From `seed` only.

    Source:
        Open-loop rollouts decoded as in Maes et al., LeWorldModel, 2026 (arXiv 2603.19312), section 5.

    Example:
        ```python
        import leworld
        from leworld.decoders import CrossAttentionDecoder
        from leworld.evaluation import imagined_rollouts
        from leworld.tasks import task_of

        model = leworld.load("lewm-tworoom-tiny")
        decoder = CrossAttentionDecoder(model.embedding_dim, 64, patch_size=8, hidden_dim=8, depth=1)
        episodes = task_of(model).held_out(4, seed=1)
        rollouts = imagined_rollouts(model, episodes, decoder=decoder, horizon=3, column="state")
        assert rollouts.imagined_frames.shape[1:] == rollouts.true_frames.shape[1:] == (4, 64, 64, 3)
        assert rollouts.state_errors("imagined").shape == rollouts.true_frames.shape[:2]
        ```
    """
    owner = "imagined_rollouts"
    check_number(owner, "horizon", horizon, low=1, integer=True)
    check_number(owner, "num_rollouts", num_rollouts, low=1, integer=True)
    check_number(owner, "seed", seed, low=0, high=2**63 - 1, integer=True)
    _check_decoder(owner, model, decoder)
    if isinstance(episodes, Episodes) and episodes.pixels is None:
        raise DataError(
            f"{owner} needs episodes with pictures", "`episodes.pixels` is None", "Record what it shall show"
        )
    paths = latent_paths(model, episodes, owner=owner)
    reach = model.history_size
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(paths))
    shown = order if column is None else order[: len(order) // 2]
    starts = _draw_starts(
        [(int(e), len(paths[e]) - reach - horizon + 1) for e in shown], num_rollouts, rng=rng
    )
    if not starts or (column is not None and len(order) < 4):
        raise DataError(
            f"{owner} needs an episode of {reach} + {horizon} frames or more, and 4 episodes with a column",
            f"none of {len(shown)} is so long" if not starts else f"there are {len(order)}",
            "Pass more or longer episodes, or a shorter horizon",
        )
    skip = processor_of(model, owner=owner).frameskip
    rows_of = [
        first + skip * np.arange(len(path)) for first, path in zip(episodes.offsets, paths, strict=True)
    ]
    truth = torch.stack([paths[e].latents[s + reach - 1 : s + reach + horizon] for e, s in starts])
    actions = torch.stack([paths[e].blocks[s + reach - 1 : s + reach + horizon - 1] for e, s in starts])
    rows = np.stack([rows_of[e][s + reach - 1 : s + reach + horizon] for e, s in starts])
    future = imagined_paths(model, paths, starts, actions, owner=owner)
    imagined = torch.cat([truth[:, :1], future], dim=1)
    states: tuple[np.ndarray | None, np.ndarray | None, np.ndarray | None] = (None, None, None)
    if column is not None:
        values = state_column(owner, episodes, column)
        others = [(paths[e].latents.flatten(1), values[rows_of[e]]) for e in order[len(shown) :]]
        fitted = _fit_probe(others, RidgeProbe if probe is None else probe, seed)
        states = (values[rows], _read(fitted, truth), _read(fitted, imagined))
    return ImaginedRollouts(
        true_frames=episodes.pixels[rows],
        decoded_frames=_draw(owner, decoder, truth),
        imagined_frames=_draw(owner, decoder, imagined),
        true_latents=truth,
        imagined_latents=imagined,
        true_states=states[0],
        decoded_states=states[1],
        imagined_states=states[2],
        episodes=np.array([e for e, _ in starts]),
    )


def _check_decoder(owner: str, model: object, decoder: object) -> None:
    if not isinstance(decoder, CrossAttentionDecoder):
        raise ConfigError(
            f"{owner} needs `decoder` to be a leworld.decoders.CrossAttentionDecoder",
            f"it is {describe(decoder)}",
            "Train one with `leworld.training.train_decoder`",
        )
    size = math.prod(model.latent_shape) if isinstance(model, WorldModel) else decoder.embedding_dim
    if decoder.embedding_dim != size:
        raise ConfigError(
            f"{owner} needs a decoder of embeddings of size {size}, as the model has them",
            f"`decoder.embedding_dim` is {decoder.embedding_dim}",
            "Take the decoder that was trained on this model",
        )


def _draw_starts(
    rooms: list[tuple[int, int]], count: int, *, rng: np.random.Generator
) -> list[tuple[int, int]]:
    """Draw (episode, start): one start an episode in random order, then a second one each, and so on."""
    orders = [(episode, rng.permutation(max(0, room))) for episode, room in rooms]
    longest = max((len(places) for _, places in orders), default=0)
    turns = ((e, int(places[turn])) for turn in range(longest) for e, places in orders if turn < len(places))
    return [start for start, _ in zip(turns, range(count), strict=False)]


def _fit_probe(
    episodes: list[tuple[Tensor, np.ndarray]], factory: Callable[[int, int], Probe], seed: int
) -> Probe:
    """Fit a probe from embeddings to states of whole episodes; the last tenth of them validates it."""
    split = len(episodes) - max(1, round(_VALIDATION * len(episodes)))
    fitting, validating = (
        (
            torch.cat([embeddings for embeddings, _ in part]).double(),
            torch.from_numpy(np.concatenate([states for _, states in part])).double(),
        )
        for part in (episodes[:split], episodes[split:])
    )
    probe = factory(fitting[0].shape[1], fitting[1].shape[1])
    return probe.fit(
        *fitting,
        validation_embeddings=validating[0],
        validation_targets=validating[1],
        generator=torch.Generator().manual_seed(fold_seed(seed)),
    )


def _read(probe: Probe, embeddings: Tensor) -> np.ndarray:
    vectors = embeddings.flatten(0, 1).flatten(1)
    return probe(vectors).unflatten(0, embeddings.shape[:2]).float().numpy()


@torch.no_grad()
def _draw(owner: str, decoder: CrossAttentionDecoder, embeddings: Tensor) -> np.ndarray:
    """Decode "rollout moment *latent" into uint8 frames "rollout moment height width channel"."""
    weight = decoder.background
    parts = []
    with evaluation_mode(decoder):
        for chunk in embeddings.flatten(0, 1).flatten(1).split(_AT_ONCE):
            pictures = decoder(chunk.to(weight)).float()
            check_finite(owner, "decoder(...)", pictures, fix="Check the decoder's weights")
            parts.append((255 * pictures.clamp(0, 1)).round().to(torch.uint8).permute(0, 2, 3, 1).cpu())
    return torch.cat(parts).unflatten(0, embeddings.shape[:2]).numpy()
