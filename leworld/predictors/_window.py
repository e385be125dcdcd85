"""A transformer's memory of its window, and its blocks' arithmetic for new frames only.

Tensors here are time-first, (frame, *row, head, head_dim), so that one frame is one contiguous piece. The
rows of past frames may be fewer and broadcast: what all rows have in common is stored once. Where a frame has
several tokens (`tokens_per_frame` of the attention), they are the last of the rows; elsewhere a frame is one
token. Layers are used without their own shape checks, which a rollout would repeat for every piece of every
window.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from torch.nn import Linear
from torch.nn import functional as F

from .._transforms import fused_attention, transforming
from ..nn import MLP, AdaLNZero, ConditionedBlock, SelfAttention, TransformerBlock

_FEW = 4
_PIECE = 640 * 1024


@final
@dataclass(frozen=True)
class Modulations:
    """What blocks make of conditions once and for all, whatever the window.

    Args:
        blocks: For each block its six modulations, with 1 + scale in the place of scale, each
            (time, *row, dim). For a predictor that joins conditions to its input, these, in one "block".
    """

    blocks: tuple[tuple[Tensor, ...], ...]

    def __len__(self) -> int:
        return len(self.blocks[0][0])

    def __getitem__(self, steps: slice) -> "Modulations":
        """Return those of some consecutive steps, without a copy."""
        return Modulations(tuple(tuple(one[steps] for one in block) for block in self.blocks))


@final
@dataclass(frozen=True)
class KeysValues:
    """Keys and values that one attention layer has computed, one tensor (*row, head, head_dim) a token."""

    keys: tuple[Tensor, ...] = ()
    values: tuple[Tensor, ...] = ()

    def with_tokens(self, keys: Tensor, values: Tensor) -> "KeysValues":
        """Return these and the new tokens' (token, *row, head, head_dim) behind them."""
        return KeysValues(self.keys + keys.unbind(0), self.values + values.unbind(0))


@final
@dataclass(frozen=True)
class WindowMemory:
    """Where a rollout of a transformer with a window stands; its tensors are never changed in place.

    Args:
        shared: Known frames that all candidates share, (batch, 1, time, *latent).
        shared_modulations: Theirs; None where there are none.
        conditions: The candidates' conditions, (batch, sample, horizon, condition).
        step: How many frames have been appended.
        frames: Those of them that the next window may need, each (batch, sample, *latent).
        modulations: Those of some consecutive steps; None at the start.
        first: The first of these steps.
        blocks: Keys and values of each block in the present window; empty at the start.
    """

    shared: Tensor
    shared_modulations: Modulations | None
    conditions: Tensor
    step: int = 0
    frames: tuple[Tensor, ...] = ()
    modulations: Modulations | None = None
    first: int = 0
    blocks: tuple[KeysValues, ...] = ()


def can_extend_block(block: object) -> bool:
    """Whether `extend_block` knows all parts: another class's own `forward` would have to be called."""
    if isinstance(block, ConditionedBlock):
        known = type(block) is ConditionedBlock and type(block.modulation) is AdaLNZero
    elif isinstance(block, TransformerBlock):
        scales = (block.attention_scale, block.mlp_scale)
        known = type(block) is TransformerBlock and scales == (None, None)
    else:
        return False
    return known and type(block.attention) is SelfAttention and type(block.mlp) is MLP


def prepare_block(block: ConditionedBlock, activated: Tensor) -> tuple[Tensor, ...]:
    """Return the six modulations for SiLU(condition), with 1 + scale in the place of each scale."""
    shift, scale, gate, mlp_shift, mlp_scale, mlp_gate = block.modulation.linear(activated).chunk(6, dim=-1)
    return shift, 1 + scale, gate, mlp_shift, 1 + mlp_scale, mlp_gate


