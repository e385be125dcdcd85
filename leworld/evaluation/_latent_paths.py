"""Episodes as a model sees them: embeddings of every kept frame and the action blocks between them."""

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from .._checks import check_finite, describe
from ..costs import evaluation_mode
from ..data import Episodes
from ..errors import ConfigError, DataError
from ..models import WorldModel
from ._encode import encode_frames


def frames_bar(episodes: Episodes, skip: int, label: str, *, progress: bool, passes: int) -> tqdm:
    """A progress bar over the frames that a model looks at, `passes` times; off where nobody can see it."""
    lengths = episodes.lengths if isinstance(episodes, Episodes) else np.zeros(0, np.int64)
    total = passes * int((-(-lengths // skip)).sum())
    return tqdm(total=total, desc=label, unit="frame", leave=False, disable=None if progress else True)


def latent_paths(
    model: WorldModel, episodes: Episodes, *, owner: str, bar: tqdm | None = None
) -> list[tuple[Tensor, Tensor]]:
    """Return for each episode embeddings "time dim" of rows 0, frameskip, ... and blocks "time-1 action"."""
    if not isinstance(episodes, Episodes):
        raise ConfigError(
            f"{owner} needs `episodes` to be a `leworld.data.Episodes`",
            f"`episodes` is {describe(episodes)}",
            "Read them with `read_hdf5`, or collect them with `collect`",
        )
    processor = getattr(model, "processor", None)
    skip = 1 if processor is None else processor.frameskip  # without one, encode_frames says what is missing
    rows = [
        torch.arange(int(first), int(first + length), skip)
        for first, length in zip(episodes.offsets, episodes.lengths, strict=True)
    ]
    embeddings = encode_frames(model, episodes.pixels[torch.cat(rows).numpy()], owner=owner, bar=bar)
    if processor is None:
        raise RuntimeError("unreachable: encode_frames asks for a processor")
    if episodes.action_dim != processor.action_dim:
        raise DataError(
            f"{owner} needs episodes with {processor.action_dim} action components, as the model has them",
            f"they have {episodes.action_dim}",
            "Use episodes of the environment that the model was trained on",
        )
    actions = torch.from_numpy(episodes.actions)
    paths = []
    for part, path in zip(rows, embeddings.split([len(part) for part in rows]), strict=True):
        raw = actions[int(part[0]) : int(part[-1])].reshape(-1, processor.action_dim)
        blocks = processor.action_blocks(raw) if len(raw) else raw.new_zeros(0, processor.block_dim)
        paths.append((path, blocks))
    return paths


def next_errors(model: WorldModel, paths: list[tuple[Tensor, Tensor]], *, owner: str) -> list[Tensor]:
    """Return the squared distance of predicted and true next embedding, "time-1" for each episode."""
    reach = model.history_size
    errors = [torch.full((len(blocks),), torch.nan) for _, blocks in paths]
    windows: dict[int, list[tuple[int, int]]] = {}
    for episode, (_, blocks) in enumerate(paths):
        for now in range(len(blocks)):
            windows.setdefault(min(now + 1, reach), []).append((episode, now))
    for size, places in windows.items():
        for first in range(0, len(places), 512):
            chunk = places[first : first + 512]
            seen = torch.stack([paths[e][0][now + 1 - size : now + 1] for e, now in chunk])
            blocks = torch.stack([paths[e][1][now + 1 - size : now + 1] for e, now in chunk])
            truth = torch.stack([paths[e][0][now + 1] for e, now in chunk])
            gap = (predict_last(model, seen, blocks).double() - truth.double()).square().sum(dim=-1)
            for (episode, now), value in zip(chunk, gap, strict=True):
                errors[episode][now] = value
    for values in errors:
        check_finite(owner, "model.predict(...)", values, fix="Check the model's weights")
    return errors


@torch.no_grad()
def predict_last(model: WorldModel, embeddings: Tensor, blocks: Tensor) -> Tensor:
    """Predict the embedding after the last of the given frames, on the model's device; float32 on the CPU."""
    weight = next(model.parameters(), None)
    if weight is not None:
        embeddings, blocks = embeddings.to(weight), blocks.to(weight)
    with evaluation_mode(model):
        return model.predict(embeddings, blocks)[:, -1].float().cpu()
