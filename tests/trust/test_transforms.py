"""Models, parts, costs and metrics under torch.func: vmap gives what a loop gives, or says that it cannot."""

import inspect
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import grad, jvp, vmap

from leworld import metrics
from leworld._distributed import gather_samples, sum_over_ranks
from leworld.costs import (
    ActionCost,
    ConstrainedCost,
    EnsembleCost,
    GoalCost,
    ReturnCost,
    SurpriseCost,
    WeightedSum,
)
from leworld.data import Batch, Processor
from leworld.decoders import NormedConvDecoder
from leworld.encoders import ActionEncoder, LinearEncoder, VectorEncoder
from leworld.errors import ConfigError
from leworld.heads import GaussianPolicy, QEnsemble, ScalarHead, TwoHot
from leworld.models import LeWM
from leworld.nn import (
    MLP,
    BlockGRU,
    CategoricalLatents,
    Frozen,
    NormedLinear,
    NormedMLP,
    PatchEmbedding,
    Projector,
    RepReLU,
    SelfAttention,
    SimNorm,
    TransformerBlock,
)
from leworld.normality import Watson
from leworld.planners import CEMPlanner
from leworld.predictors import TokenTransformerPredictor
from leworld.probes import RidgeProbe
from leworld.regularizers import SIGReg
from tests._source import public_objects
from tests.decoders.cases import DECODERS
from tests.decoders.cases import DIM as LATENT
from tests.encoders.cases import IMAGE_ENCODERS, SIZE
from tests.heads.test_heads import awake
from tests.models.cases import batch, lewm
from tests.predictors.cases import CONDITION, DIM, PREDICTORS, TIME
from tests.trust.derivatives import Forgetful, agree

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.script.*:DeprecationWarning")
Case = tuple[Callable[[Tensor], Any], Tensor]


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def still(module: nn.Module) -> Any:
    return module.double().eval().requires_grad_(False)


def limit(actions: Tensor) -> Tensor:
    return actions.square().sum((2, 3)).unsqueeze(-1) - 1e4


MODEL: LeWM = still(lewm())
PATCHED: LeWM = still(lewm("vit"))
ONE, PAST, NONE = draw(2, 1, 5), draw(2, 2, 4, seed=1), torch.zeros(2, 0, 4, dtype=torch.float64)
THREE, ACTIONS = draw(2, 3, 5, seed=2), draw(2, 3, 6, 4, seed=3)
BLOCKS, DATA = draw(2, 3, 4, seed=5), batch().actions.double()
SCORES, PATHS, FRAMES = draw(9, seed=1), draw(3, 5, 4, seed=1), draw(2, 3, 12, 12, seed=1)
GOAL = GoalCost(MODEL, draw(2, 5, seed=4), context=ONE)
RETURN = ReturnCost(
    MODEL,
    awake(still(ScalarHead(5, 4, hidden_dims=(6,)))),
    context=ONE,
    value=awake(still(QEnsemble(5, 4, num_members=2, hidden_dims=(6,)))),
    policy=awake(still(GaussianPolicy(5, 4, hidden_dims=(6,)))),
)


def total(model: LeWM, frames: Tensor) -> Tensor:
    return model.loss(Batch(frames, DATA)).total


def conditioned(make: Callable[[], nn.Module]) -> Callable[[Tensor], Tensor]:
    predictor, conditions = still(make()), draw(2, TIME, CONDITION)
    return lambda tokens: predictor(tokens, conditions)


