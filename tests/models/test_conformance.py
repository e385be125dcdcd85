import pytest
import torch

from leworld.models import LeWM, WorldModel
from tests.models import checks
from tests.models.cases import ENCODERS, batch, lewm
from tests.models.rebuild import rebuild
from tests.models.wrong import WRONG, _WrongLoss, spoiled


@pytest.mark.parametrize("check", checks.ALL, ids=lambda check: check.__name__)
@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("history_size", [3, 4])
def test_conforms(encoder: str, history_size: int, check) -> None:
    check(lambda: lewm(encoder, history_size=history_size))


def rejecting(make) -> list[str]:
    caught = []
    for check in checks.ALL:
        try:
            check(make)
        except AssertionError:
            caught.append(check.__name__)
    return caught


@pytest.mark.filterwarnings("ignore:SIGReg reads")  # which is how it suspects one of these
@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.__name__)
def test_a_wrong_model_is_rejected(wrong: type[LeWM]) -> None:
    assert WRONG[wrong] in rejecting(lambda: spoiled(wrong))


def test_the_right_ones_that_they_derive_from_are_not() -> None:
    assert not rejecting(lambda: spoiled(LeWM))
    assert not rejecting(lambda: spoiled(_WrongLoss))


@pytest.mark.parametrize("encoder", ENCODERS)
def test_any_faster_rollout_equals_the_definition(encoder: str) -> None:
    model = lewm(encoder).eval()
    arguments = checks.plan_inputs(model, 3, 5)
    torch.testing.assert_close(
        model._rollout(*arguments), WorldModel._rollout(model, *arguments), atol=1e-5, rtol=1e-5
    )


@pytest.mark.parametrize("encoder", ENCODERS)
def test_rebuilds_from_its_config(encoder: str) -> None:
    model = lewm(encoder)
    twin = rebuild(model.config)
    assert list(twin.state_dict()) == list(model.state_dict())
    twin.load_state_dict(model.state_dict(), strict=True)
    first, second = (
        m.eval().loss(batch(), generator=torch.Generator().manual_seed(1)) for m in (model, twin)
    )
    assert torch.equal(first.total, second.total)


@pytest.mark.parametrize("encoder", ENCODERS)
def test_every_parameter_learns(encoder: str) -> None:
    model = lewm(encoder, dropout=0.1)
    model.loss(batch(16)).total.backward()
    still = {n for n, p in model.named_parameters() if p.grad is None or not p.grad.abs().max() > 1e-6}
    # What follows these biases takes them out again: a BatchNorm, or the softmax over keys.
    removed = (
        "projector.widen.bias",
        "predictor.norm.bias",
        "encoder.norm.bias",
        "encoder.output.bias",
        "key.bias",
    )
    assert not [name for name in still if not name.endswith(removed)]


def test_evaluation_rows_are_independent() -> None:
    model, data = lewm().eval(), batch()
    whole = model.encode(data.observations)
    alone = torch.cat([model.encode(data.observations[i : i + 1]) for i in range(6)])
    torch.testing.assert_close(whole, alone, atol=1e-5, rtol=0)
    apart = torch.cat([model.encode(data.observations[:, t : t + 1]) for t in range(4)], dim=1)
    torch.testing.assert_close(whole, apart, atol=1e-5, rtol=0)


def test_dropout_and_batch_statistics_act_in_training_only() -> None:
    model, data = lewm(dropout=0.5), batch()
    embeddings = model.encode(data.observations)[:, :3].detach()
    assert not torch.equal(
        model.predict(embeddings, data.actions[:, :3]), model.predict(embeddings, data.actions[:, :3])
    )
    model.eval()
    state = {key: value.clone() for key, value in model.state_dict().items()}
    first, second = (model.loss(data, generator=torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(first.total, second.total)
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())


def test_nothing_is_changed_in_place() -> None:
    model, data = lewm().eval(), batch()
    inputs = [data.observations, data.actions, *checks.plan_inputs(model, 3, 4)]
    copies = [tensor.clone() for tensor in inputs]
    model.loss(data)
    model.rollout(*inputs[2:])
    assert all(map(torch.equal, inputs, copies))


def test_calling_the_model_is_its_loss() -> None:
    model = lewm().eval()
    first = model(batch(), generator=torch.Generator().manual_seed(1))
    second = model.loss(batch(), generator=torch.Generator().manual_seed(1))
    assert torch.equal(first.total, second.total)


def test_a_context_longer_than_the_history_counts_by_its_end() -> None:
    model = lewm().eval()
    context, past, actions = checks.plan_inputs(model, 5, 4)
    torch.testing.assert_close(
        model.rollout(context, past, actions), model.rollout(context[:, -3:], past[:, -2:], actions)
    )


def test_a_window_shorter_than_the_history_trains() -> None:
    losses = lewm().loss(batch(time=2))
    assert losses.latents.shape == (6, 2, 5)
    assert losses.total.isfinite()


def test_an_optimiser_step_lowers_the_loss() -> None:
    model, data = lewm(), batch(32)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    values = []
    for _ in range(30):
        losses = model.loss(data, generator=torch.Generator().manual_seed(1))
        optimizer.zero_grad()
        losses.total.backward()
        optimizer.step()
        values.append(losses.total.item())
    assert values[-1] < 0.5 * values[0]
