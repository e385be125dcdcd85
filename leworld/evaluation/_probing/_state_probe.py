"""How much of the true state an embedding holds in linear form."""

import torch

from ..._checks import check_number, plain_numbers
from ...data import Episodes
from ...models import WorldModel
from ...probes import ProbeScore, RidgeProbe, fit_probe, split_by_episode
from .._columns import state_column, strided_rows
from .._latent_paths import row_latents


@plain_numbers
def probe_states(
    model: WorldModel, episodes: Episodes, *, column: str = "state", stride: int = 5, seed: int = 0
) -> ProbeScore:
    """Fit a ridge probe from the model's latents, as vectors, to true states, and score it on other episodes.

    Every `stride`-th frame of the episodes is embedded. Seven tenths of the episodes fit the probe, one tenth
    chooses its penalty and two tenths are scored; no episode is in two parts. Pass at least 3 episodes that
    the model was not trained on. `probing` compares several quantities, probes and models, with intervals.

    Args:
        model: A world model with its processor.
        episodes: Held-out episodes with the column to predict.
        column: Name of the column of true states.
        stride: Distance of the frames used, in rows. Neighbouring frames add cost and little else.
        seed: Which episodes go where.

    Returns:
        Scores of the held-out episodes, one number a state component.

    Raises:
        DataError: No such column, or one that is not numeric.
        ConfigError: The model has no processor, a state component is constant, or an option is out of range.
        ShapeError: Fewer than 3 episodes.
        NonFiniteError: The model's embeddings or the states are NaN or infinite.

    Randomness:
        From `seed` only.

    Source:
        Probing of frozen latents as in Maes et al., LeWorldModel, 2026, arXiv 2603.19312, section 5.1 and
        Table 3. Their probe's settings are not published; this one is closed-form ridge regression.

    Example:
        ```python
        import numpy as np
        from leworld.data import Episodes, Processor
        from leworld.evaluation import probe_states
        from leworld.models import WorldModel

        class Brightness(WorldModel):
            history_size, embedding_dim, action_dim = 1, 3, 2

            def _encode(self, observations):
                return observations.mean(dim=(-2, -1))

            def _predict(self, embeddings, actions):
                return embeddings

            def _loss(self, batch, generator):
                raise NotImplementedError

        level = np.random.default_rng(0).integers(0, 256, size=200).astype(np.uint8)
        episodes = Episodes(
            np.tile(level[:, None, None, None], (1, 8, 8, 3)),
            np.zeros((200, 2), np.float32),
            lengths=np.full(10, 20),
            columns={"state": level[:, None].astype(np.float32)},
        )
        model = Brightness()
        model.processor = Processor(8, frameskip=1, action_dim=2)
        assert probe_states(model, episodes).mean_r2 > 0.999
        ```
    """
    check_number("probe_states", "stride", stride, low=1, integer=True)
    check_number("probe_states", "seed", seed, low=0, high=2**63 - 1, integer=True)
    states = state_column("probe_states", episodes, column)
    rows, episode = strided_rows(episodes, stride)
    embeddings = row_latents(model, episodes, rows, owner="probe_states").flatten(1)
    targets = torch.from_numpy(states[rows])
    split = split_by_episode(episode, seed=seed)
    return fit_probe(
        RidgeProbe(embeddings.shape[1], targets.shape[1]), embeddings, targets=targets, split=split
    )
