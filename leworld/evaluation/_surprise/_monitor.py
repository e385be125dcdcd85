"""Surprise while a robot runs: one frame in, one calibrated verdict out, in constant memory."""

import bisect
import math
from dataclasses import dataclass
from typing import Any, final, overload

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import ArrayLike
from torch import Tensor

from ..._checks import check_finite, check_float_array, check_number, check_size, describe, plain_numbers
from ..._typing import shapechecked
from ...data import Episodes, Observation
from ...errors import ConfigError, ShapeError
from ...models import WorldModel, model_input, processor_of, to_weights
from ...nn import evaluation_mode
from .._latent_paths import distance, predict_from
from ._prediction_errors import prediction_errors


@final
@dataclass(frozen=True)
class SurpriseReading:
    """What the monitor says of one frame.

    Attributes:
        score: Distance of the frame's latent from the predicted one, as the model measures it.
        p_value: How often a normal frame is at least as surprising.
        alarm: Whether the p-value is at most the chosen false-alarm rate.

    Example:
        ```python
        from leworld.evaluation import SurpriseReading

        assert SurpriseReading(score=9.0, p_value=0.001, alarm=True).alarm
        ```
    """

    score: float
    p_value: float
    alarm: bool


@final
class SurpriseMonitor:
    """Judges each new frame of a running robot by how far it is from what the model expected.

    Use it to notice a slipped object, a frozen camera or a failed actuator. It keeps the model's state (for
    most models the last history_size latents and actions) and the calibration scores, so memory does not
    grow; a frame costs one embedding and one prediction.

    P-values are conformal: on normal frames that are exchangeable with those of the calibration, the rate of
    false alarms is at most the chosen one, whatever the scores' distribution. Frames of one episode depend on
    each other, so false alarms may come in bursts, and the rate holds over many episodes.

    Args:
        model: A world model with its processor, action statistics included.
        calibration: Scores of normal frames that the model was not trained on, as `prediction_errors` gives;
            at least 1 / false_alarm_rate - 1 of them, better a thousand.
        false_alarm_rate: Share of normal frames that may raise an alarm, strictly between 0 and 1.

    Raises:
        ConfigError: A rate out of range or too small for so few calibration scores, or a model without
            processor.
        ShapeError: Frames or actions of another shape.
        NonFiniteError: NaN or infinite scores, actions, embeddings or predictions.

    Source:
        The score is that of Maes et al., LeWorldModel, 2026, arXiv 2603.19312, section 5.2; the calibration
        is conformal prediction (Vovk, Gammerman and Shafer, 2005).

    Example:
        ```python
        import numpy as np
        import torch
        from leworld.data import Processor
        from leworld.evaluation import SurpriseMonitor
        from leworld.models import WorldModel

        class Copy(WorldModel):
            history_size, embedding_dim, action_dim = 1, 3, 1

            def _encode(self, observations):
                return observations.mean(dim=(-2, -1))

            def _predict(self, embeddings, actions):
                return embeddings

            def _loss(self, batch, generator):
                raise NotImplementedError

        model = Copy()
        model.processor = Processor(4, frameskip=1, action_dim=1, action_mean=(0.0,), action_std=(1.0,))
        monitor = SurpriseMonitor(model, torch.linspace(0, 0.1, 99))
        dark, bright, still = np.zeros((4, 4, 3), np.uint8), np.full((4, 4, 3), 255, np.uint8), [[0.0]]
        assert monitor.observe(dark) is None  # nothing was expected yet
        assert not monitor.observe(dark, still).alarm and monitor.observe(bright, still).alarm
        ```
    """

    @shapechecked
    def __init__(
        self,
        model: WorldModel,
        calibration: Float[Tensor, " calibration"],
        *,
        false_alarm_rate: float = 0.05,
    ) -> None:
        fix = "Pass scores of held-out normal frames"
        check_size("SurpriseMonitor", "calibration", calibration, 0, "calibration", low=1, fix=fix)
        check_finite("SurpriseMonitor", "calibration", calibration)
        self.threshold = alarm_threshold("SurpriseMonitor", calibration, false_alarm_rate)
        self.model = model
        self.processor = processor_of(model, owner="SurpriseMonitor")
        self.false_alarm_rate = false_alarm_rate
        self._calibration: list[float] = calibration.detach().cpu().double().sort().values.tolist()
        self.reset()

    def __repr__(self) -> str:
        return (
            f"SurpriseMonitor({type(self.model).__name__}, {len(self._calibration)} calibration scores, "
            f"false_alarm_rate={self.false_alarm_rate:g}, threshold={self.threshold:.4g})"
        )

    @staticmethod
    @plain_numbers
    def calibrate(
        model: WorldModel, episodes: Episodes, *, false_alarm_rate: float = 0.05
    ) -> "SurpriseMonitor":
        """Make a monitor from normal episodes that the model was not trained on."""
        scores = torch.cat(prediction_errors(model, episodes))
        return SurpriseMonitor(model, scores, false_alarm_rate=false_alarm_rate)

    def reset(self) -> None:
        """Forget the past frames, at the start of an episode."""
        self._state: Any | None = None

    @overload
    def observe(self, observation: np.ndarray | Observation, actions: None = None) -> None: ...
    @overload
    def observe(self, observation: np.ndarray | Observation, actions: ArrayLike) -> SurpriseReading: ...
    @torch.no_grad()
    def observe(
        self, observation: np.ndarray | Observation, actions: ArrayLike | None = None
    ) -> SurpriseReading | None:
        """Judge the newest frame.

        Args:
            observation: The frame, uint8 (height, width, channel); or an `Observation` of this one moment,
                its parts with a leading axis of 1.
            actions: The raw actions executed since the frame before, (frameskip, action). None for the first
                frame of an episode.

        Returns:
            The verdict; None for the first frame, of which nothing was expected.

        Raises:
            ConfigError: Actions with the first frame, or none with a later one.
        """
        seen = model_input(self.model, _one_moment(observation))
        if (actions is None) != (self._state is None):
            which = "first" if self._state is None else "later"
            raise ConfigError(
                "SurpriseMonitor.observe needs the actions since the last frame, and none with the first",
                f"`actions` is {describe(actions)} with a {which} frame",
                "Call `reset` when an episode starts",
            )
        block = None
        if actions is not None:
            shape = f"{self.processor.frameskip} {self.processor.action_dim}"
            raw = check_float_array("SurpriseMonitor.observe", "actions", actions, shape=shape)
            block = self.processor.action_blocks(torch.from_numpy(raw.astype(np.float32)))
        with evaluation_mode(self.model):
            past = None if block is None else to_weights(self.model, block)
            state = self.model.observe(self._state, seen, past)
            frame = self.model.present(state).float().cpu()
        check_finite("SurpriseMonitor.observe", "model.encode(...)", frame)
        reading = None
        if block is not None:
            expected = predict_from(self.model, self._state, block)
            reading = self._judge(float(distance(self.model, expected, frame)[0].float()))
        self._state = state
        return reading

    def _judge(self, score: float) -> SurpriseReading:
        check_finite(
            "SurpriseMonitor.observe",
            "model.predict(...)",
            torch.tensor(score, dtype=torch.float64, device="cpu"),
        )
        count = len(self._calibration)
        above = count - bisect.bisect_left(self._calibration, score)
        return SurpriseReading(score, p_value=(1 + above) / (1 + count), alarm=score > self.threshold)


