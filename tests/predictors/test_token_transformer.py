"""What is peculiar to tokens: who sees whom, and predictors that are wrong in that."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from leworld.nn import TransformerBlock
from leworld.predictors import TokenTransformerPredictor
from leworld.predictors import _window as window
from tests.predictors.cases import awake

TIME, TOKENS, DIM = 3, 4, 6
Make = Callable[[], TokenTransformerPredictor]


def predictor(conditioning: str = "concatenate", **options) -> TokenTransformerPredictor:
    sizes = {"condition_dim": 5, "depth": 2, "num_heads": 2, "head_dim": 4, "mlp_dim": 12, "dropout": 0.0}
    made = TokenTransformerPredictor(DIM, TOKENS, conditioning=conditioning, **sizes | options)
    return awake(made).double().eval()


def inputs() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    embeddings = torch.randn(2, TIME, TOKENS, DIM, generator=generator, dtype=torch.float64)
    return embeddings, torch.randn(2, TIME, 5, generator=generator, dtype=torch.float64)


def check_a_frame_sees_itself_and_earlier_ones(make: Make) -> None:
    """Every token of a frame reaches every token of its own and of later frames, and none of earlier ones."""
    model = make()
    embeddings, conditions = inputs()
    before = model(embeddings, conditions)
    for t in range(TIME):
        for token in range(TOKENS):
            changed = embeddings.clone()
            changed[:, t, token] += torch.linspace(-1, 2, DIM, dtype=torch.float64)
            difference = (model(changed, conditions) - before).abs().amax(dim=(0, 3))
            assert (difference[:t] == 0).all()
            assert (difference[t:] > 1e-6).all()


def check_a_condition_reaches_every_token_of_its_frame(make: Make) -> None:
    model = make()
    embeddings, conditions = inputs()
    before = model(embeddings, conditions)
    for t in range(TIME):
        changed = conditions.clone()
        changed[:, t] += 1
        difference = (model(embeddings, changed) - before).abs().amax(dim=(0, 3))
        assert (difference[:t] == 0).all()
        assert (difference[t:] > 1e-6).all()


def check_tokens_have_places(make: Make) -> None:
    """Equal tokens in other places of a frame give other predictions."""
    embeddings, conditions = inputs()
    output = make()(embeddings[:, :, :1].expand(-1, -1, TOKENS, -1), conditions)
    for token in range(1, TOKENS):
        assert (output[:, :, token] - output[:, :, 0]).abs().max() > 1e-3


CHECKS = [
    check_a_frame_sees_itself_and_earlier_ones,
    check_a_condition_reaches_every_token_of_its_frame,
    check_tokens_have_places,
]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("conditioning", ["concatenate", "adaln"])
def test_conforms(conditioning: str, check) -> None:
    check(lambda: predictor(conditioning))


def causal_by_token(conditioning: str) -> TokenTransformerPredictor:
    """As a language model has it: a token sees those before it in its own frame only."""
    model = predictor(conditioning)
    for block in model.blocks:
        block.attention.tokens_per_frame = 1
    return model


def bidirectional(conditioning: str) -> TokenTransformerPredictor:
    model = predictor(conditioning)
    for block in model.blocks:
        block.attention.causal = False
    return model


def blind_to_its_frame(conditioning: str) -> TokenTransformerPredictor:
    """As the paper's text has it: a token sees itself and the frames before its own."""

    class Attention(nn.Module):
        def __init__(self, right: nn.Module) -> None:
            super().__init__()
            self.right = right

        def forward(self, tokens: Tensor) -> Tensor:
            query, key, value = (
                part.unflatten(-1, (2, 4)).transpose(1, 2) for part in self.right.qkv(tokens).chunk(3, dim=-1)
            )
            frames = torch.arange(tokens.shape[1]) // TOKENS
            mask = (frames[:, None] > frames) | torch.eye(tokens.shape[1], dtype=torch.bool)
            mixed = nn.functional.scaled_dot_product_attention(query, key, value, mask)
            return self.right.output(mixed.transpose(1, 2).flatten(2))

    model = predictor(conditioning)
    for block in model.blocks:
        block.attention = Attention(block.attention)
    return model


