"""Mistakes at the doors of `leworld.heads`, and what they must say."""

import torch

from leworld.errors import ConfigError, LeWorldError, NonFiniteError, ShapeError
from leworld.heads import (
    ActorCritic,
    CategoricalPolicy,
    GaussianPolicy,
    QEnsemble,
    RunningScale,
    ScalarHead,
    StateValue,
    TerminationHead,
    TwoHot,
    lambda_returns,
    symexp,
    symlog,
)
from tests.bad_input import BadInput

SMALL = {"hidden_dims": (4,)}


def row(name: str, case: str, call, error: type[LeWorldError], *mentions: str) -> BadInput:
    return BadInput(f"leworld.heads.{name}", case, call, error, mentions)


def two_hot(spacing: str = "symlog", *numbers, **options) -> TwoHot:
    return TwoHot(spacing, *numbers, **options)


def scalar(action_dim: int | None = None, **options) -> ScalarHead:
    return ScalarHead(8, action_dim, **SMALL, **options)


def q(**options) -> QEnsemble:
    return QEnsemble(8, 2, num_members=3, **SMALL, **options)


def gaussian(**options) -> GaussianPolicy:
    return GaussianPolicy(8, 2, **SMALL, **options)


def categorical(choices: int = 3, **options) -> CategoricalPolicy:
    return CategoricalPolicy(8, choices, **SMALL, **options)


def learner(policy: object = None, value: object = None, **options) -> ActorCritic:
    policy = gaussian() if policy is None else policy
    value = StateValue(8, **SMALL) if value is None else value
    return ActorCritic(policy, value, **options)  # type: ignore[arg-type]


def returns(rewards: torch.Tensor, **options) -> torch.Tensor:
    return lambda_returns(rewards, torch.zeros(5, 8), **options)