def _one_moment(observation: object) -> Observation:
    if isinstance(observation, Observation) and len(observation) == 1:
        return observation
    if isinstance(observation, np.ndarray) and observation.dtype == np.uint8 and observation.ndim == 3:
        return Observation(observation[None])
    raise ShapeError(
        "SurpriseMonitor.observe needs one uint8 frame (height, width, channel) of `pixels`, or an "
        "Observation of one moment",
        f"it was given {describe(observation)}",
        "Pass frames one by one, as the camera gives them",
    )


def alarm_threshold(
    owner: str, calibration: Tensor, false_alarm_rate: float, *, name: str = "false_alarm_rate"
) -> float:
    """Return the score above which the conformal p-value is at most `false_alarm_rate`."""
    check_number(owner, name, false_alarm_rate, low=0, high=1, open_low=True)
    count = len(calibration)
    allowed = math.floor(false_alarm_rate * (count + 1) + 1e-9)
    if allowed < 1 or allowed > count:
        raise ConfigError(
            f"{owner} needs a `{name}` from 1 / (calibration scores + 1) to below 1",
            f"it is {false_alarm_rate} with {count} scores",
            "Calibrate on more normal frames, or choose another rate",
        )
    return float(calibration.detach().cpu().double().sort(descending=True).values[allowed - 1])
