"""BatchNorm statistics measured anew, exactly, with the weights as they are."""

from collections.abc import Iterable, Iterator
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from .._checks import check_number, describe, plain_numbers
from .._lending import unchanged_on_error
from ..data import Batch, RawBatch, Windows
from ..errors import ConfigError
from ..models import WorldModel, model_batch, processor_of
from ._modes import set_training_modes
from ._stream import WindowStream

_OWNER = "reestimate_batchnorm"
_STATISTICS_BATCH = 256


@plain_numbers
@torch.no_grad()
def reestimate_batchnorm(
    model: WorldModel,
    batches: Windows | Iterable[Batch] | Iterable[RawBatch],
    *,
    num_windows: int = 4096,
    seed: int = 0,
) -> None:
    """Replace the running statistics of every BatchNorm in `model` by those of its inputs over `batches`.

    Layers that `model.train()` leaves in evaluation mode, as a frozen backbone's `train` does, keep theirs,
    and so do those in parts that are in evaluation mode with all their parameters frozen.

    Running averages lag behind the weights and remember early training; a model that is about to be
    evaluated, saved or planned with should carry the statistics of the weights it has. Costs as many passes
    over the batches as the model has BatchNorm layers, without gradients.

    The layers are measured one after another in the order of the computation, each with all earlier ones
    already in evaluation mode with their new statistics, so that training and evaluation see the same
    distribution and every layer holds the exact mean and unbiased variance of what it will receive. The modes
    of all modules are left as they were.

    Args:
        model: Any world model; one without BatchNorm is left alone. Its `encode` and `predict` are run.
        batches: The training windows, as `train` takes them; or training batches, raw or normalised, iterable
            more than once (a list, a DataLoader, or any object that loads anew each time).
        num_windows: Of `Windows`, how many to measure on, drawn without replacement.
        seed: Decides which.

    Raises:
        ConfigError: `batches` is empty, can be iterated only once or holds something else, or `model` is no
            world model or, for raw windows, has no processor. The statistics are then as they were.

    Numerics:
        Sums are accumulated in float64 relative to the first batch's mean (float32 on devices without
        float64).

    Source:
        Izmailov et al., Averaging weights leads to wider optima and better generalization, 2018,
        arXiv 1803.05407, section 3.2, re-estimate them for averaged weights in the same spirit.

    Example:
        ```python
        import torch
        from leworld.data import Batch
        from leworld.encoders import ActionEncoder, ConvEncoder
        from leworld.models import LeWM
        from leworld.nn import Projector
        from leworld.predictors import TransformerPredictor
        from leworld.training import reestimate_batchnorm

        model = LeWM(
            ConvEncoder(image_size=16, embedding_dim=8, channels=(4, 8)),
            TransformerPredictor(8, history_size=1, depth=1, num_heads=1, head_dim=8, mlp_dim=16),
            action_encoder=ActionEncoder(action_dim=2, embedding_dim=8),
            projector=Projector(8, hidden_dim=16),
            prediction_projector=Projector(8, hidden_dim=16),
        )
        batch = Batch(torch.randn(64, 2, 3, 16, 16), torch.randn(64, 2, 2))
        reestimate_batchnorm(model, [batch])
        inputs = model.projector.widen(model.encoder(batch.observations.flatten(0, 1)))
        assert torch.allclose(model.projector.norm.running_mean, inputs.mean(0), atol=1e-5)
        ```
    """
    if not isinstance(model, WorldModel):
        raise ConfigError(
            "reestimate_batchnorm needs `model` to be a WorldModel",
            f"it is a {type(model).__name__}",
            "Pass the whole model, whose `encode` and `predict` reach the layers",
        )
    check_number(_OWNER, "num_windows", num_windows, low=2, integer=True)
    check_number(_OWNER, "seed", seed, low=0, integer=True)
    source = _Batches(model, batches, num_windows, seed)
    modes = {module: module.training for module in model.modules()}
    try:
        set_training_modes(model)
        norms = [
            module
            for module in model.modules()
            if isinstance(module, _BatchNorm) and module.track_running_stats and module.training
        ]
        if not norms:
            return
        model.eval()
        with unchanged_on_error(nn.ModuleList(norms)):
            for norm in _in_order_of_use(model, norms, source):
                _measure(model, norm, source)
    finally:
        for module, training in modes.items():
            module.training = training