CONDITIONS = draw(2, 3, 5)
GRU = still(BlockGRU(6, 4, num_blocks=2))
TOKENS = still(TokenTransformerPredictor(4, 2, condition_dim=5, depth=1, num_heads=2, head_dim=3, mlp_dim=8))
CASES: dict[str, Case] = {
    "encode": (MODEL.encode, draw(2, 3, 3, 8, 8)),
    "encode patches": (PATCHED.encode, draw(2, 3, 3, 8, 8)),
    "predict": (lambda z: MODEL.predict(z, BLOCKS), THREE),
    "predict, of actions": (lambda a: MODEL.predict(THREE, a), BLOCKS),
    "rollout": (lambda a: MODEL.rollout(ONE, NONE, a), ACTIONS),
    "rollout, of context": (lambda z: MODEL.rollout(z, NONE, ACTIONS), ONE),
    "rollout of three": (lambda a: MODEL.rollout(THREE, PAST, a), ACTIONS),
    "loss": (lambda frames: total(MODEL, frames), draw(6, 4, 3, 8, 8)),
    "loss of patches": (lambda frames: total(PATCHED, frames), draw(6, 4, 3, 8, 8)),
    "GoalCost": (GOAL, ACTIONS),
    "ReturnCost": (RETURN, ACTIONS),
    "TwoHot": (TwoHot("symexp", 9, low=-3.0, high=3.0).decode, draw(2, 3, 9)),
    "SimNorm": (SimNorm(3), draw(2, 3, 6)),
    "BlockGRU": (lambda x: GRU(x, x[..., :4]), draw(2, 6)),
    "CategoricalLatents": (CategoricalLatents().log_probabilities, draw(2, 3, 4)),
    "NormedLinear": (still(NormedLinear(6, 5, norm="rms", activation="silu")), draw(2, 3, 6)),
    "NormedMLP": (still(NormedMLP(6, 4, hidden_dims=(5,), simnorm_dim=2)), draw(2, 3, 6)),
    "SurpriseCost": (SurpriseCost(MODEL, context=ONE, reference=draw(20, 5)), 3 * ACTIONS),
    "EnsembleCost": (EnsembleCost([GOAL, ActionCost()], reduce="worst"), ACTIONS),
    "WeightedSum": (WeightedSum({"goal": GOAL}, {"goal": 2.0}), ACTIONS),
    "ActionCost": (ActionCost(1.0, 1.0, previous=draw(2, 4)), ACTIONS),
    "ConstrainedCost": (ConstrainedCost(GOAL, limit), ACTIONS),
    "ActionEncoder": (still(ActionEncoder(4, 7, smoothed_dim=3)), draw(2, 3, 4)),
    "LinearEncoder": (still(LinearEncoder(4, 6)), draw(3, 4)),
    "VectorEncoder": (still(VectorEncoder(4, 6)), draw(3, 4)),
    "MLP": (still(MLP(6, 8)), draw(2, 3, 6)),
    "Frozen": (still(Frozen(VectorEncoder(4, 6))), draw(3, 4)),
    "RepReLU": (still(RepReLU()), draw(2, 3, 6)),
    "Projector": (still(Projector(6, 5, hidden_dim=9)), draw(4, 6)),
    "SelfAttention of few": (still(SelfAttention(6, 2)), draw(2, 3, 6)),
    "SelfAttention": (still(SelfAttention(6, 2, causal=True, fused=True)), draw(2, 9, 6)),
    "SelfAttention by frame": (still(SelfAttention(6, 2, causal=True, tokens_per_frame=3)), draw(2, 9, 6)),
    "TokenTransformerPredictor": (
        lambda x: TOKENS(x.unflatten(2, (2, 4)), CONDITIONS).flatten(2),
        draw(2, 3, 8),
    ),
    "TransformerBlock": (still(TransformerBlock(6, num_heads=2, mlp_dim=8)), draw(2, 9, 6)),
    "PatchEmbedding": (still(PatchEmbedding(6, 4)), draw(2, 3, 8, 8)),
    **{
        f"encoder {name}": (still(make()), draw(2, 3, SIZE, SIZE))
        for name, make in IMAGE_ENCODERS.items()
        if not name.startswith(("fused", "huggingface", "timm"))  # backbones of others make no such promise
    },
    **{f"predictor {name}": (conditioned(make), draw(2, TIME, DIM)) for name, make in PREDICTORS.items()},
    "NormedConvDecoder": (still(NormedConvDecoder(6, 8, channels=(4, 4))), draw(2, 6)),
    **{f"decoder {name}": (still(make()), draw(2, LATENT)) for name, make in DECODERS.items()},
}
# No gradient by design: their values are compared only.
METRICS: dict[str, Case] = {
    "auroc": (lambda x: metrics.auroc(x, SCORES), draw(9)),
    "conformal_p_values": (lambda x: metrics.conformal_p_values(x, SCORES), draw(9)),
    "effective_rank": (metrics.effective_rank, draw(8, 3)),
    "horizon_error": (lambda x: metrics.horizon_error(x, PATHS), draw(3, 5, 4)),
    "latent_distance": (lambda x: metrics.latent_distance(x, PATHS[:, 0]), draw(3, 4)),
    "lidar": (metrics.lidar, draw(3, 5, 4)),
    "participation_ratio": (metrics.participation_ratio, draw(8, 3)),
    "psnr": (lambda x: metrics.psnr(x, FRAMES), draw(2, 3, 12, 12)),
    "ssim": (lambda x: metrics.ssim(x, FRAMES), draw(2, 3, 12, 12)),
    "temporal_straightness": (metrics.temporal_straightness, draw(3, 5, 4)),
}


