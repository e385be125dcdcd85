"""Surprise: how far each frame is from what the model expected."""

from torch import Tensor

from ...data import Episodes
from ...models import WorldModel
from .._latent_paths import latent_paths, next_errors


def prediction_errors(model: WorldModel, episodes: Episodes) -> list[Tensor]:
    r"""Compute the surprise of every frame: the distance of its latent from the predicted one.

    $$ s_{t+1} = d(\hat z_{t+1}, z_{t+1}), \qquad
       \hat z_{t+1} = \text{predict}(z_{t-h+1 .. t}, a_{t-h+1 .. t}) $$

    with the last h = history_size frames before it, or as many as there are, and d the model's
    `latent_distance`: the squared distance unless it has one of its own. A model that carries a state
    predicts from the state after all frames of the episode so far. Frames are those that the model works on,
    `frameskip` rows apart. Each is embedded and predicted once.

    Args:
        model: A world model with its processor, action statistics included.
        episodes: Recorded episodes.

    Returns:
        One tensor an episode; entry k judges the frame in row (k + 1) * frameskip of the episode. Empty for
        an episode of a single frame.

    Raises:
        ConfigError: The model has no processor, or one without action statistics.
        DataError: Episodes with another number of action components.
        NonFiniteError: The model's embeddings or predictions are NaN or infinite.

    Numerics:
        The model's dtype; the squared distance in float64, returned as float32.

    Source:
        Maes et al., LeWorldModel, 2026, arXiv 2603.19312, section 5.2 and appendix F.3.

    Example:
        ```python
        import numpy as np
        from leworld.data import Episodes, Processor
        from leworld.evaluation import prediction_errors
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
        frames = np.zeros((4, 4, 4, 3), np.uint8)
        frames[2:] = 255  # the lights go on
        episodes = Episodes(frames, np.zeros((4, 1), np.float32), lengths=np.array([4]))
        (scores,) = prediction_errors(model, episodes)
        assert scores[0] == 0 and scores[1] > 1 and scores[2] == 0
        ```
    """
    owner = "prediction_errors"
    return next_errors(model, latent_paths(model, episodes, owner=owner), owner=owner)
