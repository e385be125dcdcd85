"""A part whose weights stay as they are."""

from collections.abc import Mapping
from typing import Any, Literal, Self, final

import torch
from torch import Tensor, nn

from .._checks import check_choice, describe, quoted
from .._config import configurable
from .._digests import tensor_digest, text_digest
from ..errors import ConfigError

_SOURCE = ("repository", "revision", "file", "sha256")


@final
@configurable
class Frozen(nn.Module):
    """Hold a part that stays as it is: no weight of it learns, and it is in evaluation mode always.

    Put it around a pretrained backbone, or any other part of a model, in the place of the part: what the part
    says of itself, such as `embedding_dim`, `Frozen` says too. Its parameters need no gradient, so that no
    optimizer of `leworld.training` gets them and weight decay leaves them alone; `train()` on it or on the
    model around it changes nothing but freezes again what somebody has thawed, so dropout is off and the
    statistics of a BatchNorm do not move. It is frozen again when it is loaded. Thaw it by taking `module`.

    Args:
        module: The part. It is frozen in place.
        source: Where its weights come from, for the record: `repository`, `revision`, `file` and `sha256`
            (the file's digest), as `leworld.hub.pretrained` writes them.
        stored: "value" keeps the weights in each checkpoint. "reference" keeps the source alone: loading
            reads the file that it names, and refuses one of another digest. Weights that are not, bit for
            bit, the file's are then not saved.

    Raises:
        ConfigError: If `module` is no module, or `stored="reference"` has no whole source.

    Numerics: nothing is kept for a backward pass unless an input asks for a gradient, which then passes
    through to it.

    Example:
        ```python
        import torch
        from torch import nn
        from leworld.nn import Frozen

        model = nn.Sequential(Frozen(nn.BatchNorm1d(3)), nn.Linear(3, 1)).train()
        before = model[0].module.running_mean.clone()
        model(torch.randn(8, 3)).sum().backward()
        assert torch.equal(model[0].module.running_mean, before)
        assert [weight.requires_grad for weight in model.parameters()] == [False, False, True, True]
        ```
    """

    def __init__(
        self,
        module: nn.Module,
        *,
        source: Mapping[str, str] | None = None,
        stored: Literal["value", "reference"] = "value",
    ) -> None:
        super().__init__()
        if not isinstance(module, nn.Module):
            raise ConfigError("Frozen needs a module", f"it is {describe(module)}", "Pass an instance of one")
        check_choice("Frozen", "stored", stored, ("value", "reference"))
        if source is None and stored == "reference":
            raise ConfigError(
                "Frozen needs a `source` to be stored by reference",
                "it is None",
                "Make it with `leworld.hub.pretrained(..., stored='reference')`",
            )
        if source is not None:
            _check_source(source)
        self.module = module.requires_grad_(False)
        self.source = None if source is None else dict(source)
        self.stored = stored
        self._digest: str | None = None  # of the tensors, when they were read from the source
        self.train()

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            inner = self.__dict__.get("_modules", {}).get("module")
            if inner is None or name.startswith("_"):
                raise
            return getattr(inner, name)

    def train(self, mode: bool = True) -> Self:
        """Stay in evaluation mode, and frozen, whatever `mode` says."""
        self.module.requires_grad_(False)
        return super().train(False)

    def forward(self, *inputs: Any, **options: Any) -> Any:
        """Call the part."""
        if _asks_gradient([*inputs, *options.values()]):
            return self.module(*inputs, **options)
        with torch.no_grad():
            return self.module(*inputs, **options)

    def _reference(self) -> dict[str, str] | None:
        """Return the source, for a part that is stored by reference."""
        return self.source if self.stored == "reference" else None

    def note_source(self) -> None:
        """Take note that the tensors are now those of the source."""
        self._digest = _tensors_digest(self.module)

    def _source_fault(self) -> str | None:
        """Say why the tensors are not known to be those of the source, or None."""
        if self._digest is None:
            return "nobody has read its weights from there"
        return None if self._digest == _tensors_digest(self.module) else "its weights were changed since"


def _check_source(source: object) -> None:
    texts = isinstance(source, Mapping) and all(isinstance(text, str) for text in source.values())
    if not isinstance(source, Mapping) or not texts or source.keys() != set(_SOURCE):
        raise ConfigError(
            f"Frozen needs its `source` to be texts called {quoted(_SOURCE)}",
            f"it is {describe(source)}",
            "Take what `leworld.hub.pretrained` made",
        )


def _tensors_digest(module: nn.Module) -> str:
    state = {name: value for name, value in module.state_dict().items() if isinstance(value, Tensor)}
    return text_digest(*(f"{name} {tensor_digest(value)}" for name, value in state.items()))


def _asks_gradient(values: Any) -> bool:
    """Whether a tensor among values, lists, mappings or the parts of an observation requires a gradient."""
    for value in values:
        if isinstance(value, Tensor):
            if value.requires_grad:
                return True
        elif isinstance(value, list | tuple):
            if _asks_gradient(value):
                return True
        elif isinstance(held := getattr(value, "parts", value), Mapping) and _asks_gradient(held.values()):
            return True
    return False
