"""Causal attention for new tokens only, given the keys and values of the tokens before them.

Tensors here are time-first, (token, *row, head, head_dim), so that one token is one contiguous piece. The
rows of past tokens may be fewer and broadcast: what all rows have in common is stored once.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from torch.nn import functional as F

_FEW = 4
_PIECE = 640 * 1024


@final
@dataclass(frozen=True)
class KeysValues:
    """Keys and values that one attention layer has computed, one tensor (*row, head, head_dim) a token.

    Never changed in place: several continuations may start from the same one.
    """

    keys: tuple[Tensor, ...] = ()
    values: tuple[Tensor, ...] = ()

    def with_tokens(self, keys: Tensor, values: Tensor) -> "KeysValues":
        """Return these and the new tokens' (token, *row, head, head_dim) behind them."""
        return KeysValues(self.keys + keys.unbind(0), self.values + values.unbind(0))


def attends_by_formula(tokens: int, device: torch.device) -> bool:
    """Whether that many keys are so few that torch's CPU kernel, made for hundreds, would be slower."""
    return tokens <= _FEW and device.type == "cpu"


def add_in_pieces(
    tokens: Tensor, gate: Tensor, layer: Callable[[Tensor], Tensor], inputs: Tensor, width: int
) -> Tensor:
    """Return tokens + gate * layer(inputs), for a layer that treats each token alone.

    On a CPU it takes so many at a time that `width` fits its cache: fresh memory for a wide hidden layer of
    thousands of tokens costs more than its GELU. While no gradient is recorded `tokens` are changed in place.
    """
    if tokens.device.type != "cpu" or torch.compiler.is_compiling():
        return torch.addcmul(tokens, gate, layer(inputs))
    rows, count = _PIECE // width or 1, tokens[..., 0].numel()
    number = 1 if count <= rows * 3 // 2 else -(-count // rows)
    flat = tokens.contiguous().view(count, -1)
    gates = gate.expand_as(tokens).reshape(count, -1).tensor_split(number)
    parts = zip(flat.tensor_split(number), gates, inputs.reshape(count, -1).tensor_split(number), strict=True)
    if torch.is_grad_enabled():
        flat = torch.cat([torch.addcmul(some, factor, layer(given)) for some, factor, given in parts])
    else:
        for some, factor, given in parts:
            some.addcmul_(factor, layer(given))
    return flat.view(tokens.shape)


def attend_new(query: Tensor, seen: KeysValues, *, first_alone: bool = False) -> Tensor | list[Tensor]:
    """Mix values for the last tokens of `seen`, one for each query; -> (token, *row, head * head_dim).

    The formula gives a list, one tensor a token: they are wide, and the output layer makes them narrow before
    anything is stacked. With `first_alone` the first token of all comes before them, without a query: it sees
    nothing but itself.
    """
    if not attends_by_formula(len(seen.keys), query.device):
        return _attend(query, seen)
    mixed = [seen.values[0].flatten(-2)] if first_alone else []
    return mixed + _attend_few(query, seen)


def _attend(query: Tensor, seen: KeysValues) -> Tensor:
    """Attend with torch's fused kernel."""
    new, rows, (heads, width) = len(query), query.shape[1:-2], query.shape[-2:]
    query, key, value = (
        tensor.reshape(len(tensor), -1, heads, width).permute(1, 2, 0, 3)
        for tensor in (query, *(_stack(tokens, query) for tokens in (seen.keys, seen.values)))
    )
    total = key.shape[2]
    mask = None
    if 1 < new < total:
        mask = torch.ones(new, total, dtype=torch.bool, device=query.device).tril(total - new)
    mixed = F.scaled_dot_product_attention(query, key, value, mask, is_causal=1 < new == total)
    return mixed.permute(2, 0, 1, 3).reshape(new, *rows, heads * width)


def _stack(tokens: tuple[Tensor, ...], query: Tensor) -> Tensor:
    return torch.stack([token.expand(query.shape[1:]) for token in tokens])


def _attend_few(query: Tensor, seen: KeysValues) -> list[Tensor]:
    """Attend by the formula, pair by pair, leaving out the pairs that causality forbids."""
    before = len(seen.keys) - len(query)
    mixed = []
    for i, one in enumerate(query.unbind(0)):
        visible = before + i + 1
        scores = torch.stack([(one * key).sum(-1) for key in seen.keys[:visible]])
        weights = (scores * query.shape[-1] ** -0.5).softmax(0).unsqueeze(-1).unbind(0)
        total = weights[0] * seen.values[0]
        for weight, value in zip(weights[1:], seen.values[1:visible], strict=True):
            total.addcmul_(weight, value)
        mixed.append(total.flatten(-2))
    return mixed
