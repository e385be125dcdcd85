"""The recurrent state space model of DreamerV3."""

from collections.abc import Mapping
from typing import Any, Self, final

import torch
from torch import Tensor, nn

from .._checks import check_number, plain_numbers
from .._config import ModuleConfig, configurable
from ..data import Batch
from ..errors import ShapeError
from ..heads import ActorCritic, ScalarHead, TerminationHead
from ..nn import NormedMLP
from ..predictors import StateSpacePredictor
from ._incremental import can_roll_incrementally, incremental_rollout
from ._joint_embedding import check_reads, judged
from ._losses import Losses, check_weights
from ._rssm_checks import check_learns, check_predictor
from ._rssm_sizes import parts_of_size
from ._sizes import check_fit, part_size
from ._world_model import WorldModel

_WEIGHTS = {
    "reconstruction": 1.0,
    "regularizer": 1.0,
    "dynamics": 1.0,
    "representation": 0.1,
    "reward": 1.0,
    "termination": 1.0,
    "policy": 1.0,
    "value": 1.0,
}


@final
@configurable
class RSSM(WorldModel):
    r"""DreamerV3's world model: a recurrent state, and categorical variables that a frame corrects.

    Reach for it where one frame does not tell the state, or where a policy shall be learned in imagination.
    The latent z = [h, s] holds the state h and one-hot variables s. From zeros before the first frame,

        h_t ~ predictor(z_t-1, action_t-1)        what was seen and done before
        s_t ~ posterior(h_t, encoder(o_t))        corrected by the frame; in imagination s_t ~ prior(h_t)

    and with KL(p, q) summed over the variables and sg the stopped gradient

        reconstruction = sum (decoder(z_t) - o_t)^2
        dynamics       = max(free_nats, KL(sg(posterior), prior))
        representation = max(free_nats, KL(posterior, sg(prior)))
        reward         = CE(reward(z_t+1), r_t)
        termination    = BCE(termination(z_t+1), d_t)

    averaged over batch and time. `Losses.terms` are these times `weights`, `Losses.values` without. Where
    there is an `actor_critic`, its policy and value learn from what the model imagines from every latent of
    the batch, and teach nothing else.

    With a `regularizer` such as `leworld.regularizers.SIGReg`, no picture is drawn: the decoder draws
    encoder(o_t) in place of o_t, with gradient to both, and the regularizer keeps the encoder's embeddings
    from collapsing. This is a model without reconstruction of what is seen.

    It carries a state, its last latent; `encode` without actions takes each frame as the first of an episode.
    Acting, and in rollouts, the most likely variables are taken, so that a plan has one cost; where `observe`
    or `imagine` are given a generator, they are drawn.

    Shapes: see `WorldModel`. A latent is a vector.

    Args:
        encoder: Parts of an observation to a vector, with `embedding_dim`, for example
            `leworld.encoders.NormedConvEncoder`.
        predictor: Sequence model and prior.
        decoder: Latents (row, dim) to one part of the observation, (row, *part), as the model reads it: that
            which it names by `observation_parts`, or the first one. With a regularizer, to embeddings.
        reward: Of arriving at a latent, without `action_dim`.
        termination: Whether the episode is over at a latent; None for tasks that do not end.
        actor_critic: Learns to act; it needs a reward.
        regularizer: Of the encoder's embeddings, in the place of pictures.
        weights: Of the terms, by name; those left out stay as published, 1, and 0.1 of `representation`.
        free_nats: Divergence that costs nothing.

    Attributes:
        policy: That of the actor-critic, or None; `leworld.control.PolicyProposals` finds it.
        value: That of the actor-critic, or None; `leworld.costs.ReturnCost` finds it.
        discount: That of the actor-critic, or 0.997.

    Raises:
        ConfigError: If the sizes of the parts do not fit together, a setting is out of range, or nothing
            ties the latents to what is seen: neither decoder nor reward.
        ShapeError: In `loss`, if the decoder draws another shape than the part's.

    Randomness: variables and imagined actions are drawn from the `generator` of `loss`, else from torch's
    global generator, as initial weights are.

    Source: Hafner et al., DreamerV3, 2023 (arXiv 2301.04104), and its code (danijar/dreamerv3). There,
    pictures are drawn in [0, 1]; windows go on from latents that were stored; the value also learns from
    recorded rewards; optimizer and rates are its own. Without pictures: after R2-Dreamer, 2026
    (NM512/r2dreamer), whose Barlow term draws detached embeddings; SIGReg takes its place here.

    Example:
        ```python
        import torch
        from leworld.data import Batch
        from leworld.decoders import NormedConvDecoder
        from leworld.encoders import NormedConvEncoder
        from leworld.models import RSSM
        from leworld.predictors import StateSpacePredictor

        predictor = StateSpacePredictor(
            16, history_size=3, condition_dim=2, num_variables=4, num_classes=4, hidden_dim=16
        )
        model = RSSM(
            NormedConvEncoder(16, (4, 8)), predictor, decoder=NormedConvDecoder(32, 16, channels=(4, 8))
        )
        losses = model.loss(Batch(torch.randn(4, 4, 3, 16, 16), torch.randn(4, 4, 2)))
        losses.total.backward()
        assert set(losses.terms) == {"reconstruction", "dynamics", "representation"}
        state = model.observe(None, torch.randn(4, 3, 16, 16))
        assert model.imagine(state, torch.randn(4, 5, 7, 2)).shape == (4, 5, 7, 32)
        ```
    """

    watches_spread = False
    clipped_apart = ("actor_critic",)
    config: ModuleConfig

    def __init__(
        self,
        encoder: nn.Module,
        predictor: StateSpacePredictor,
        *,
        decoder: nn.Module | None = None,
        reward: ScalarHead | None = None,
        termination: TerminationHead | None = None,
        actor_critic: ActorCritic | None = None,
        regularizer: nn.Module | None = None,
        weights: Mapping[str, float] | None = None,
        free_nats: float = 1.0,
    ) -> None:
        super().__init__()
        check_number("RSSM", "free_nats", free_nats, low=0.0)
        check_predictor(predictor)
        seen = part_size("RSSM", "encoder", encoder, "embedding_dim")
        latent = part_size("RSSM", "predictor", predictor, "embedding_dim")
        check_learns(decoder, reward, termination, actor_critic, regularizer)
        said = "`predictor.embedding_dim`"
        heads = {"reward": reward, "termination": termination, "actor_critic": actor_critic}
        for name, head in heads.items():
            if head is not None:
                check_fit("RSSM", name, head, "embedding_dim", latent, to=said)
        if actor_critic is not None:
            actions = predictor.condition_dim
            check_fit(
                "RSSM", "actor_critic", actor_critic, "action_dim", actions, to="`predictor.condition_dim`"
            )
        if regularizer is not None:
            check_reads("RSSM", "regularizer", regularizer)
        self.encoder = encoder
        self.predictor = predictor
        self.posterior = NormedMLP(
            predictor.state_dim + seen,
            latent - predictor.state_dim,
            hidden_dims=(predictor.hidden_dim,),
            norm="rms",
            activation="silu",
        )
        self.decoder = decoder
        self.reward = reward
        self.termination = termination
        self.actor_critic = actor_critic
        self.regularizer = regularizer
        self.weights = check_weights("RSSM", weights, _WEIGHTS)
        self.free_nats = free_nats
        self.history_size = predictor.history_size
        self.latent_shape = (latent,)
        self.action_dim = predictor.condition_dim
        self.observation_parts = tuple(getattr(encoder, "observation_parts", ("pixels",)))
        ends = () if termination is None else ("terminated",)
        self.batch_columns = ends if reward is None else ("reward", *ends)

    @property
    def policy(self) -> nn.Module | None:
        """The policy of the actor-critic, if there is one."""
        return None if self.actor_critic is None else self.actor_critic.policy

    @property
    def value(self) -> nn.Module | None:
        """The value of the actor-critic, if there is one."""
        return None if self.actor_critic is None else self.actor_critic.value

    @property
    def discount(self) -> float:
        """Factor a step."""
        return 0.997 if self.actor_critic is None else self.actor_critic.discount

    @classmethod
    @plain_numbers
    def of_size(
        cls,
        size: str,
        action_dim: int,
        *,
        image_size: int = 64,
        observation_dim: int | None = None,
        in_channels: int = 3,
        part: str = "proprio",
        rewarded: bool = True,
        episodic: bool = False,
        discrete: bool = False,
        history_size: int = 15,
    ) -> Self:
        """Build a model of a published size.

        Args:
            size: "1M", "12M", "25M", "50M", "100M", "200M" or "400M".
            action_dim: Size of an action block.
            image_size: Side of the pictures that it reads and draws.
            observation_dim: Size of the vector that it reads and draws in the place of pictures.
            in_channels: Channels of a picture.
            part: Name of the vector among the parts of an observation.
            rewarded: Whether it has a reward head and learns to act.
            episodic: Whether the task ends, and a termination head is trained.
            discrete: Whether actions are choices, as one-hot blocks.
            history_size: Steps of a training window; published are 63.
        """
        parts = parts_of_size(
            size,
            action_dim,
            image_size=image_size,
            observation_dim=observation_dim,
            in_channels=in_channels,
            part=part,
            rewarded=rewarded,
            episodic=episodic,
            discrete=discrete,
            history_size=history_size,
        )
        return cls(parts.pop("encoder"), parts.pop("predictor"), **parts)

    def _encode(self, observations: Any) -> Tensor:
        embedded = self._embedded(observations)
        rows = embedded.flatten(0, 1)
        return self._corrected(self._before(rows), rows)[0].unflatten(0, embedded.shape[:2])

    def _predict(self, latents: Tensor, actions: Tensor) -> Tensor:
        return self.predictor(latents, actions)

    def _rollout(self, context: Tensor, past_actions: Tensor, actions: Tensor) -> Tensor:
        if not can_roll_incrementally(self.predictor):
            return super()._rollout(context, past_actions, actions)
        none = nn.Identity()
        return incremental_rollout(
            self.predictor, none, none, context=context, past_actions=past_actions, actions=actions
        )

    def _filter(self, observations: Any, actions: Tensor) -> Tensor:
        return self._filtered(self._embedded(observations), actions, None, drawn=False)[0]

    def _observe(
        self, state: Any, observation: Any, past_action: Tensor | None, generator: torch.Generator | None
    ) -> Any:
        embedded = self.encoder(observation)
        if past_action is None:
            expected = self._before(embedded)
        else:
            expected = self.predictor.advance(state, past_action)
        return self._corrected(expected, embedded, generator, drawn=generator is not None)[0]

    def _present(self, state: Any) -> Tensor:
        return state

    def _imagine(self, state: Any, actions: Tensor, generator: torch.Generator | None) -> Tensor:
        if generator is None:
            return self._rollout(state.unsqueeze(1), actions[:, 0, :0], actions)
        latents, steps = state.repeat_interleave(actions.shape[1], dim=0), []
        for block in actions.flatten(0, 1).unbind(1):
            latents = self._drawn_step(latents, block, generator)
            steps.append(latents)
        return torch.stack(steps, dim=1).unflatten(0, actions.shape[:2])

    def _loss(self, batch: Batch, generator: torch.Generator | None) -> Losses:
        embedded = self._embedded(batch.observations)
        latents, posterior, prior = self._filtered(embedded, batch.actions, generator, drawn=True)
        dynamics, representation = self.predictor.variables.balanced_divergence(
            posterior, prior, free_nats=self.free_nats
        )
        values = self._seen_values(batch, embedded, latents, generator)
        values |= {"dynamics": dynamics.mean(), "representation": representation.mean()}
        if self.reward is not None:
            rewards = batch.columns["reward"][:, :-1].to(latents)
            values["reward"] = self.reward.loss(latents[:, 1:], rewards).mean()
        if self.termination is not None:
            over = batch.columns["terminated"][:, :-1].to(latents)
            values["termination"] = self.termination.loss(latents[:, 1:], over).mean()
        log: dict[str, Tensor] = {}
        if self.actor_critic is not None:
            imagined = self.actor_critic.losses(
                latents.detach().flatten(0, 1),
                lambda here, actions: self._drawn_step(here, actions, generator),
                reward=self.reward,
                termination=self.termination,
                generator=generator,
            )
            values |= {"policy": imagined.policy, "value": imagined.value}
            log = {"entropy": imagined.entropy, "return": imagined.mean_return}
        terms = {name: self.weights[name] * value for name, value in values.items()}
        return Losses(terms, latents=latents.detach(), values=values | log)

    def _seen_values(
        self, batch: Batch, embedded: Tensor, latents: Tensor, generator: torch.Generator | None
    ) -> dict[str, Tensor]:
        """Return what ties the latents to the observations."""
        values: dict[str, Tensor] = {}
        if self.decoder is not None:
            due = embedded if self.regularizer is not None else self._drawn_part(batch.observations)
            drawn = self.decoder(latents.flatten(0, 1)).unflatten(0, latents.shape[:2])
            if drawn.shape != due.shape:
                raise ShapeError(
                    f"RSSM needs its decoder to draw shapes of {tuple(due.shape[2:])}",
                    f"{type(self.decoder).__name__} draws {tuple(drawn.shape[2:])}",
                    "Build it for the part of the observation that it draws, or for the encoder's size where "
                    "there is a regularizer",
                )
            values["reconstruction"] = (drawn - due).square().flatten(2).sum(-1).mean()
        if self.regularizer is not None:
            values["regularizer"] = judged(self.regularizer, embedded, batch.actions, generator)
        return values

    def _drawn_part(self, observations: Any) -> Tensor:
        if isinstance(observations, Tensor):
            return observations
        named = [n for n in getattr(self.decoder, "observation_parts", ()) if n in observations.parts]
        return observations[(*named, *self.observation_parts)[0]]

    def _embedded(self, observations: Any) -> Tensor:
        if isinstance(observations, Tensor):
            return self.encoder(observations.flatten(0, 1)).unflatten(0, observations.shape[:2])
        leading = observations[self.observation_parts[0]].shape[:2]
        return self.encoder(observations.map(lambda part: part.flatten(0, 1))).unflatten(0, leading)

    def _before(self, embedded: Tensor) -> Tensor:
        """Return the recurrent states at the first frame of an episode."""
        zeros = embedded.new_zeros
        return self.predictor.advance(
            zeros(embedded.shape[0], *self.latent_shape), zeros(embedded.shape[0], self.action_dim)
        )

    def _corrected(
        self,
        states: Tensor,
        embedded: Tensor,
        generator: torch.Generator | None = None,
        *,
        drawn: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """Return the latents (row, dim) after a frame, and the logits of their variables."""
        sizes = self.predictor.num_variables, self.predictor.num_classes
        logits = self.posterior(torch.cat((states, embedded), dim=-1)).unflatten(-1, sizes)
        variables = self.predictor.variables
        chosen = variables.sample(logits, generator=generator) if drawn else variables(logits)
        return self.predictor.join(states, chosen), logits

    def _filtered(
        self, embedded: Tensor, actions: Tensor, generator: torch.Generator | None, *, drawn: bool
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return latents (batch, time, dim), and the logits of posterior and prior."""
        states, latents, logits = self._before(embedded[:, 0]), [], []
        for t, seen in enumerate(embedded.unbind(1)):
            if t:
                states = self.predictor.advance(latents[-1], actions[:, t - 1])
            latent, after = self._corrected(states, seen, generator, drawn=drawn)
            latents.append(latent)
            logits.append(after)
        joined = torch.stack(latents, dim=1)
        prior = self.predictor.prior_logits(joined[..., : self.predictor.state_dim])
        return joined, torch.stack(logits, dim=1), prior

    def _drawn_step(self, latents: Tensor, actions: Tensor, generator: torch.Generator | None) -> Tensor:
        """Return latents (row, dim) a step on, with variables drawn from the prior."""
        predictor = self.predictor
        states = predictor.advance(latents, actions)
        drawn = predictor.variables.sample(predictor.prior_logits(states), generator=generator)
        return predictor.join(states, drawn)
