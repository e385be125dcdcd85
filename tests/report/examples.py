"""Small results of every kind that a report shows."""

import numpy as np
import torch

from leworld.evaluation import (
    AlarmLevel,
    DiagnosisResult,
    GoalReachingResult,
    ImaginedRollouts,
    OpenLoopResult,
    PartRow,
    PolicyOutcome,
    ProbeRow,
    ProbingResult,
    Recording,
    SurpriseResult,
    SurpriseRow,
    latent_map,
)
from leworld.metrics import GoalMonotonicity, Interval
from leworld.report import (
    Section,
    card_section,
    diagnosis_section,
    gaussianity_section,
    imagination_section,
    latent_map_section,
    monotonicity_section,
    open_loop_section,
    planning_section,
    probing_section,
    surprise_section,
    verdict_lines,
    verdict_section,
)
from tests.hub.examples import tiny_lewm


def normals(rows: int = 200, dim: int = 6, *, seed: int = 0) -> torch.Tensor:
    return torch.randn(rows, dim, generator=torch.Generator().manual_seed(seed))


def probing_result() -> ProbingResult:
    truth = normals(50, 2)
    rows = (
        ProbeRow("place <x&y>", model="LeWM", probe="linear", mse=0.1, mse_std=0.2, pearson=0.95, r2=0.91,
                 r2_interval=Interval(low=0.85, high=0.94), num_samples=50, num_episodes=5),
        ProbeRow("constant", model="LeWM", probe="linear", undefined="the target does not vary"),
    )  # fmt: skip
    predictions = {("place <x&y>", "LeWM", "linear"): (truth + 0.1, truth)}
    return ProbingResult(rows=rows, seed=0, predictions=predictions)


def surprise_result() -> SurpriseResult:
    curves = {"offsets": (-1, 0, 1), "disturbed": (0.1, 40.0, 0.3), "undisturbed": (0.1, 0.2, 0.1)}
    row = SurpriseRow("teleport", num_events=40, num_detected=(40, 38), auroc=0.999, t=9.0, p_value=1e-9,
                      effect_size=2.5, **curves)  # fmt: skip
    door = "at the door"
    levels = tuple(
        AlarmLevel(rate, threshold=threshold, frames={"all": every, door: frames}, events={door: events})
        for rate, threshold, every, frames, events in (
            (0.05, 0.5, (9, 200), (5, 20), (3, 9)),
            (0.01, 2.0, (2, 200), (0, 20), (0, 9)),
        )
    )
    scores = {
        "normal frames": normals(200, 1).abs()[:, 0],
        "at the door": normals(20, 1).abs()[:, 0],
        "teleport": 30 + normals(40, 1).abs()[:, 0],
    }
    return SurpriseResult(rows=(row,), levels=levels, num_calibration=200, spread={}, seed=0,
                          undefined={"colour": "the pictures are grey"}, scores=scores)  # fmt: skip


def planning_result() -> GoalReachingResult:
    source = np.random.default_rng(0)
    frames = source.integers(0, 256, (2, 5, 16, 16, 3), dtype=np.uint8)
    recording = Recording(
        states=source.uniform(20, 200, (2, 5, 2)).astype(np.float32),
        frames=frames,
        goal_frames=frames[:, -1],
    )
    outcome = PolicyOutcome(
        reached=(True, False),
        reached_at_last=(True, False),
        steps_to_reach=(3, None),
        final_distance=(2.0, 80.0),
    )
    return GoalReachingResult(
        protocol="by-hand",
        budget=4,
        success_radius=16.0,
        num_presolved=1,
        seed=0,
        start=recording.states[:, 0],
        goal=recording.states[:, -1],
        policies={"LeWM": outcome, "random": outcome},
        recordings={"LeWM": recording, "random": recording},
    )


def diagnosis_result() -> DiagnosisResult:
    row = PartRow(
        part="pixels", change="shuffled", moved=0.01, error_ratio=1.0, rank=float("nan"), r2={"elbow": 0.2}
    )
    return DiagnosisResult(
        within_share=0.5,
        independent_share=0.9,
        rank=0.02,
        contrast=0.4,
        horizon=5,
        num_problems=100,
        r2={"elbow": 0.2},
        pixel_r2={"elbow": 0.9},
        parts=(row,),
        undefined={"wrist": "it does not <vary>"},
    )


def rollouts() -> ImaginedRollouts:
    source = np.random.default_rng(1)
    true, decoded, imagined = source.integers(0, 256, (3, 2, 4, 16, 16, 3), dtype=np.uint8)
    latents = torch.zeros(2, 4, 3)
    states = np.zeros((2, 4, 2), np.float32)
    return ImaginedRollouts(
        true_frames=true,
        decoded_frames=decoded,
        imagined_frames=imagined,
        true_latents=latents,
        imagined_latents=latents,
        episodes=np.arange(2),
        true_states=states,
        decoded_states=states,
        imagined_states=states + np.float32([3, 4]),
    )


def sections() -> list[Section]:
    """One of each, but the log of a training, which needs a file."""
    embeddings = normals()
    latent = {"model": (0.1, 0.2, 0.4), "copy": (1.0, 2.0, 3.0), "shuffled": (1.5, 3.0, 4.0)}
    physical = {"model": (1.0, 2.0, 3.0), "copy": (9.0, 12.0, 20.0), "shuffled": (9.0, 15.0, 30.0),
                "probe": (0.5, 0.5, 0.5)}  # fmt: skip
    curves = OpenLoopResult(latent=latent, physical=physical, num_windows=9)
    monotone = GoalMonotonicity(edges=(0, 10, 20, 40), share=(1.0, 0.7, float("nan")), count=(9, 9, 0))
    results = (probing_result(), diagnosis_result(), surprise_result(), planning_result(), curves, monotone)
    return [
        verdict_section([line for result in results for line in verdict_lines(result)]),
        card_section(tiny_lewm()),
        gaussianity_section(embeddings, normals(40, seed=1)),
        probing_section(probing_result()),
        diagnosis_section(diagnosis_result()),
        surprise_section(surprise_result()),
        planning_section(planning_result()),
        imagination_section(rollouts()),
        open_loop_section(curves, "run <7>"),
        latent_map_section(latent_map(embeddings), {"first <b>": embeddings[:, 0].numpy()}),
        monotonicity_section(monotone),
    ]