def extend_block(
    block: ConditionedBlock | TransformerBlock,
    tokens: Tensor,
    modulations: tuple[Tensor, ...],
    past: KeysValues,
    *,
    last_only: bool,
) -> tuple[Tensor, KeysValues]:
    """Transform new frames (frame, *row, dim) that follow those of `past`, in evaluation mode.

    Returns all new frames, or the last one, and the keys and values of all frames. A block without conditions
    has no modulations.
    """
    mlp = block.mlp
    if isinstance(block, ConditionedBlock):
        shift, scale, gate, mlp_shift, mlp_scale, mlp_gate = modulations
        branch = block.attention_norm(torch.addcmul(shift, _normalise(tokens), scale))
    else:
        shift = scale = gate = mlp_shift = mlp_scale = mlp_gate = None
        branch = block.attention_norm(tokens)
    branch, seen = _extend_attention(block.attention, branch, past, last_only=last_only)
    kept = slice(-len(branch), None)
    if gate is None or mlp_shift is None or mlp_scale is None or mlp_gate is None:
        tokens = tokens[kept] + branch
        branch = block.mlp_norm(tokens)
    else:
        tokens = torch.addcmul(tokens[kept], gate[kept], branch)
        branch = block.mlp_norm(torch.addcmul(mlp_shift[kept], _normalise(tokens), mlp_scale[kept]))
        mlp_gate = mlp_gate[kept]
    return _add_in_pieces(
        tokens, mlp_gate, lambda inputs: _transform(mlp, inputs), branch, mlp.widen.out_features
    ), seen


def _normalise(tokens: Tensor) -> Tensor:
    return F.layer_norm(tokens, tokens.shape[-1:], eps=1e-6)


def _transform(mlp: MLP, tokens: Tensor) -> Tensor:
    """Apply the MLP in evaluation mode; without a gradient the GELU needs no memory of its own."""
    hidden = mlp.widen(tokens)
    if torch.is_grad_enabled() or torch.compiler.is_compiling() or transforming():
        return mlp.narrow(F.gelu(hidden))
    return mlp.narrow(torch.ops.aten.gelu_(hidden))


def _add_in_pieces(
    tokens: Tensor, gate: Tensor | None, layer: Callable[[Tensor], Tensor], inputs: Tensor, width: int
) -> Tensor:
    """Return tokens + gate * layer(inputs), for a layer that treats each token alone; no gate is one of 1.

    On a CPU it takes so many at a time that `width` fits its cache: fresh memory for a wide hidden layer of
    thousands of tokens costs more than its GELU. While no gradient is recorded
    `tokens` are changed in place.
    """
    if tokens.device.type != "cpu" or torch.compiler.is_compiling():
        return tokens + layer(inputs) if gate is None else torch.addcmul(tokens, gate, layer(inputs))
    rows, count = _PIECE // width or 1, tokens[..., 0].numel()
    number = 1 if count <= rows * 3 // 2 else -(-count // rows)
    flat = tokens.contiguous().view(count, -1)
    gates: Sequence[Tensor | None] = [None] * number
    if gate is not None:
        gates = gate.expand_as(tokens).reshape(count, -1).tensor_split(number)
    parts = zip(flat.tensor_split(number), gates, inputs.reshape(count, -1).tensor_split(number), strict=True)
    in_place = not (torch.is_grad_enabled() or transforming())
    sums = [_add(some, factor, layer(given), in_place=in_place) for some, factor, given in parts]
    return (flat if in_place else torch.cat(sums)).view(tokens.shape)


def _add(tokens: Tensor, gate: Tensor | None, branch: Tensor, *, in_place: bool) -> Tensor:
    if gate is None:
        return tokens.add_(branch) if in_place else tokens + branch
    return tokens.addcmul_(gate, branch) if in_place else torch.addcmul(tokens, gate, branch)


def _extend_attention(
    attention: SelfAttention, tokens: Tensor, past: KeysValues, *, last_only: bool
) -> tuple[Tensor, KeysValues]:
    """Mix new frames (frame, *row, dim) that follow those of `past`; causal, fused, without dropout.

    Returns outputs for all new frames, or for the last one, and the keys and values of all frames.
    """
    if attention.tokens_per_frame > 1:
        query, key, value = _project(attention, tokens, len(tokens) - 1 if last_only else 0)
        seen = past.with_tokens(key, value)
        return attention.output(_attend_frames(query, seen)), seen
    wanted = len(tokens) - 1 if last_only else 0
    before = len(past.keys)
    # The first token of all sees itself alone: its mix is its value, whatever its query.
    alone = before == 0 and wanted == 0 and _attends_by_formula(len(tokens), tokens.device)
    query, key, value = _project(attention, tokens, wanted + int(alone))
    seen = past.with_tokens(key, value)
    if not _attends_by_formula(len(seen.keys), query.device):
        return attention.output(_attend(query, seen)), seen
    mixed = [seen.values[0].flatten(-2)] if alone else []
    mixed += _attend_few(query, seen)
    # One at a time: they are wide, and the output layer makes them narrow before anything is stacked.
    return torch.stack([attention.output(token) for token in mixed]), seen