def check_vmap(function: Callable[[Tensor], Any], x: Tensor) -> None:
    """Values are the loop's, while gradients are recorded and while not."""
    rows = torch.stack([x, 0.5 * x, x.flip(0) - 0.1])
    loop = torch.stack([function(row) for row in rows])
    agree(vmap(function)(rows), loop, 1e-9, "vmap")
    with torch.no_grad():
        agree(vmap(function)(rows), loop, 1e-9, "vmap without gradients")


def check_transforms(function: Callable[[Tensor], Any], x: Tensor) -> None:
    """And derivatives are those of backward mode."""
    check_vmap(function, x)
    y = function(x).detach()
    v, u = draw(*x.shape, seed=8), draw(*y.shape, seed=9)

    def scalar(a: Tensor) -> Tensor:
        return (function(a) * u).sum()

    leaf = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(scalar(leaf), leaf)
    agree(grad(scalar)(x), gradient, 1e-9, "grad")
    for recorded in (True, False):
        with torch.set_grad_enabled(recorded):
            agree(jvp(scalar, (x,), (v,))[1], (gradient * v).sum(), 1e-8, "jvp")
    each = torch.stack([gradient, grad(scalar)(0.5 * x)])
    agree(vmap(grad(scalar))(torch.stack([x, 0.5 * x])), each, 1e-9, "vmap of grad")


@pytest.mark.parametrize("name", CASES)
def test_transforms_give_what_loops_and_backward_give(name: str) -> None:
    check_transforms(*CASES[name])


@pytest.mark.parametrize("name", METRICS)
def test_metrics_are_mapped(name: str) -> None:
    check_vmap(*METRICS[name])


def test_a_processor_is_mapped() -> None:
    zeros, ones = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    processor = Processor(8, frameskip=2, action_dim=3, action_choices=3, action_mean=zeros, action_std=ones)
    index = torch.tensor([[0, 1], [2, 2]])
    chosen = vmap(processor.one_hot)(index)
    assert torch.equal(chosen, processor.one_hot(index))
    assert torch.equal(vmap(processor.choices)(chosen), index)
    actions = draw(3, 4, 3)
    blocks = torch.stack([processor.action_blocks(row) for row in actions])
    agree(vmap(processor.action_blocks)(actions), blocks, 1e-12, "blocks")


