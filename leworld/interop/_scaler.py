"""A processor's action statistics in the form of scikit-learn's scalers, which stable-worldmodel applies."""

from dataclasses import replace

import numpy as np
import torch

from ..data import Processor


class ActionScaler:
    """Turns raw actions (row, action) into normalised ones and back."""

    def __init__(self, processor: Processor) -> None:
        self._processor = replace(processor, frameskip=1)
        self.transform(np.zeros((1, processor.action_dim), np.float32))  # tells at once if they are unknown

    def transform(self, x: np.ndarray) -> np.ndarray:
        """Normalise raw actions; NaN, as before the first step of an episode, becomes 0, the mean action."""
        actions = torch.from_numpy(np.array(x, np.float32))
        return self._processor.action_blocks(actions.unsqueeze(-2))[..., 0, :].numpy()

    def inverse_transform(self, x: np.ndarray) -> np.ndarray:
        """Turn normalised actions into raw ones; NaN, as of environments that have ended, stays."""
        actions = torch.from_numpy(np.array(x, np.float32))
        return self._processor.raw_actions(actions)[..., 0, :].numpy()
