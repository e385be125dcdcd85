"""Train a decoder on lewm-tworoom-tiny and judge what it shows: `python -m benchmarks.tworoom.decoder`.

The decoder learns with `train_decoder`'s defaults, and its pictures of held-out frames stand beside the
mean training frame. Then the model imagines rollouts of 5 blocks from held-out episodes. Where the agent is
in them is told twice: by probes on the imagined embedding, and by the centre of the red in the decoded
picture. Writes benchmarks/results/tworoom_decoder.json and, into `--out`, the decoder and a figure.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from torch import Tensor

import leworld
from benchmarks.harness import write_result
from benchmarks.tworoom import FORMER_RECIPE
from leworld.decoders import CrossAttentionDecoder, save_decoder
from leworld.envs import TwoRoomArena
from leworld.evaluation import ImaginedRollouts, imagined_rollouts
from leworld.metrics import psnr, ssim
from leworld.models import WorldModel
from leworld.probes import MLPProbe, RidgeProbe
from leworld.tasks import two_room_held_out
from leworld.training import train_decoder

MODEL = "lewm-tworoom-tiny"
HORIZON = 5
STRIDE = 5
AROUND = 8  # half the side, in pixels, of the square around the agent
RESAMPLES = 2000
RED = 64  # levels of 255: fainter pixels are no agent, or a mean frame would hold one
DISC = 255 * np.pi * TwoRoomArena.radius**2  # the red of one agent, in levels times squared arena units


def as_pictures(frames: np.ndarray) -> Tensor:
    """Turn uint8 "*batch height width channel" into pictures from 0 to 1, channels first."""
    return torch.from_numpy(frames).movedim(-1, -3).float() / 255


def find_agent(frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the centre of the red in arena units, "*batch 2", and whether half an agent or more is there."""
    unit = TwoRoomArena.size / frames.shape[-2]
    levels = frames.astype(np.float64)
    red = np.clip(levels[..., 0] - levels[..., 1:].mean(axis=-1), 0.0, None)
    red[red < RED] = 0.0
    found = red.sum(axis=(-2, -1)) * unit**2 >= 0.5 * DISC
    place = (np.arange(frames.shape[-2]) + 0.5) * unit
    mass = np.maximum(red.sum(axis=(-2, -1)), 1e-9)
    x, y = (red.sum(axis=-2) * place).sum(axis=-1) / mass, (red.sum(axis=-1) * place).sum(axis=-1) / mass
    return np.stack([x, y], axis=-1), found


def around(pictures: Tensor, states: np.ndarray) -> Tensor:
    """Cut squares of 2 * AROUND pixels around the agents out of pictures "frame channel height width"."""
    side = pictures.shape[-1]
    corner = np.rint(states * side / TwoRoomArena.size).astype(int) - AROUND
    corner = corner.clip(0, side - 2 * AROUND)
    return torch.stack(
        [
            picture[:, y : y + 2 * AROUND, x : x + 2 * AROUND]
            for picture, (x, y) in zip(pictures, corner, strict=True)
        ]
    )


def with_interval(values: np.ndarray, statistic: Callable[..., np.ndarray]) -> dict[str, float]:
    """Return a statistic of values, one an episode, with a 95 % interval from resampled episodes."""
    drawn = np.random.default_rng(0).integers(len(values), size=(RESAMPLES, len(values)))
    low, high = np.quantile(statistic(values[drawn], axis=1), (0.025, 0.975))
    return {"value": float(statistic(values)), "low": float(low), "high": float(high)}


def judge(pictures: Tensor, truth: Tensor, states: np.ndarray, episode: np.ndarray) -> dict[str, Any]:
    """Measure pictures of held-out frames: means over episodes of each episode's mean."""

    def mean(values: Tensor) -> dict[str, float]:
        by_episode = np.bincount(episode, values.numpy()) / np.bincount(episode)
        return with_interval(by_episode, np.mean)

    return {
        "psnr": mean(psnr(pictures, truth)),
        "psnr_around_agent": mean(psnr(around(pictures, states), around(truth, states))),
        "ssim": mean(ssim(pictures, truth)),
        "psnr_median": float(psnr(pictures, truth).median()),
        "psnr_worst_percent": float(psnr(pictures, truth).quantile(0.01)),
        "psnr_of_mean_error": float(-10 * (pictures - truth).double().square().mean().log10()),
    }


@torch.no_grad()
def decode(model: WorldModel, decoder: CrossAttentionDecoder, frames: np.ndarray) -> Tensor:
    """Encode and decode frames, rounded to the levels of a picture file."""
    parts = []
    for chunk in torch.from_numpy(frames).split(256):
        embeddings = model.encode(model.processor.observations(chunk)[:, None])[:, 0]
        parts.append((255 * decoder(embeddings).clamp(0, 1)).round() / 255)
    return torch.cat(parts)