def one_place_a_frame(conditioning: str) -> TokenTransformerPredictor:
    model = predictor(conditioning)
    table = model.positions.data.view(TIME, TOKENS, -1)
    model.positions.data = table[:, :1].repeat(1, TOKENS, 1).view_as(model.positions)
    return model


def conditions_on_the_first_token(conditioning: str) -> TokenTransformerPredictor:
    model = predictor(conditioning)
    joined = model._joined

    def spoiled(frames: Tensor, conditions: Tensor) -> Tensor:
        whole = joined(frames, conditions)
        first = (torch.arange(TOKENS) == 0)[:, None]
        return torch.cat([frames, whole[..., DIM:] * first], dim=-1)

    model._joined = spoiled
    for block in model.blocks:
        block.attention.output.weight.data.zero_()  # so that no token hears of it from another
    return model


WRONG = {
    causal_by_token: "check_a_frame_sees_itself_and_earlier_ones",
    bidirectional: "check_a_frame_sees_itself_and_earlier_ones",
    blind_to_its_frame: "check_a_frame_sees_itself_and_earlier_ones",
    one_place_a_frame: "check_tokens_have_places",
    conditions_on_the_first_token: "check_a_condition_reaches_every_token_of_its_frame",
}


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.__name__)
def test_a_wrong_predictor_is_rejected(wrong: Callable[[str], TokenTransformerPredictor]) -> None:
    (check,) = [check for check in CHECKS if check.__name__ == WRONG[wrong]]
    with pytest.raises(AssertionError):
        check(lambda: wrong("concatenate"))


def masked(model: TokenTransformerPredictor, embeddings: Tensor, conditions: Tensor) -> Tensor:
    """The definition: one attention over all tokens under a mask of frames."""
    tokens = model._joined(embeddings, conditions).flatten(1, 2)
    tokens = tokens + model.positions[:, : tokens.shape[1]]
    frames = torch.arange(tokens.shape[1]) // TOKENS
    hidden = frames[:, None] < frames
    for block in model.blocks:
        query, key, value = (
            part.unflatten(-1, (2, 4)).transpose(1, 2)
            for part in block.attention.qkv(block.attention_norm(tokens)).chunk(3, dim=-1)
        )
        scores = (query @ key.transpose(-1, -2) / 2).masked_fill(hidden, -torch.inf)
        mixed = (scores.softmax(-1) @ value).transpose(1, 2).flatten(2)
        tokens = tokens + block.attention.output(mixed)
        tokens = tokens + block.mlp(block.mlp_norm(tokens))
    return model.norm(tokens)[..., :DIM].unflatten(1, (-1, TOKENS))


@torch.no_grad()
def test_frame_by_frame_is_the_masked_attention() -> None:
    model = predictor()
    for time in range(1, TIME + 1):
        embeddings, conditions = (tensor[:, :time] for tensor in inputs())
        torch.testing.assert_close(model(embeddings, conditions), masked(model, embeddings, conditions))


def test_dropout_acts_in_training_only() -> None:
    model, plain = predictor(dropout=0.5), predictor()
    plain.load_state_dict(model.state_dict())
    assert torch.equal(model(*inputs()), plain(*inputs()))
    model.train()
    assert not torch.equal(model(*inputs()), model(*inputs()))
    assert not model.can_extend


def test_a_block_with_layer_scale_is_called_as_it_is() -> None:
    """The incremental way knows no LayerScale, and says so."""
    model = predictor()
    scaled = TransformerBlock(11, 2, mlp_dim=12, attention=model.blocks[0].attention, layer_scale=0.5)
    model.blocks[0] = scaled.double().eval()
    assert not model.can_extend
    assert not window.can_extend_block(nn.Identity())


def test_published_size() -> None:
    with torch.device("meta"):
        model = TokenTransformerPredictor(394, 196)
    assert model.positions.shape == (1, 3 * 196, 404)
    assert model.blocks[0].attention.qkv.weight.shape == (3072, 404)
    assert model.blocks[0].attention.qkv.bias is None
    assert {block.mlp_norm.eps for block in model.blocks} == {1e-5}
    assert model.blocks[0].attention.dropout == model.blocks[0].mlp.dropout == 0.1
