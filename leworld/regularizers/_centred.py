"""Centred: a regularizer of what changes within a short window, such as TC-SIGReg."""

from typing import ClassVar, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from .._checks import accumulation_dtype, check_number, describe
from .._config import configurable
from .._samples import centred
from .._typing import shapechecked
from ..errors import ConfigError, ShapeError
from ._sigreg import SIGReg
from ._trajectories import check_trajectories


@final
@configurable
class Centred(nn.Module):
    """A regularizer applied to embeddings minus their mean over a window of frames: TC-SIGReg with SIGReg.

    A loss over trajectories, not a regularizer of samples: it takes a model's embeddings as they are. What
    stays the same within a window (the scene, the task) is left free and no longer competes with what moves
    for the spread that the regularizer asks for. In turn it is **blind to what is constant in a window**:
    embeddings of one scene each may collapse to one point a scene. Costs what the regularizer costs.

        r_bt = z_bt - mean of z_bs over the window that t is in
        value = regularizer(r) with every time step judged over the batch

    Shapes: embeddings (*batch, batch, time, dim) -> scalar; time is a multiple of the window. Windows follow
    one another and do not overlap.

    Args:
        regularizer: (*batch, sample, dim) -> scalar; `SIGReg()` when None.
        window: Frames of a window, at least 2; None takes all frames there are. 4 as published, which is the
            training window of a model with history_size 3.

    Raises:
        ShapeError: For fewer than 2 time steps, a number of them that is no multiple of the window, no axis
            of trajectories, an empty axis, or integers; and what the regularizer raises.
        NonFiniteError: For NaN or infinite embeddings on a CPU; on an accelerator the result is NaN.
        ConfigError: For a window of fewer than 2, or a regularizer of something else than samples.

    Numerics: float16 and bfloat16 are centred and judged in float32; float64 stays float64. Of W frames with
    independent standard normal embeddings the residuals have variance 1 - 1/W, so embeddings that satisfy
    SIGReg here have W / (W - 1) times its spread around their window. In two frames the residuals are
    opposite and equally large: both time steps tell the same.

    Randomness and ranks: those of the regularizer.

    Source: Liu et al., "TC-SIGReg", arXiv 2607.26924 (v3), known to us by reports only; its code is not out.
    Its authors report that behaviour cloning on frozen features of LIBERO rises from 63.6 to 83.8 %, and that
    windows of 4 to 32 frames do about as well; we have not checked either.

    Example:
        ```python
        import torch
        from leworld import SIGReg
        from leworld.regularizers import Centred

        motion = torch.randn(128, 4, 8, generator=torch.Generator().manual_seed(0)) * (4 / 3) ** 0.5
        scene = 5 * torch.randn(128, 1, 8, generator=torch.Generator().manual_seed(1))
        assert Centred(SIGReg(64))(motion + scene) < 1.5 < SIGReg(64)((motion + scene).transpose(0, 1))
        ```
    """

    reads: ClassVar[str] = "trajectories"

    def __init__(self, regularizer: nn.Module | None = None, *, window: int | None = 4) -> None:
        super().__init__()
        if window is not None:
            check_number("Centred", "window", window, low=2, integer=True)
        reads = getattr(regularizer, "reads", "samples")
        if reads != "samples" or not (regularizer is None or isinstance(regularizer, nn.Module)):
            raise ConfigError(
                "Centred needs `regularizer` to be a module that judges samples (*batch, sample, dim)",
                f"it is {describe(regularizer)}, which reads {reads}",
                "Pass for example `SIGReg()` or `VISReg()`",
            )
        self.regularizer = SIGReg() if regularizer is None else regularizer
        self.window = window

    @shapechecked
    def forward(
        self, embeddings: Float[Tensor, "*batch time dim"], *, generator: torch.Generator | None = None
    ) -> Float[Tensor, ""]:
        """Return the regularizer's value for the residuals; `generator` is handed on to it."""
        check_trajectories("Centred", embeddings, low=2)
        time = embeddings.shape[-2]
        window = time if self.window is None else self.window
        if embeddings.ndim < 3 or time % window:
            raise ShapeError(
                f"Centred needs embeddings (batch, time, dim) of whole windows of {window} frames",
                f"`embeddings` has shape {tuple(embeddings.shape)}, i.e. time={time}",
                "Choose a `window` that divides the frames of a trajectory, or None for all of them",
            )
        paths = embeddings.to(accumulation_dtype(embeddings.dtype))
        rest = centred(paths.unflatten(-2, (-1, window))).flatten(-3, -2)
        return self.regularizer(rest.transpose(-3, -2), generator=generator)

    def extra_repr(self) -> str:
        """Show the setting that no submodule shows."""
        return f"window={self.window}"