def _project(attention: SelfAttention, tokens: Tensor, first_query: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return keys and values of all tokens, and queries from `first_query` on only."""
    if first_query and type(attention.qkv) is Linear:
        weight, bias = attention.qkv.weight, attention.qkv.bias
        split = len(weight) // 3
        biases = (None, None) if bias is None else (bias[:split], bias[split:])
        query = F.linear(tokens[first_query:], weight[:split], biases[0])
        key, value = F.linear(tokens, weight[split:], biases[1]).chunk(2, dim=-1)
    else:
        query, key, value = attention.qkv(tokens).chunk(3, dim=-1)
        query = query[first_query:]
    query, key, value = (p.unflatten(-1, (attention.num_heads, -1)) for p in (query, key, value))
    return query, key, value


def _attends_by_formula(tokens: int, device: torch.device) -> bool:
    """Whether that many keys are so few that torch's CPU kernel, made for hundreds, would be slower."""
    return tokens <= _FEW and device.type == "cpu"


def _attend(query: Tensor, seen: KeysValues) -> Tensor:
    """Attend with torch's fused kernel; -> (token, *row, head * head_dim), a token for each query."""
    new, rows, (heads, width) = len(query), query.shape[1:-2], query.shape[-2:]
    query, key, value = (
        tensor.reshape(len(tensor), -1, heads, width).permute(1, 2, 0, 3)
        for tensor in (query, *(_stack(tokens, query) for tokens in (seen.keys, seen.values)))
    )
    total = key.shape[2]
    mask = None
    if 1 < new < total:
        mask = torch.ones(new, total, dtype=torch.bool, device=query.device).tril(total - new)
    mixed = fused_attention(query, key, value, mask, is_causal=1 < new == total)
    return mixed.permute(2, 0, 1, 3).reshape(new, *rows, heads * width)


def _attend_frames(query: Tensor, seen: KeysValues) -> Tensor:
    """Attend frame by frame (frame, *row, token, head, head_dim) to what was seen up to each frame."""
    rows, (size, heads, width) = query.shape[1:-3], query.shape[-3:]
    key, value = (
        torch.cat([frame.expand(query.shape[1:]).reshape(-1, size, heads, width) for frame in frames], dim=1)
        for frames in (seen.keys, seen.values)
    )
    key, value = key.transpose(1, 2), value.transpose(1, 2)
    before, mixed = len(seen.keys) - len(query), []
    for i, one in enumerate(query.unbind(0)):
        visible = slice(0, (before + i + 1) * size)
        one = one.reshape(-1, size, heads, width).transpose(1, 2)
        mixed.append(fused_attention(one, key[:, :, visible], value[:, :, visible]).transpose(1, 2))
    return torch.stack(mixed).reshape(len(query), *rows, size, heads * width)


def _stack(tokens: tuple[Tensor, ...], query: Tensor) -> Tensor:
    return torch.stack([token.expand(query.shape[1:]) for token in tokens])


def _attend_few(query: Tensor, seen: KeysValues) -> list[Tensor]:
    """Attend by the formula, pair by pair, leaving out the pairs that causality forbids."""
    before, mapped = len(seen.keys) - len(query), transforming()
    mixed = []
    for i, one in enumerate(query.unbind(0)):
        visible = before + i + 1
        scores = torch.stack([(one * key).sum(-1) for key in seen.keys[:visible]])
        weights = (scores * query.shape[-1] ** -0.5).softmax(0).unsqueeze(-1).unbind(0)
        total = weights[0] * seen.values[0]
        for weight, value in zip(weights[1:], seen.values[1:visible], strict=True):
            total = torch.addcmul(total, weight, value) if mapped else total.addcmul_(weight, value)
        mixed.append(total.flatten(-2))
    return mixed
