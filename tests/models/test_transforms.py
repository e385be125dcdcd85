"""LeWM under torch.compile, torch.export, half precision and autocast, and with checks off."""

import os
import subprocess
import sys
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from leworld.costs import GoalCost
from leworld.data import Batch
from leworld.models import LeWM, WorldModel
from tests.models.cases import ENCODERS, FIXTURES, batch, lewm
from tests.models.checks import plan_inputs


def test_the_rollout_compiles_without_a_graph_break() -> None:
    """With a window that grows and then slides; it contains `predict`."""
    model = lewm(history_size=2).eval()
    arguments = plan_inputs(model, 1, 3)
    compiled = torch.compile(model.rollout, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(*arguments), model.rollout(*arguments), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("time", [1, 3])
def test_a_cost_takes_a_compiled_rollout(time: int) -> None:
    """As the guide does it; value and gradient are those of the plain definition."""
    model, (context, past, actions) = lewm().eval(), plan_inputs(lewm(), time, 4)
    model.requires_grad_(False)
    found = []
    for rollout in (partial(WorldModel._rollout, model), torch.compile(model.rollout, backend="aot_eager")):
        model.rollout = rollout
        cost = GoalCost(model, context[:, -1] + 1, context=context, past_actions=past)
        candidates = actions.clone().requires_grad_()
        values = cost(candidates)
        found.append((values, *torch.autograd.grad(values.sum(), candidates)))
    torch.testing.assert_close(found[1], found[0], atol=1e-5, rtol=1e-5)


def test_the_training_step_compiles_without_a_graph_break() -> None:
    model, data = lewm(), batch()
    eager = lewm()

    def step(frames: Tensor, actions: Tensor) -> Tensor:
        return model.loss(Batch(frames, actions)).total

    compiled = torch.compile(step, fullgraph=True, backend="aot_eager")
    total = compiled(data.observations, data.actions)
    total.backward()
    expected = eager.loss(data).total
    expected.backward()
    torch.testing.assert_close(total, expected, atol=1e-5, rtol=1e-5)
    for (name, one), other in zip(model.named_parameters(), eager.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, atol=1e-5, rtol=1e-4, msg=name)


class _Step(nn.Module):
    """Encoding and one prediction, as a robot would run them."""

    def __init__(self, model: LeWM) -> None:
        super().__init__()
        self.model = model

    def forward(self, frames: Tensor, actions: Tensor) -> Tensor:
        return self.model.predict(self.model.encode(frames), actions)


def test_exports_with_a_dynamic_batch() -> None:
    step = _Step(lewm("vit").eval())
    data = batch(3, 3)
    size = torch.export.Dim("batch", min=1, max=64)
    program = torch.export.export(
        step, (data.observations, data.actions), dynamic_shapes=({0: size}, {0: size})
    )
    for count in (1, 7):
        data = batch(count, 3)
        inputs = data.observations, data.actions
        torch.testing.assert_close(program.module()(*inputs), step(*inputs), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("encoder", ENCODERS)
def test_bfloat16_is_close(encoder: str) -> None:
    data, model = batch(), lewm(encoder).eval()
    exact = model.encode(data.observations)
    half = model.bfloat16().encode(data.observations.bfloat16())
    assert half.dtype == torch.bfloat16
    assert (half.float() - exact).norm() < 0.05 * exact.norm()
    assert model.predict(half[:, :3], data.actions[:, :3].bfloat16()).isfinite().all()


def test_autocast_trains() -> None:
    data, model = batch(16), lewm()
    exact = model.loss(data, generator=torch.Generator().manual_seed(1))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        losses = model.loss(data, generator=torch.Generator().manual_seed(1))
    losses.total.backward()
    assert losses.total.dtype == torch.get_default_dtype()
    assert abs(losses.total.item() / exact.total.item() - 1) < 0.05
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_double_precision_is_exact() -> None:
    data, model = batch(), lewm().float().eval()
    single = model.encode(data.observations.float())
    torch.testing.assert_close(model.double().encode(data.observations.double()).float(), single)


def test_checks_can_be_turned_off() -> None:
    """With the environment variable NaN passes through; without it the table of bad input sees it refused."""
    code = (
        "import torch\n"
        "from tests.models.cases import lewm\n"
        "frames = torch.full((1, 1, 3, 8, 8), float('nan'))\n"
        "print(bool(lewm().eval().encode(frames).isnan().all()))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"LEWORLD_SHAPECHECK": "0"},
        cwd=FIXTURES.parent.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == "True"