PLANNER = CEMPlanner(2, num_samples=8, num_elites=2, num_iterations=1)
TRAINED = Projector(6, 5, hidden_dim=9).double()
REFUSED: dict[str, Callable[[Tensor], Any]] = {
    "plan": lambda x: PLANNER.plan(lambda a: (a.sum((2, 3)) - x.sum()).square(), batch=1, action_dim=1).cost,
    "Projector": TRAINED,
    "paired_t_test": lambda x: metrics.paired_t_test(x[:, 0], x[:, 1]),
    "sliced_normality": lambda x: metrics.sliced_normality(x, Watson()),
    "goal_monotonicity": lambda x: metrics.goal_monotonicity(
        x, x, goal=x, distance=x[:, 0], edges=(0.0, 1.0)
    ),
    "plan_rank": lambda x: metrics.plan_rank(x[:, 0], x),
    "within_episode_share": lambda x: metrics.within_episode_share(x, torch.arange(len(x))),
    "RidgeProbe.fit": lambda x: RidgeProbe(6, 1).fit(
        x, x[:, :1], validation_embeddings=x, validation_targets=x[:, :1]
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_mapped_says_so(name: str) -> None:
    with pytest.raises(ConfigError, match=name) as caught:
        vmap(REFUSED[name])(draw(3, 9, 6))
    assert "vmap" in f"{caught.value.rule} {caught.value.got}"


def test_a_search_has_no_derivative() -> None:
    """Not zero, which torch.func would give without a word."""
    for transform in (grad(REFUSED["plan"]), lambda x: jvp(REFUSED["plan"], (x,), (x,))):
        with pytest.raises(ConfigError, match="plan"):
            transform(draw(3))


@pytest.mark.parametrize("over_ranks", [sum_over_ranks, gather_samples])
def test_what_talks_to_other_ranks_says_that_it_is_backward_only(over_ranks: Callable[..., Tensor]) -> None:
    group: Any = object()  # never spoken to
    with pytest.raises(ConfigError, match="backward mode only"):
        grad(lambda x: over_ranks(x, group).sum())(draw(8, 4))


def test_every_public_one_is_mapped() -> None:
    """A metric, cost, encoder, predictor, decoder or layer that nobody added fails here."""
    mapped = {name.split()[0] for name in (*CASES, *METRICS, *REFUSED)}
    functions = [function for function, _ in CASES.values()]
    mapped |= {type(function).__name__ for function in functions}
    mapped |= {type(make()).__name__ for make in (*PREDICTORS.values(), *IMAGE_ENCODERS.values())}
    within = {
        "AdaLNZero",
        "ConditionedBlock",
        "Conditioning",
        "IncrementalPredictor",
    }  # parts of the predictors
    no_tensors = {"RolloutModel", "wilson_interval", "interpolate_positions", "modulate"}
    results = {"GoalMonotonicity", "Interval", "NormalityTest", "PairedTest", "PlanRank"}
    files = {"load_decoder", "save_decoder", "dinov2_state_dict", "configurable", "evaluation_mode"}
    for path, value in public_objects().items():
        _, room, name = path.split(".")
        if room in ("metrics", "costs", "encoders", "predictors", "decoders", "nn"):
            known = mapped | within | no_tensors | results | files
            assert inspect.isabstract(value) or name in known, f"{path} is mapped nowhere"


@pytest.mark.parametrize("randomness", ["error", "same", "different"])
def test_all_rows_of_vmap_get_the_directions_of_one_call(randomness: str) -> None:
    """Whatever vmap's `randomness` says; and the counter advances once."""
    rows = draw(3, 16, 4)
    mapped, looped = SIGReg(8), [SIGReg(8) for _ in rows]
    found = vmap(mapped, randomness=randomness)(rows)
    agree(found, torch.stack([one(row) for one, row in zip(looped, rows, strict=True)]), 1e-9, "rows")
    assert mapped.directions.step == 1


def _reads(x: Tensor) -> Tensor:
    return x if bool((x > -9).all()) else -x


def _adds_in_place(x: Tensor) -> Tensor:
    return torch.zeros_like(ACTIONS[0, 0]).add_(x)


@pytest.mark.parametrize("wrong", [_reads, _adds_in_place])
def test_a_wrong_one_is_rejected(wrong: Callable[[Tensor], Tensor]) -> None:
    with pytest.raises(RuntimeError):
        check_transforms(wrong, ACTIONS[0, 0])


def test_one_that_forgets_its_tangent_is_rejected() -> None:
    with pytest.raises(AssertionError, match="jvp"):
        check_transforms(Forgetful.apply, draw(3, 2))
