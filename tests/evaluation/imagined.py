"""What imagined rollouts must satisfy, in a world whose dynamics are known, and mistakes in them."""

import dataclasses

import numpy as np
import torch

from leworld.data import Episodes, Processor
from leworld.decoders import CrossAttentionDecoder
from leworld.evaluation import imagined_rollouts
from leworld.models import to_weights
from tests.decoders.worlds import SIDE, DotModel, films


class TwoFrames(DotModel):
    """Sees two frames, two rows apart, and adds both displacements of a block."""

    history_size, action_dim = 2, 4

    def __init__(self, drift: float = 0.0) -> None:
        super().__init__(drift)
        self.processor = dataclasses.replace(self.processor, frameskip=2)
        assert isinstance(self.processor, Processor)

    def _predict(self, embeddings, actions):
        return super()._predict(embeddings, actions[..., :2] + actions[..., 2:])


def decoder() -> CrossAttentionDecoder:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = CrossAttentionDecoder(2, SIDE, patch_size=4, hidden_dim=8, depth=1)
    made.output.weight.data *= 50  # so that pictures differ by whole levels
    return made


def check_imagined(imagine) -> None:
    artist = decoder()
    for make, skip, reach in ((DotModel, 1, 1), (TwoFrames, 2, 2)):
        for drift in (0.0, 0.5):
            model, episodes = make(drift), films(12, 14)
            found = imagine(
                model, episodes, decoder=artist, horizon=3, num_rollouts=5, column="state", seed=4
            )
            assert found.true_frames.shape == (5, 4, SIDE, SIDE, 3)
            check_one(found, model, episodes, artist, drift, skip, reach)


def check_one(found, model, episodes: Episodes, artist, drift: float, skip: int, reach: int) -> None:
    # True frames and states are consecutive kept rows of the named episode, after the frames seen before.
    assert len(set(found.episodes.tolist())) == 5
    for rollout, episode in enumerate(found.episodes):
        own = episodes.pixels[int(episodes.offsets[episode]) :][: int(episodes.lengths[episode])]
        states = episodes.columns["state"][int(episodes.offsets[episode]) :]
        starts = [
            row
            for row in range(skip * (reach - 1), len(own) - 3 * skip, skip)
            if np.array_equal(own[row : row + 4 * skip : skip], found.true_frames[rollout])
        ]
        assert starts
        assert any(
            np.array_equal(states[row : row + 4 * skip : skip], found.true_states[rollout]) for row in starts
        )
    # Embeddings are the model's; the exact model imagines the truth, the drifting one is off by h drifts.
    pictures = to_weights(model, torch.from_numpy(found.true_frames).float().movedim(-1, -3) / 255)
    with torch.no_grad():
        torch.testing.assert_close(found.true_latents, model.encode(pictures).float(), atol=1e-5, rtol=0)
    off = torch.arange(4)[None, :, None] * drift * 0.3
    torch.testing.assert_close(found.imagined_latents, (found.true_latents + off).float(), atol=1e-4, rtol=0)
    expected = np.arange(4) * drift * 2**0.5
    np.testing.assert_allclose(found.state_errors("imagined"), np.tile(expected, (5, 1)), atol=2e-2)
    np.testing.assert_allclose(found.state_errors("decoded"), 0.0, atol=2e-2)
    np.testing.assert_allclose(found.latent_errors(), np.tile((expected * 0.3) ** 2, (5, 1)), atol=2e-4)
    # Pictures are the decoder's, clamped and rounded.
    for frames, latents in (
        (found.decoded_frames, found.true_latents),
        (found.imagined_frames, found.imagined_latents),
    ):
        with torch.no_grad():
            drawn = artist(latents.flatten(0, 1)).clamp(0, 1).movedim(1, -1).reshape(frames.shape)
        assert np.abs(255 * drawn.numpy() - frames).max() <= 0.51


def _changed(**changes):
    def imagine(model, episodes, **options):
        found = imagined_rollouts(model, episodes, **options)
        return dataclasses.replace(found, **{name: change(found) for name, change in changes.items()})

    return imagine


def _with_actions(change):
    def imagine(model, episodes, **options):
        altered = dataclasses.replace(episodes, actions=change(episodes.actions))
        return imagined_rollouts(model, altered, **options)

    return imagine


def _same_episode(model, episodes, **options):
    found = imagined_rollouts(model, episodes, **options)
    return dataclasses.replace(
        found,
        **{
            field.name: getattr(found, field.name)[[0] * 5]
            for field in dataclasses.fields(found)
            if getattr(found, field.name) is not None
        },
    )


WRONG = {
    "peeks at the truth": _changed(imagined_latents=lambda f: f.true_latents),
    "copies the last frame": _changed(
        imagined_latents=lambda f: f.true_latents[:, :1].expand_as(f.true_latents)
    ),
    "draws the truth": _changed(imagined_frames=lambda f: f.decoded_frames),
    "draws the imagination twice": _changed(decoded_frames=lambda f: f.imagined_frames),
    "shows the frames themselves": _changed(decoded_frames=lambda f: f.true_frames),
    "states of the truth": _changed(imagined_states=lambda f: f.decoded_states),
    "states one late": _changed(true_states=lambda f: np.roll(f.true_states, 1, axis=1)),
    "frames one late": _changed(true_frames=lambda f: np.roll(f.true_frames, 1, axis=1)),
    "other episodes": _changed(episodes=lambda f: f.episodes[::-1]),
    "actions one late": _with_actions(lambda a: np.roll(np.nan_to_num(a), 1, axis=0)),
    "no actions": _with_actions(lambda a: 0 * a),
    "one episode again and again": _same_episode,
}