class _Batches:
    """Batches on the model's device, from whatever they were given as, anew at each iteration."""

    def __init__(self, model: WorldModel, source: object, num_windows: int, seed: int) -> None:
        self.model = model
        self.source = source
        self.indices: list[int] = []
        if isinstance(source, Windows):
            names = [*processor_of(model, owner=_OWNER).observation_parts, *model.batch_columns]
            self.source = source.with_columns([name for name in names if name != "pixels"])
            stream = WindowStream(source, 2, seed=seed)
            self.indices = stream.statistics_indices(num_windows).tolist()
        elif not isinstance(source, Iterable) or isinstance(source, Batch | RawBatch | str | Tensor):
            raise _not_batches(source)

    def __iter__(self) -> Iterator[Batch]:
        for batch in self._given():
            if isinstance(batch, RawBatch):
                yield model_batch(self.model, batch)
            elif isinstance(batch, Batch):
                yield batch
            else:
                raise _not_batches(batch)

    def _given(self) -> Iterator[Any]:
        if not isinstance(self.source, Windows):
            yield from cast(Iterable[Any], self.source)
            return
        for start in range(0, len(self.indices), _STATISTICS_BATCH):
            yield self.source.__getitems__(self.indices[start : start + _STATISTICS_BATCH])


def _not_batches(got: object) -> ConfigError:
    return ConfigError(
        "reestimate_batchnorm needs `batches` to be Windows, or batches of windows",
        f"it was given {describe(got)}",
        "Pass the training windows: `Windows(episodes, model.history_size, frameskip=...)`",
    )


def _run(model: WorldModel, batch: Batch) -> None:
    embeddings = model.encode(batch.observations)
    model.predict(embeddings[:, :-1], batch.actions[:, : embeddings.shape[1] - 1])


def _in_order_of_use(
    model: WorldModel, norms: list[_BatchNorm], batches: Iterable[Batch]
) -> list[_BatchNorm]:
    order: list[_BatchNorm] = []

    def note(module: nn.Module, _: object) -> None:
        if isinstance(module, _BatchNorm) and module not in order:
            order.append(module)

    handles = [norm.register_forward_pre_hook(note) for norm in norms]
    try:
        for batch in batches:
            _run(model, batch)
            break
    finally:
        for handle in handles:
            handle.remove()
    if not order:
        raise _no_batches("there was none")
    return order


def _measure(model: WorldModel, norm: _BatchNorm, batches: Iterable[Batch]) -> None:
    count = 0
    shift = total = squares = None

    def accumulate(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        nonlocal count, shift, total, squares
        values = inputs[0].detach()
        values = values if values.device.type == "mps" else values.double()
        values = values.movedim(1, -1).flatten(0, -2)
        if shift is None or total is None or squares is None:
            shift = values.mean(dim=0)
            total, squares = torch.zeros_like(shift), torch.zeros_like(shift)
        values = values - shift
        count += values.shape[0]
        total += values.sum(dim=0)
        squares += values.square().sum(dim=0)

    handle = norm.register_forward_pre_hook(accumulate)
    try:
        for batch in batches:
            _run(model, batch)
    finally:
        handle.remove()
    if shift is None or total is None or squares is None or count < 2:
        raise _no_batches(f"it gave {count} rows in a later pass")
    mean = total / count
    if norm.running_mean is not None and norm.running_var is not None:
        norm.running_mean.copy_(shift + mean)
        norm.running_var.copy_((squares - count * mean.square()).clamp(min=0) / (count - 1))


def _no_batches(got: str) -> ConfigError:
    return ConfigError(
        "reestimate_batchnorm needs `batches` that can be iterated once a BatchNorm layer",
        got,
        "Pass a list of batches, or an object whose iteration starts anew each time",
    )
