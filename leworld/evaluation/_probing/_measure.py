"""Which physical quantities a frozen embedding holds: quantities x probes x models."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from ..._checks import check_finite, check_number, describe, plain_numbers
from ..._lending import copied
from ..._random import fold_seed
from ..._targets import class_hits, constant_columns, degrees_off, encode_targets
from ...data import Episodes
from ...errors import ConfigError, LeWorldError, NonFiniteError, ShapeError
from ...models import WorldModel
from ...probes import EpisodeSplit, MLPProbe, Probe, RidgeProbe, split_by_episode
from .._columns import strided_rows
from .._latent_paths import OnProgress, row_latents
from ._bootstrap import bootstrap_mean, bootstrap_scores
from ._probe_row import ProbeRow
from ._quantity import Quantity, quantity_values
from ._result import Key, ProbingResult

Encoder = WorldModel | Callable[[np.ndarray], Tensor]
ProbeFactory = Callable[[int, int], Probe]
_BATCH = 256


@plain_numbers
def probing(
    models: Mapping[str, Encoder],
    episodes: Episodes,
    *,
    quantities: Mapping[str, Quantity],
    probes: Mapping[str, ProbeFactory] | None = None,
    stride: int = 5,
    split: tuple[float, float] = (0.1, 0.2),
    seed: int = 0,
    progress: bool = False,
) -> ProbingResult:
    """Fit probes from every model's embeddings to every quantity, and score them on episodes set aside.

    Every `stride`-th frame is embedded once for each model. The same episodes fit, tune and test for all
    models and probes, so that rows can be compared. Intervals resample whole test episodes: two frames of one
    episode are nearly one observation.

    A row that cannot be measured (a quantity that does not vary, an embedding with NaN, a probe that does not
    fit the shape of the embedding) is marked undefined with its reason, and the other rows go on.

    Args:
        models: World models, or any function from uint8 frames (frame, height, width, channel) to embeddings
            (frame, dim) or tokens (frame, token, dim), by name. Probes that read tokens get them as they are,
            others all of a frame's in one vector.
        episodes: Episodes that the models were not trained on, with the columns of the quantities.
        quantities: What to predict, by name.
        probes: Functions of embedding and target size that construct a probe, such as the probe classes
            themselves, by name. Default: linear (`RidgeProbe`) and MLP (`MLPProbe`).
        stride: Distance of the frames used, in rows.
        split: Shares of the episodes that tune and that are tested.
        seed: Which episodes go where, the probes' weights and the resampling.
        progress: Show progress bars on the error stream if that is a terminal.

    Returns:
        A table of rows with intervals, which also holds predictions to plot.

    Raises:
        ConfigError: No model, quantity or probe, a model without processor, or an option out of range.
        DataError: A column that is missing or not numeric.
        ShapeError: Fewer than 3 episodes, or embeddings of another length than the frames.
        NonFiniteError: NaN or infinite values of a quantity.

    Randomness:
        From `seed` only.

    Source:
        Maes et al., LeWorldModel, 2026, arXiv 2603.19312, section 5.1, Tables 1, 3 and 4: frozen embeddings,
        linear and MLP probes, MSE of standardised targets and r. Settings of their probes are not published;
        the split by episode, R2 and the intervals are additions.

    Example:
        ```python
        import numpy as np
        import torch
        from leworld.data import Episodes
        from leworld.evaluation import Quantity, probing
        from leworld.probes import RidgeProbe

        level = np.random.default_rng(0).integers(0, 256, size=400).astype(np.uint8)
        episodes = Episodes(
            np.tile(level[:, None, None, None], (1, 4, 4, 3)),
            np.zeros((400, 1), np.float32),
            lengths=np.full(20, 20),
            columns={"state": level[:, None].astype(np.float32)},
        )

        def brightness(frames):
            return torch.from_numpy(frames).float().mean(dim=(1, 2))

        result = probing(
            {"brightness": brightness},
            episodes,
            quantities={"level": Quantity("state")},
            probes={"linear": RidgeProbe},
        )
        assert result.row("level").r2 > 0.999
        ```
    """
    factories: Mapping[str, ProbeFactory] = (
        {"linear": RidgeProbe, "MLP": MLPProbe} if probes is None else probes
    )
    tables = {"models": models, "quantities": quantities, "probes": factories}
    for name, table in tables.items():
        if not isinstance(table, Mapping) or not table:
            raise ConfigError(
                f"probing needs `{name}` to map at least one name to what it stands for",
                f"`{name}` is {describe(table)}",
                f"Pass a dict, for example {_EXAMPLES[name]}",
            )
    for name, quantity in quantities.items():
        if not isinstance(quantity, Quantity):
            raise ConfigError(
                "probing needs every quantity to be a `Quantity`",
                f"`{name}` is {describe(quantity)}",
                'Pass for example Quantity("state", components=(0, 1))',
            )
    check_number("probing", "stride", stride, low=1, integer=True)
    check_number("probing", "seed", seed, low=0, high=2**62, integer=True)
    values = {name: quantity_values("probing", episodes, q) for name, q in quantities.items()}
    rows, episode = strided_rows(episodes, stride)
    parts = split_by_episode(episode, validation=split[0], test=split[1], seed=seed)
    found: list[ProbeRow] = []
    predictions: dict[Key, tuple[Tensor, Tensor]] = {}
    off = None if progress else True
    with tqdm(total=len(models) * len(rows), desc="embed", unit="frame", leave=False, disable=off) as bar:
        embedded = {name: _embed(model, episodes, rows, bar.update) for name, model in models.items()}
    cells = tqdm(
        total=len(models) * len(quantities) * len(factories),
        desc="fit",
        unit="probe",
        leave=False,
        disable=off,
    )
    for name, quantity in quantities.items():
        for model, embeddings in embedded.items():
            for index, (probe, factory) in enumerate(factories.items()):
                key = (name, model, probe)
                try:
                    if isinstance(embeddings, NonFiniteError):
                        raise embeddings
                    row, predictions[key] = _measure(
                        key, factory, embeddings, values[name][rows], quantity, episode, parts,
                        seed=fold_seed(seed, index),
                    )  # fmt: skip
                except LeWorldError as error:
                    row = ProbeRow(*key, undefined=str(error))
                found.append(row)
                cells.update()
    cells.close()
    return ProbingResult(rows=tuple(found), seed=seed, predictions=predictions)


_EXAMPLES = {
    "models": '{"LeWM": model}',
    "quantities": '{"position": Quantity("state")}',
    "probes": '{"linear": RidgeProbe}',
}


def _embed(
    model: Encoder, episodes: Episodes, rows: np.ndarray, on_progress: OnProgress
) -> Tensor | NonFiniteError:
    """Embed frames; NaN is an answer here, since it is one row's trouble and not the table's."""
    if not isinstance(model, WorldModel) and callable(model):
        with torch.no_grad():
            parts = []
            for first in range(0, len(rows), _BATCH):
                pixels = episodes.observation(("pixels",), rows[first : first + _BATCH]).pixels
                parts.append(copied(model(pixels)))
                on_progress(len(pixels))
        if not all(isinstance(part, Tensor) and part.is_floating_point() for part in parts):
            raise ShapeError(
                "probing needs encoders that return floating-point (frame, dim) or (frame, token, dim)",
                f"one returned {describe(parts[0])}",
                "Convert its output with `.float()`",
            )
        embeddings = torch.cat(parts).float().cpu()
        if len(embeddings) != len(rows) or embeddings.ndim not in (2, 3):
            raise ShapeError(
                f"probing needs one embedding for each of {len(rows)} frames",
                f"an encoder returned {describe(embeddings)}",
                "Return (frame, dim) or (frame, token, dim)",
            )
        try:
            check_finite("probing", "the embedding", embeddings, fix="Check the encoder's weights")
        except NonFiniteError as error:
            return error
        return embeddings
    try:
        return row_latents(model, episodes, rows, owner="probing", on_progress=on_progress)
    except NonFiniteError as error:
        return error


def _measure(
    key: Key,
    factory: ProbeFactory,
    embeddings: Tensor,
    values: Tensor,
    quantity: Quantity,
    episode: Tensor,
    split: EpisodeSplit,
    *,
    seed: int,
) -> tuple[ProbeRow, tuple[Tensor, Tensor]]:
    targets = encode_targets("probing", values, quantity.kind)
    flat = constant_columns(targets[split.train])
    # Rotations about one axis leave some entries of an encoding constant; those need no probe.
    used = torch.ones_like(flat) if quantity.kind == "number" else ~flat
    if not bool(used.any()):
        used = torch.ones_like(flat)
    answers = targets[:, used]
    probe = factory(embeddings.shape[-1], answers.shape[1])
    if probe.reads_tokens:
        embeddings = embeddings.flatten(1, -2) if embeddings.ndim > 3 else embeddings
    elif embeddings.ndim > 2:
        embeddings = embeddings.flatten(1)
        probe = factory(embeddings.shape[-1], answers.shape[1])
    probe.fit(
        embeddings[split.train],
        answers[split.train],
        validation_embeddings=embeddings[split.validation],
        validation_targets=answers[split.validation],
        generator=torch.Generator().manual_seed(seed),
    )
    test = split.test
    score = probe.score(embeddings[test], answers[test])
    predicted = probe(embeddings[test])
    full = targets[split.train].mean(dim=0).repeat(len(test), 1)
    full[:, used] = predicted
    off = degrees_off("probing", full, values[test], quantity.kind)
    error = ((predicted - answers[test]) / probe.target_std).square().mean(dim=1)
    intervals = bootstrap_scores(
        predicted, answers[test], episode[test], target_std=probe.target_std, seed=seed
    )
    told: dict[str, Any] = {}
    if quantity.kind == "class":
        hits = class_hits(full, targets[test])
        guess = targets[split.train].mean(dim=0, keepdim=True).expand_as(full)
        told = {
            "accuracy": float(hits.mean()),
            "accuracy_interval": bootstrap_mean(hits, episode[test], seed=seed),
            "chance": float(class_hits(guess, targets[test]).mean()),
        }
    row = ProbeRow(
        *key,
        **told,
        mse=score.mean_mse,
        mse_std=float(error.std()),
        pearson=score.mean_pearson,
        r2=score.mean_r2,
        mse_interval=intervals["mse"],
        pearson_interval=intervals["pearson"],
        r2_interval=intervals["r2"],
        degrees=float("nan") if off is None else float(off.mean()),
        num_samples=score.num_samples,
        num_episodes=len(episode[test].unique()),
    )
    return row, (predicted.float(), answers[test].float())