Z, A, INT = torch.randn(5, 8), torch.randn(5, 2), torch.ones(5, dtype=torch.int64)
ROWS: list[BadInput] = [
    row(
        "ScalarHead.fit",
        "NaN values",
        lambda: scalar().fit(Z, Z[:, 0] * torch.nan),
        NonFiniteError,
        "values",
    ),
    row(
        "ScalarHead.fit",
        "NaN latents",
        lambda: scalar().fit(Z * torch.nan, Z[:, 0]),
        NonFiniteError,
        "latents",
    ),
    row("symlog", "integers", lambda: symlog(INT), ShapeError, "floating-point"),
    row("symexp", "a number", lambda: symexp(1.0), ShapeError, "1.0"),
    row("TwoHot", "spacing", lambda: two_hot("linear"), ConfigError, "`symexp`"),
    row("TwoHot", "one bin", lambda: two_hot("symlog", 1), ConfigError, "num_bins"),
    row("TwoHot", "reversed ends", lambda: two_hot(low=3.0, high=-3.0), ConfigError, "Swap"),
    row("TwoHot", "an end that overflows", lambda: two_hot(high=1e3), ConfigError, "high"),
    row("TwoHot", "one side", lambda: two_hot("symexp", low=-1.0), ConfigError, "mirror"),
    row("TwoHot", "even", lambda: two_hot("symexp", 10), ConfigError, "odd"),
    row("TwoHot.decode", "other bins", lambda: two_hot().decode(Z), ShapeError, "num_bins", "101"),
    row("TwoHot.encode", "integers", lambda: two_hot().encode(INT), ShapeError, "floating-point"),
    row("TwoHot.loss", "a row too many", lambda: two_hot("symlog", 8).loss(Z, Z[:4, 0]), ShapeError, "4"),
    row("ScalarHead", "no size", lambda: ScalarHead(0), ConfigError, "embedding_dim"),
    row("ScalarHead", "bins", lambda: scalar(two_hot=255), ConfigError, "TwoHot", "255"),
    row("ScalarHead", "norm", lambda: scalar(norm="batch"), ConfigError, "`layer`"),
    row("ScalarHead", "no actions", lambda: scalar(2)(Z), ConfigError, "action_dim=2"),
    row("ScalarHead", "actions", lambda: scalar()(Z, A), ConfigError, "action_dim=None"),
    row("ScalarHead", "other latents", lambda: scalar()(A), ShapeError, "embedding_dim"),
    row("ScalarHead", "other actions", lambda: scalar(3)(Z, A), ShapeError, "action_dim"),
    row("ScalarHead.fit", "no step", lambda: scalar().fit(Z, Z[:, 0], num_steps=0), ConfigError, "num_steps"),
    row("ScalarHead.fit", "no row", lambda: scalar().fit(Z[:0], Z[:0, 0]), ShapeError, "row"),
    row("ScalarHead.fit", "a row less", lambda: scalar().fit(Z, Z[1:, 0]), ShapeError, "values"),
    row("TerminationHead", "no size", lambda: TerminationHead(0), ConfigError, "embedding_dim"),
    row("TerminationHead", "latents", lambda: TerminationHead(4, **SMALL)(Z), ShapeError, "embedding_dim"),
    row(
        "TerminationHead.loss",
        "flags of another type",
        lambda: TerminationHead(8, **SMALL).loss(Z, INT),
        ShapeError,
        "floating-point",
    ),
    row("QEnsemble", "no member", lambda: QEnsemble(8, 2, num_members=0), ConfigError, "num_members"),
    row("QEnsemble", "too many drawn", lambda: q(num_drawn=4), ConfigError, "num_drawn", "3"),
    row("QEnsemble", "rate", lambda: q(target_rate=2.0), ConfigError, "target_rate"),
    row("QEnsemble", "reduce", lambda: q()(Z, A, reduce="max"), ConfigError, "`min`"),
    row("QEnsemble", "no such member", lambda: q()(Z, A, members=[3]), ConfigError, "0 to 2", "[3]"),
    row("QEnsemble", "other actions", lambda: q()(Z, Z), ShapeError, "action_dim"),
    row("GaussianPolicy", "no action", lambda: GaussianPolicy(8, 0), ConfigError, "action_dim"),
    row("GaussianPolicy", "deviations", lambda: gaussian(log_std=(2.0, -10.0)), ConfigError, "log_std"),
    row("GaussianPolicy", "other latents", lambda: gaussian()(A), ShapeError, "embedding_dim"),
    row("GaussianPolicy.sample", "noise", lambda: gaussian().sample(Z, noise=A[:3]), ShapeError, "noise"),
    row("CategoricalPolicy", "no choice", lambda: categorical(1), ConfigError, "action_dim"),
    row("CategoricalPolicy", "a share of 2", lambda: categorical(unimix=2.0), ConfigError, "unimix"),
    row("CategoricalPolicy", "other latents", lambda: categorical()(A), ShapeError, "embedding_dim"),
    row("GaussianPolicy.log_prob", "a row", lambda: gaussian().log_prob(Z, A[:3]), ShapeError, "actions"),
    row(
        "CategoricalPolicy.log_prob",
        "flags",
        lambda: categorical(2).log_prob(Z, A > 0),
        ShapeError,
        "actions",
    ),
    row("StateValue", "no size", lambda: StateValue(0), ConfigError, "embedding_dim"),
    row("StateValue", "rate", lambda: StateValue(8, **SMALL, target_rate=2.0), ConfigError, "target_rate"),
    row("StateValue", "other latents", lambda: StateValue(8, **SMALL)(A), ShapeError, "embedding_dim"),
    row("lambda_returns", "discount", lambda: returns(Z, discount=1.5), ConfigError, "discount"),
    row("lambda_returns", "trace", lambda: returns(Z, trace=-0.5), ConfigError, "trace"),
    row("lambda_returns", "another time", lambda: returns(Z[:, :4]), ShapeError, "values"),
    row("ActorCritic", "a value of actions", lambda: learner(value=q()), ConfigError, "StateValue"),
    row("ActorCritic", "latents", lambda: learner(value=StateValue(4, **SMALL)), ConfigError, "8 and 4"),
    row("ActorCritic", "no horizon", lambda: learner(horizon=0), ConfigError, "horizon"),
    row("ActorCritic", "no discount", lambda: learner(discount=0.0), ConfigError, "discount"),
    row("ActorCritic", "a negative weight", lambda: learner(entropy_weight=-1.0), ConfigError, "entropy"),
    row(
        "ActorCritic.losses",
        "integer latents",
        lambda: learner().losses(torch.ones(5, 8, dtype=torch.int64), lambda z, a: z, reward=None),
        ShapeError,
        "starts",
    ),
    row("RunningScale", "rate", lambda: RunningScale(0.0), ConfigError, "rate"),
    row("RunningScale.update", "none", lambda: RunningScale().update(Z[:0]), ShapeError, "at least one"),
]
