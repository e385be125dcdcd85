"""A call of every public entry that takes arrays or tensors and calls no user code.

Adding such an entry is adding a line to CALLS.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from leworld import encoders, heads, metrics, models, normality, probes, regularizers
from leworld import nn as layers
from leworld.data import Episodes, Observation, Processor, Windows, fit_processor, to_batch
from leworld.decoders import CrossAttentionDecoder, NormedConvDecoder
from leworld.envs import (
    PushT,
    PushTArena,
    PushTDrawing,
    PushTSuccess,
    PushTVector,
    TwoLinkArm,
    TwoRoom,
    TwoRoomArena,
    TwoRoomVector,
)
from leworld.evaluation import LatentMap, Recording, StateRadius, latent_map
from leworld.kernels import ecf_sums, explain
from leworld.predictors import (
    EnsemblePredictor,
    GRUPredictor,
    LinearPredictor,
    MLPPredictor,
    SimNormPredictor,
    StateSpacePredictor,
    TokenTransformerPredictor,
    TransformerPredictor,
)
from leworld.training import CollapseMonitor

Call = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def call(function: Callable[..., Any], *args: Any, **options: Any) -> Call:
    return function, args, options


def _regularizer(name: str) -> Call:
    if name == "InverseDynamics":
        return call(regularizers.InverseDynamics(4, 2), draw(3, 5, 4), draw(3, 5, 2))
    if name == "EndpointInverseDynamics":
        head = regularizers.EndpointInverseDynamics(4, 2, horizon=3)
        return call(head, draw(3, 5, 4), draw(3, 5, 2))
    if name == "Centred":
        return call(regularizers.Centred(window=3), draw(12, 6, 4))
    if name == "PLDMTerms":
        head = regularizers.InverseDynamics(4, 2)
        terms = regularizers.PLDMTerms(inverse_dynamics=head, inverse_dynamics_weight=1.0)
        return call(terms, draw(6, 5, 4), draw(6, 5, 2))
    if name == "VICReg":
        return call(regularizers.VICReg(), draw(12, 4), draw(12, 4, seed=1))
    if name == "MultivariateNormality":
        return call(regularizers.MultivariateNormality(normality.HenzeZirkler()), draw(2, 12, 4))
    if name == "SlicedNormality":
        return call(regularizers.SlicedNormality(normality.AndersonDarling(), num_slices=8), draw(2, 12, 4))
    return call(getattr(regularizers, name)(), draw(2, 12, 4))


def _probe(name: str) -> list[Call]:
    answers = torch.nn.functional.one_hot(torch.arange(60) % 2).double()
    targets = answers if name == "LogisticProbe" else draw(60, 2, seed=1).double()
    rows = draw(60, 3, 4).double() if name == "AttentiveProbe" else draw(60, 4).double()
    quick = {"max_epochs": 2} if name in ("AttentiveProbe", "LinearProbe", "MLPProbe") else {}
    made = getattr(probes, name)(4, 2, **quick)
    held = {"validation_embeddings": rows[40:], "validation_targets": targets[40:]}
    return [
        call(made.fit, rows[:40], targets[:40], **held),
        call(made, rows[40:]),
        call(made.score, rows[40:], targets[40:]),
    ]


def _layers() -> dict[str, list[Call]]:
    tokens, condition = draw(2, 5, 8), draw(2, 5, 6)
    return {
        "AdaLNZero": [call(layers.AdaLNZero(8, 6), condition)],
        "ConditionedBlock": [
            call(
                layers.ConditionedBlock(8, 2, head_dim=4, mlp_dim=8, condition_dim=6).eval(),
                tokens,
                condition,
            )
        ],
        "Conditioning": [
            call(layers.Conditioning(8, 6, kind=kind), tokens, condition)
            for kind in ("concatenate", "film", "adaln")
        ],
        "MLP": [call(layers.MLP(8, 8).eval(), tokens)],
        "BlockGRU": [call(layers.BlockGRU(8, 6, num_blocks=2), tokens, condition)],
        "CategoricalLatents": [
            call(layers.CategoricalLatents(), tokens),
            call(layers.CategoricalLatents().log_probabilities, tokens),
            call(lambda x, n: layers.CategoricalLatents().sample(x, noise=n), tokens, tokens.flip(0)),
            call(layers.CategoricalLatents().divergence, tokens, tokens.flip(0)),
            call(layers.CategoricalLatents().balanced_divergence, tokens, tokens.flip(0)),
        ],
        "NormedLinear": [
            call(layers.NormedLinear(8, 8, norm=norm).eval(), tokens) for norm in ("layer", "rms")
        ],
        "NormedMLP": [call(layers.NormedMLP(8, 8, hidden_dims=(4,), simnorm_dim=2).eval(), tokens)],
        "SimNorm": [call(layers.SimNorm(4), tokens)],
        "PatchEmbedding": [call(layers.PatchEmbedding(8, 4), draw(2, 3, 8, 8))],
        "Projector": [call(layers.Projector(8, hidden_dim=8).eval(), tokens)],
        "SelfAttention": [call(layers.SelfAttention(8, num_heads=2).eval(), tokens)],
        "TransformerBlock": [call(layers.TransformerBlock(8, num_heads=2, mlp_dim=8).eval(), tokens)],
        "Frozen": [call(layers.Frozen(layers.MLP(8, 8)), tokens)],
        "RepReLU": [call(layers.RepReLU(), tokens)],
        "interpolate_positions": [
            # At its own size the table itself is returned, as its page says.
            call(layers.interpolate_positions, draw(1, 10, 4), grid_height=2, grid_width=4),
        ],
        "modulate": [call(layers.modulate, tokens, shift=tokens + 1, scale=tokens + 2)],
    }


def _pooled(pooling: Any) -> nn.Module:
    tokens = encoders.ResNetEncoder(8, 6, blocks=(1,) * 4, width=2, stem="small", pooling="tokens")
    return encoders.PooledTokens(tokens, pooling).eval()


def _data() -> dict[str, list[Call]]:
    frames, actions = np.arange(6 * 64 * 3, dtype=np.uint8).reshape(6, 8, 8, 3), np.ones((6, 1), np.float32)
    columns = {"state": np.arange(12.0).reshape(6, 2)}
    episodes = Episodes(frames, actions, lengths=np.array([3, 3]), columns=columns)
    processor = Processor(8, frameskip=1, action_dim=1, action_mean=(0.5,), action_std=(2.0,))
    still = Processor(8, frameskip=1, action_dim=1, action_mean=(0.0,), action_std=(1.0,))
    choosing = Processor(8, frameskip=1, action_dim=2, action_choices=2)
    raw = Windows(episodes, 1, frameskip=1).__getitems__([0, 1])
    return {
        "Episodes": [
            call(
                lambda *a, **k: list(vars(Episodes(*a, **k)).values()),
                frames,
                actions,
                lengths=[3, 3],
                columns=columns,
            ),
            call(lambda *a: list(vars(Episodes.from_trajectories(*a)).values()), [frames], [actions]),
        ],
        "Processor": [
            call(still.observations, torch.from_numpy(frames)),
            call(processor.observations, Observation(frames)),
            call(processor.raw_observations, draw(2, 3, 8, 8)),
            call(still.action_blocks, draw(4, 1)),
            call(still.raw_actions, draw(4, 1)),
            call(still.block_bounds, np.full(1, -1.0), torch.ones(1)),
            call(choosing.choices, torch.eye(2)),
            call(choosing.one_hot, torch.arange(2)),
        ],
        "to_batch": [call(to_batch, raw, still)],
        "fit_processor": [call(lambda e: fit_processor(e, frameskip=1).to_json(), episodes)],
        "Windows": [call(Windows(episodes, 1, frameskip=1).__getitems__, np.array([0, 1]))],
    }


def _metrics() -> dict[str, list[Call]]:
    rows, pictures = draw(20, 4), draw(2, 3, 16, 16).sigmoid()
    return {
        "NormalityTest": [call(metrics.sliced_normality, rows, normality.EppsPulley(), num_slices=4)],
        "auroc": [call(metrics.auroc, rows[:, 0], rows[:, 1])],
        "conformal_p_values": [call(metrics.conformal_p_values, rows[:, 0], rows[:, 1])],
        "effective_rank": [
            call(metrics.effective_rank, rows),
            call(metrics.effective_rank, rows, center=True),
        ],
        "horizon_error": [call(metrics.horizon_error, draw(2, 3, 4), draw(2, 3, 4, seed=1))],
        "latent_distance": [
            call(metrics.latent_distance, rows, rows + 1, axes=1, kind=kind)
            for kind in ("squared", "cosine", "smooth_l1")
        ],
        "lidar": [call(metrics.lidar, draw(5, 4, 3))],
        "paired_t_test": [call(metrics.paired_t_test, rows[:, 0], rows[:, 1])],
        "plan_rank": [call(metrics.plan_rank, rows[:, 0], rows)],
        "within_episode_share": [call(metrics.within_episode_share, rows, torch.arange(20) // 5)],
        "participation_ratio": [call(metrics.participation_ratio, rows)],
        "psnr": [call(metrics.psnr, pictures, pictures.flip(0))],
        "sliced_normality": [call(metrics.sliced_normality, rows, normality.EppsPulley(), num_slices=4)],
        "ssim": [call(metrics.ssim, pictures, pictures.flip(0))],
        "temporal_straightness": [call(metrics.temporal_straightness, draw(2, 5, 4))],
    }


def _others() -> dict[str, list[Call]]:
    from tests.encoders.cases import dinov2, hugging, timm

    arena, vector, single = TwoRoomArena(), TwoRoomVector(2, autoreset_mode="SameStep"), TwoRoom()
    pushts, pusht = PushTVector(2, autoreset_mode="SameStep"), PushT()
    poses = np.array([[256, 400, 100, 120, 0.3, 0, 0], [300, 60, 200, 220, 2.0, 9, 9]], np.float32)
    places = np.array([[60.0, 50.0], [160.0, 60.0]], np.float32)
    options = {"state": places, "goal": places[::-1].copy()}
    history = models.History(draw(2, 3, 4), draw(2, 2, 1))
    states = np.ones((2, 3, 2), np.float32)
    picture = np.zeros((1, 3, 8, 8, 3), np.uint8)
    return {
        "envs.TwoLinkArm": [
            call(TwoLinkArm().step, places, np.full((2, 2), 3.0, np.float32)),
            call(TwoLinkArm().distance, places, places[::-1].copy()),
            call(TwoLinkArm().render, places, 16),
        ],
        "envs.PushT": [
            call(pusht.reset, seed=0, options={"state": poses[0], "goal": poses[1]}),
            call(pusht.step, np.full(2, 3.0, np.float32)),
        ],
        "envs.PushTDrawing": [call(PushTDrawing(16).render, poses)],
        "envs.PushTArena": [
            call(PushTArena().step, poses, np.full((2, 2), 0.5)),
            call(PushTArena().rollout, poses, np.full((2, 2, 2), 0.5)),
            call(PushTArena().render, poses, 16),
        ],
        "envs.PushTSuccess": [
            call(PushTSuccess().reached, poses, poses),
            call(PushTSuccess().distance, poses, poses),
        ],
        "envs.PushTVector": [
            call(pushts.reset, seed=0, options={"state": poses, "goal": poses[::-1].copy()}),
            call(pushts.step, np.full((2, 2), 3.0, np.float32)),
        ],
        "envs.TwoRoomArena": [
            call(arena.step, places, np.zeros((2, 2), np.float32)),
            call(arena.is_free, places),
            call(arena.reached, places, places),
            call(arena.render, places, 16),
        ],
        "envs.TwoRoomVector": [
            call(vector.reset, seed=0, options=options),
            call(vector.step, np.full((2, 2), 3.0, np.float32)),
        ],
        "envs.TwoRoom": [
            call(single.reset, seed=0, options={"state": places[0]}),
            call(single.step, np.full(2, 3.0, np.float32)),
        ],
        "kernels.ecf_sums": [call(ecf_sums, draw(2, 6, 4), draw(4, 3), spacing=0.2, num_knots=4)],
        "kernels.explain": [call(explain, "ecf_sums", draw(2, 6, 4))],
        "evaluation.latent_map": [call(lambda x: latent_map(x).coordinates, draw(9, 4).double())],
        "evaluation.LatentMap": [call(lambda x: LatentMap(x, "pca").coordinates, np.ones((4, 2)))],
        "evaluation.StateRadius": [
            call(StateRadius(0.5, (0, 1), (1,)).distance, places, 2 * places),
            call(StateRadius(0.5, angles=(1,), norm="largest").reached, places, places[:1]),
        ],
        "evaluation.Recording": [
            call(lambda *a: list(vars(Recording(*a)).values()), states, picture, picture[:, 0].copy())
        ],
        "models.concatenate_states": [call(models.concatenate_states, [history])],
        "training.CollapseMonitor": [call(CollapseMonitor().update, 1, draw(9, 4))],
        "decoders.CrossAttentionDecoder": [
            call(CrossAttentionDecoder(4, 8, patch_size=4, hidden_dim=8, depth=1), draw(2, 4))
        ],
        "decoders.NormedConvDecoder": [call(NormedConvDecoder(4, 8, channels=(4, 4)), draw(2, 4))],
        "predictors.TransformerPredictor": [
            call(
                TransformerPredictor(4, 3, depth=1, num_heads=2, head_dim=2, mlp_dim=4).eval(),
                draw(2, 3, 4),
                draw(2, 3, 4, seed=1),
            )
        ],
        "predictors.TokenTransformerPredictor": [
            call(
                TokenTransformerPredictor(
                    4, 2, condition_dim=3, depth=1, num_heads=2, head_dim=2, mlp_dim=4, conditioning=kind
                ).eval(),
                draw(2, 3, 2, 4),
                draw(2, 3, 3, seed=1),
            )
            for kind in ("concatenate", "adaln")
        ],
        "models.DINOWM": _dinowm(),
        "models.TDMPC2": _tdmpc2(),
        "models.RSSM": _rssm(),
        "predictors.GRUPredictor": [
            call(GRUPredictor(4, 3, state=state).eval(), draw(2, 3, 4), draw(2, 3, 4, seed=1))
            for state in ("hidden", "embedding")
        ],
        "predictors.LinearPredictor": [call(LinearPredictor(4, 2), draw(2, 3, 4), draw(2, 3, 4, seed=1))],
        "predictors.MLPPredictor": [
            call(MLPPredictor(4, size, hidden_dim=4), draw(2, 3, 4), draw(2, 3, 4, seed=1)) for size in (1, 2)
        ],
        "predictors.SimNormPredictor": [
            call(SimNormPredictor(4, hidden_dims=(4,), simnorm_dim=2), draw(2, 3, 4), draw(2, 3, 4, seed=1))
        ],
        "predictors.StateSpacePredictor": [
            call(function, *shapes)
            for one in [_state_space()]
            for function, *shapes in (
                (one, draw(2, 3, 8), draw(2, 3, 4, seed=1)),
                (one.advance, draw(2, 8), draw(2, 4, seed=1)),
                (one.prior_logits, draw(2, 4)),
                (one.join, draw(2, 4), draw(2, 2, 2, seed=1)),
            )
        ],
        "predictors.EnsemblePredictor": [
            call(function, draw(2, 3, 4), draw(2, 3, 4, seed=1))
            for pair in [EnsemblePredictor([LinearPredictor(4), LinearPredictor(4)])]
            for function in (pair, pair.members, pair.spread)
        ],
        "encoders.ActionEncoder": [call(encoders.ActionEncoder(4, 6), draw(2, 3, 4))],
        "encoders.ConvEncoder": [call(encoders.ConvEncoder(8, 6, channels=(4, 4)).eval(), draw(2, 3, 8, 8))],
        "encoders.DINOv2Encoder": [
            call(dinov2(output=output).eval(), draw(2, 3, 16, 16)) for output in ("cls", "patches")
        ],
        "encoders.HuggingFaceEncoder": [call(hugging().eval(), draw(2, 3, 16, 16))],
        "encoders.TimmEncoder": [call(timm("resnet18").eval(), draw(2, 3, 16, 16))],
        "encoders.ImpalaEncoder": [call(encoders.ImpalaEncoder(8, 6, channels=(4,)), draw(2, 3, 8, 8))],
        "encoders.ResNetEncoder": [
            call(
                encoders.ResNetEncoder(8, 6, blocks=(1,) * 4, width=2, stem="small", pooling=pooling).eval(),
                draw(2, 3, 8, 8),
            )
            for pooling in ("mean", "keypoints", "tokens")
        ],
        "encoders.SimNormEncoder": [
            call(encoders.SimNormEncoder(8, 4, kernels=(3,), strides=(2,), simnorm_dim=4), draw(2, 3, 8, 8))
        ],
        "encoders.NormedConvEncoder": [call(encoders.NormedConvEncoder(8, (4, 4)), draw(2, 3, 8, 8))],
        "encoders.SimNormAdapter": [
            call(encoders.SimNormAdapter(encoders.VectorEncoder(4, 6), 8).eval(), draw(2, 4))
        ],
        "encoders.PooledTokens": [
            call(_pooled(pooling), draw(2, 3, 8, 8)) for pooling in ("mean", "attention")
        ],
        "encoders.LinearEncoder": [call(encoders.LinearEncoder(4, 6), draw(2, 4))],
        "encoders.VectorEncoder": [call(encoders.VectorEncoder(4, 6).eval(), draw(2, 4))],
        "encoders.ViTEncoder": [
            call(encoders.ViTEncoder(8, 4, hidden_dim=6, depth=1, num_heads=2).eval(), draw(2, 3, 8, 8))
        ],
        "encoders.FusedEncoder": [
            call(
                encoders.FusedEncoder(
                    {"a": encoders.VectorEncoder(4, 6), "b": encoders.VectorEncoder(4, 6)}, 6
                ),
                Observation(parts={"a": draw(2, 4), "b": draw(2, 4)}),
            )
        ],
        "probes.split_by_episode": [call(probes.split_by_episode, torch.arange(12) // 3)],
        "probes.EpisodeSplit": [call(probes.split_by_episode, torch.arange(12) // 3)],
        "normality.sliced_statistic": [
            call(normality.sliced_statistic, normality.Watson(), draw(9, 4), directions=draw(4, 3))
        ],
    }


def _heads() -> dict[str, list[Call]]:
    latents, actions, values = draw(5, 4), draw(5, 2, seed=1), draw(5, seed=2)
    small = {"hidden_dims": (4,)}
    q, over = heads.QEnsemble(4, 2, **small).eval(), heads.TerminationHead(4, **small)
    reward, value = heads.ScalarHead(4, 2, **small), heads.ScalarHead(4, **small)
    gaussian, categorical = heads.GaussianPolicy(4, 2, **small), heads.CategoricalPolicy(4, 2, **small)
    scale, bins = heads.RunningScale(), [heads.TwoHot(spacing, 9) for spacing in ("symlog", "symexp")]
    critic = heads.StateValue(4, **small).eval()
    learner = heads.ActorCritic(gaussian, critic, horizon=2).eval()

    def step(here: Tensor, taken: Tensor) -> Tensor:
        return here + taken.repeat(1, 2)

    def earned(reached: Tensor) -> Tensor:
        return reached.sum(-1)

    return {
        "TwoHot": [
            *(call(one.encode, values) for one in bins),
            *(call(one.decode, draw(5, 9)) for one in bins),
            *(call(one.loss, draw(5, 9), values) for one in bins),
        ],
        "symlog": [call(heads.symlog, values)],
        "symexp": [call(heads.symexp, values)],
        "ScalarHead": [
            call(reward, latents, actions),
            call(value, latents),
            call(value.loss, latents, values),
        ],
        "QEnsemble": [call(q, latents, actions), call(q.loss, latents, values, actions=actions)],
        "TerminationHead": [call(over, latents), call(over.loss, latents, values.sigmoid())],
        "GaussianPolicy": [
            call(gaussian, latents),
            call(lambda z, noise: list(vars(gaussian.sample(z, noise=noise)).values()), latents, actions),
            call(gaussian.log_prob, latents, actions.tanh()),
        ],
        "CategoricalPolicy": [
            call(categorical, latents),
            call(lambda z: list(vars(categorical.sample(z)).values()), latents),
            call(categorical.log_prob, latents, torch.eye(2)[[0, 1, 1, 0, 1]]),
        ],
        "StateValue": [call(critic, latents), call(critic.loss, latents, values)],
        "lambda_returns": [
            call(heads.lambda_returns, draw(5, 3), draw(5, 3, seed=1), going=draw(5, 3, seed=2))
        ],
        "ActorCritic": [call(lambda z: list(vars(learner.losses(z, step, reward=earned)).values()), latents)],
        "ImaginedLosses": [call(lambda z: learner.losses(z, step, reward=earned).policy, latents)],
        "PolicySample": [call(lambda z: gaussian.sample(z).actions, latents)],
        "RunningScale": [call(scale, values), call(scale.update, values)],
    }


def _tdmpc2() -> list[Call]:
    from tests.models.rewarded import batch
    from tests.models.tdmpc2 import tdmpc2

    model = tdmpc2().eval()
    data = batch(model)
    frames, blocks = draw(2, 2, 8), draw(2, 3, 4, 4, seed=1)
    return [
        call(model.encode, data.observations),
        call(model.predict, frames, blocks[:, 0, :2]),
        call(model.rollout, frames, blocks[:, 0, :1], blocks),
        call(lambda given: [*model.loss(given).terms.values(), model.loss(given).latents], data),
    ]


def _state_space() -> StateSpacePredictor:
    return StateSpacePredictor(
        4, condition_dim=4, num_variables=2, num_classes=2, hidden_dim=4, num_blocks=2
    ).eval()


def _rssm() -> list[Call]:
    from tests.models.rewarded import batch
    from tests.models.rssm import LATENT, rssm

    model = rssm().eval()
    data, source = batch(model), torch.Generator()
    frames, blocks = draw(2, 2, LATENT), draw(2, 3, 4, 4, seed=1)
    return [
        call(model.encode, data.observations),
        call(model.encode, data.observations, data.actions),
        call(model.predict, frames, blocks[:, 0, :2]),
        call(model.rollout, frames, blocks[:, 0, :1], blocks),
        call(model.imagine, frames[:, 0], blocks),
        call(
            lambda given: [*model.loss(given, generator=source.manual_seed(0)).terms.values()],
            data,
        ),
    ]


def _dinowm() -> list[Call]:
    from tests.models.dinowm import batch, dinowm

    model, data = dinowm().eval(), batch()
    frames, blocks = draw(2, 2, 4, 8), draw(2, 3, 4, 4, seed=1)
    return [
        call(model.encode, data.observations),
        call(model.predict, frames, blocks[:, 0, :2]),
        call(model.rollout, frames, blocks[:, 0, :1], blocks),
        call(model.latent_distance, frames, frames.flip(0)),
        call(lambda given: [*model.loss(given).terms.values(), model.loss(given).latents], data),
    ]


def _statistics() -> dict[str, list[Call]]:
    from tests.normality.conformance import STATISTICS
    from tests.normality.multivariate import MULTIVARIATE

    table: dict[str, list[Call]] = {"UnivariateStatistic": [], "MultivariateStatistic": []}
    for statistic in STATISTICS.values():
        table.setdefault(type(statistic).__name__, []).append(call(statistic, draw(24, 2)))
    for statistic in MULTIVARIATE.values():
        table.setdefault(type(statistic).__name__, []).append(call(statistic, draw(2, 24, 3)))
    return table


def calls() -> dict[str, list[Call]]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        names = [name for name in dir(regularizers) if isinstance(getattr(regularizers, name), type)]
        fitted = [n for n in dir(probes) if n.endswith("Probe") and n != "Probe"]
        rooms = {
            "nn": _layers(),
            "heads": _heads(),
            "data": _data(),
            "metrics": _metrics(),
            "normality": _statistics(),
            "regularizers": {
                name: [_regularizer(name)]
                for name in names
                if issubclass(getattr(regularizers, name), nn.Module)
            },
            "probes": {name: _probe(name) for name in fitted},
        }
        table = {f"{room}.{name}": rows for room, entries in rooms.items() for name, rows in entries.items()}
        return table | _others()


CALLS = calls()