def step_row(rollouts: dict[str, ImaginedRollouts], step: int) -> dict[str, Any]:
    """Where the agent is after `step` blocks of imagination, by every means, in arena units."""
    one = rollouts["ridge"]
    truth = one.true_states[:, step]
    row: dict[str, Any] = {"what": "imagined", "step": step}
    for name, result in rollouts.items():
        row[f"{name} probe"] = with_interval(result.state_errors("imagined")[:, step], np.median)
        row[f"{name} probe on true embeddings"] = with_interval(
            result.state_errors("decoded")[:, step], np.median
        )
    for name, frames in (("picture", one.imagined_frames), ("picture of true embedding", one.decoded_frames)):
        place, found = find_agent(frames[:, step])
        off = np.where(found, np.linalg.norm(place - truth, axis=-1), 1e9)  # not found: as far as can be
        row[name] = with_interval(off, np.median) | {"found": float(found.mean())}
    moved = np.linalg.norm(one.true_states[:, 0] - truth, axis=-1)
    row["agent that stays"] = with_interval(moved, np.median)
    pictures, true_pictures = as_pictures(one.imagined_frames[:, step]), as_pictures(one.true_frames[:, step])
    row["psnr"] = with_interval(psnr(pictures, true_pictures).numpy(), np.mean)
    row["strictest_median"] = max(row[name]["value"] for name in ("ridge probe", "mlp probe", "picture"))
    return row


@click.command(help=__doc__)
@click.option("--train", "num_train", default=200, show_default=True, help="Episodes to train on.")
@click.option("--held-out", "num_held_out", default=200, show_default=True, help="Episodes to judge on.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/decoder"), show_default=True)
def main(num_train: int, num_held_out: int, out: Path) -> None:
    """Run and write."""
    torch.set_num_threads(1)
    model = leworld.load(MODEL)
    training = replace(FORMER_RECIPE, num_episodes=num_train).collect(progress=False)
    started = time.process_time()
    decoder = train_decoder(model, training, folder=out, progress=False, accelerator="cpu")
    seconds = time.process_time() - started
    save_decoder(decoder, out / "decoder", overwrite=True)
    mean = as_pictures(np.rint(training.pixels.mean(axis=0, dtype=np.float64)).astype(np.uint8))

    held_out = two_room_held_out(num_held_out)
    chosen = np.concatenate(
        [np.arange(o, o + n, STRIDE) for o, n in zip(held_out.offsets, held_out.lengths, strict=True)]
    )
    episode = np.repeat(np.arange(len(held_out)), held_out.lengths)[chosen]
    states, truth = held_out.columns["state"][chosen], as_pictures(held_out.pixels[chosen])
    pictures = {
        "decoded": decode(model, decoder, held_out.pixels[chosen]),
        "mean frame": mean.expand_as(truth),
    }
    rows = [
        {"what": "held-out frames", "pictures": name} | judge(drawn, truth, states, episode)
        for name, drawn in pictures.items()
    ]
    rows[0]["agent_found"] = float(find_agent((255 * pictures["decoded"]).movedim(1, -1).numpy())[1].mean())
    rollouts = {
        name: imagined_rollouts(
            model,
            held_out,
            decoder=decoder,
            horizon=HORIZON,
            num_rollouts=num_held_out // 2,
            column="state",
            probe=probe,
        )
        for name, probe in (("ridge", RidgeProbe), ("mlp", MLPProbe))
    }
    rows += [step_row(rollouts, step) for step in range(1, HORIZON + 1)]
    rollouts["mlp"].plot(out / "imagined.png", num_rollouts=2, overwrite=True)
    place, found = find_agent(held_out.pixels[chosen])
    path = write_result(
        "tworoom_decoder",
        command="python -m benchmarks.tworoom.decoder",
        settings={
            "model": MODEL,
            "training_episodes": num_train,
            "training_frames": len(training.pixels),
            "train_cpu_seconds": seconds,
            "decoder": vars(decoder)["config"].to_json(),
            "decoder_parameters": sum(weight.numel() for weight in decoder.parameters()),
            "held_out_episodes": num_held_out,
            "held_out_frames": len(chosen),
            "rollouts": len(rollouts["ridge"].episodes),
            "frames_a_block": STRIDE,
            "pixels_around_agent": 2 * AROUND,
            "intervals": f"95 %, {RESAMPLES} resamples of episodes",
            "largest_error_of_the_centre_of_red_in_true_frames": float(
                np.linalg.norm(place - states, axis=-1)[found].max()
            ),
            "agents_found_in_true_frames": float(found.mean()),
        },
        rows=rows,
    )
    click.echo(f"{path}: {rows[0]['psnr']['value']:.1f} dB, {rows[-1]['strictest_median']:.2f} units off")


if __name__ == "__main__":
    main()
