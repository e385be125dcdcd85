"""One embedding of several parts of an observation."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from .._checks import check_choice, check_number, describe, nearest, quoted
from .._config import configurable
from ..data import Observation
from ..errors import ConfigError, ShapeError
from ._attention_pooling import AttentionPooling

_FUSIONS = ("concatenate", "tile", "attention")


@final
@configurable
class FusedEncoder(nn.Module):
    """Encode several cameras and vectors, each with an encoder of its own, and fuse them.

    Reach for it where one picture does not tell the state: a robot with a second camera, or with joints that
    it feels. As the encoder of a `LeWM` it makes the model read these parts; the processor has to know them,
    see `leworld.data.fit_processor(..., parts=...)`.

    | fusion | result | for |
    |---|---|---|
    | "concatenate" | Linear([part, part, ...]) | vectors |
    | "tile" | for each token of a picture Linear([token, vector, vector, ...]) | tokens and vectors |
    | "attention" | a learned query attends to all tokens of all parts | both |

    A part is tokens if its encoder says `num_tokens`, else a vector, which "attention" sees as one token.
    Before they meet, "attention" maps each part to embedding_dim by a layer of its own and adds a learned
    embedding of the part. "tile" returns tokens, those of several cameras one after another, each camera
    with a learned embedding added; the others return a vector.

    Beware of parts that tell the state by themselves: a model that can read the joints has little reason to
    look at the picture. `input_dropout` gives it one: in training, a part is left out of a row with that
    probability, and a learned embedding stands in its place. Never all parts of a row are left out: of a row
    that would lose all, one is kept, each with the same chance. A model hands in each frame as a row, so that
    it must agree with itself whatever it has seen of a frame. Probe for what only the picture shows.

    Shapes:
        an `Observation` of parts (batch, ...) -> (batch, embedding_dim), or (batch, token, embedding_dim) for
        "tile".

    Args:
        encoders: By name of the part, what encodes it: pictures (batch, channel, height, width), vectors
            (batch, dim). Each says the size of what it returns, or of a token, as `embedding_dim`, and if it
            returns tokens (batch, token, dim) their number as `num_tokens`.
        embedding_dim: Size of the embedding, or of a token.
        fusion: "concatenate", "tile" or "attention".
        input_dropout: Probability by which a part is left out in training: one for all, or by name, then 0
            for those not named.
        num_heads: Number of heads of "attention"; has to divide embedding_dim.

    Attributes:
        observation_parts: The names, in the order of `encoders`.
        num_tokens: Of "tile" only, the number of tokens.

    Raises:
        ConfigError: If there is no encoder, one does not say its size, does not go with the fusion, a part is
            missing, its name cannot be a module's, or one part alone shall be left out.
        ShapeError: If an encoder returns something else than it says.

    Randomness: which parts are left out is drawn from torch's global generator, in training mode only.

    Source: tiling as in Zhou et al., DINO-WM, 2024 (arXiv 2411.04983); dropout of whole inputs as in
    ModDrop of Neverova et al., 2014 (arXiv 1501.00102), section 4.2, here with a learned embedding.

    Example:
        ```python
        import torch
        from leworld.data import Observation
        from leworld.encoders import ConvEncoder, FusedEncoder, VectorEncoder

        camera, joints = ConvEncoder(16, 8, channels=(4, 8)), VectorEncoder(7, 8)
        encoder = FusedEncoder({"pixels": camera, "proprio": joints}, 12, input_dropout={"proprio": 0.5})
        seen = Observation(torch.randn(2, 3, 16, 16), {"proprio": torch.randn(2, 7)})
        assert encoder(seen).shape == (2, 12)
        blind = encoder.eval()(seen, blank=["pixels"])
        assert not torch.allclose(blind, encoder(seen))
        ```
    """

    def __init__(
        self,
        encoders: Mapping[str, nn.Module],
        embedding_dim: int = 32,
        *,
        fusion: Literal["concatenate", "tile", "attention"] = "concatenate",
        input_dropout: float | Mapping[str, float] = 0.0,
        num_heads: int = 1,
    ) -> None:
        super().__init__()
        check_number("FusedEncoder", "embedding_dim", embedding_dim, low=1, integer=True)
        check_choice("FusedEncoder", "fusion", fusion, _FUSIONS)
        check_number("FusedEncoder", "num_heads", num_heads, low=1, integer=True)
        if not isinstance(encoders, Mapping) or not encoders:
            raise ConfigError(
                "FusedEncoder needs `encoders` to hold one encoder for every part, by name",
                f"it is {describe(encoders)}",
                'Pass for example {"pixels": ConvEncoder(), "proprio": VectorEncoder(7)}',
            )
        self._dims = {name: _size(name, encoder) for name, encoder in encoders.items()}
        self._counts = {name: _tokens(name, encoder) for name, encoder in encoders.items()}
        self.encoders = _named(encoders)
        self.embedding_dim = embedding_dim
        self.fusion = fusion
        pictures = [name for name, tokens in self._counts.items() if tokens is not None]
        _check_fusion(fusion, pictures, self._dims)
        if fusion == "concatenate":
            self.output = nn.Linear(sum(self._dims.values()), embedding_dim)
        elif fusion == "tile":
            vectors = sum(size for name, size in self._dims.items() if name not in pictures)
            self.output = nn.Linear(self._dims[pictures[0]] + vectors, embedding_dim)
            self.num_tokens = sum(tokens for tokens in self._counts.values() if tokens is not None)
            if len(pictures) > 1:
                self.part_embeddings = nn.Parameter(torch.randn(len(pictures), embedding_dim))
        else:
            self.projections = nn.ModuleDict(
                {name: nn.Linear(size, embedding_dim) for name, size in self._dims.items()}
            )
            self.part_embeddings = nn.Parameter(torch.randn(len(encoders), embedding_dim))
            self.pooling = AttentionPooling("FusedEncoder", embedding_dim, num_heads)
        self.input_dropout = _probabilities(input_dropout, tuple(encoders))
        self.absent = nn.ParameterList(
            nn.Parameter(torch.zeros(self._dims[name])) for name, p in self.input_dropout.items() if p > 0
        )

    @property
    def observation_parts(self) -> tuple[str, ...]:
        """Names of the parts that are read."""
        return tuple(self.encoders)

    def forward(
        self, observation: Observation | Tensor, *, blank: Sequence[str] = ()
    ) -> Float[Tensor, "batch *token dim"]:
        """Encode the parts; of a single one its tensor will do.

        Args:
            observation: The parts.
            blank: Parts to leave out of all rows, which need not be there: the embedding that stands for them
                is the one that input_dropout learned, or zeros.
        """
        encoded = self._encoded(observation, self._blanked(blank))
        one = next(part for part in encoded.values() if part is not None)
        dropped, rows = self._dropped(one.shape[0], one.device), one.shape[0]
        parts: dict[str, Tensor] = {}
        for i, (name, part) in enumerate(encoded.items()):
            tokens = self._counts[name]
            if part is None:
                kept = (rows,) if tokens is None else (rows, tokens)
                parts[name] = self._stand_in(name, one).expand(*kept, -1)
            elif dropped is not None and self.input_dropout[name] > 0:
                column = dropped[:, i, None] if tokens is None else dropped[:, i, None, None]
                parts[name] = torch.where(column, self._stand_in(name, part), part)
            else:
                parts[name] = part
        fuse = {"concatenate": self._concatenate, "tile": self._tile, "attention": self._attend}
        return fuse[self.fusion](parts)

    def _concatenate(self, parts: dict[str, Tensor]) -> Tensor:
        return self.output(torch.cat(list(parts.values()), dim=-1))

    def _tile(self, parts: dict[str, Tensor]) -> Tensor:
        pictures = [part for name, part in parts.items() if self._counts[name] is not None]
        tokens = torch.cat(pictures, dim=1)
        vectors = [
            part.unsqueeze(1).expand(-1, tokens.shape[1], -1)
            for name, part in parts.items()
            if self._counts[name] is None
        ]
        fused = self.output(torch.cat([tokens, *vectors], dim=-1))
        if len(pictures) == 1:
            return fused
        rows = fused.split([picture.shape[1] for picture in pictures], dim=1)
        return torch.cat([row + whose for row, whose in zip(rows, self.part_embeddings, strict=True)], dim=1)

    def _attend(self, parts: dict[str, Tensor]) -> Tensor:
        tokens = []
        for (name, part), whose in zip(parts.items(), self.part_embeddings, strict=True):
            token = self.projections[name](part) + whose
            tokens.append(token.unsqueeze(1) if self._counts[name] is None else token)
        return self.pooling(torch.cat(tokens, dim=1))

    def _encoded(self, observation: Observation | Tensor, blank: Sequence[str]) -> dict[str, Tensor | None]:
        """Return what each encoder says of its part, None for those that are left out of all rows."""
        names = self.observation_parts
        if isinstance(observation, Observation):
            read: Mapping[str, Any] = observation.parts
        elif isinstance(observation, Tensor) and len(names) == 1:
            read = {names[0]: observation}
        else:
            raise ConfigError(
                f"FusedEncoder needs an Observation with {quoted(names)}",
                f"it was given {describe(observation)}",
                "Pass what the model's `processor.observations` returns",
            )
        missing = [name for name in names if name not in read and name not in blank]
        if missing:
            raise ConfigError(
                f"FusedEncoder needs the parts {quoted(names)}",
                f"`{missing[0]}` is missing",
                "Give the model a `processor` that knows it and data that have it, or name it in `blank`",
            )
        encoded: dict[str, Tensor | None] = {}
        for name, encoder in self.encoders.items():
            part = None if name in blank else encoder(read[name])
            if part is not None:
                self._check(name, part)
            encoded[name] = part
        return encoded

    def _check(self, name: str, part: Tensor) -> None:
        tokens, size = self._counts[name], self._dims[name]
        due = (size,) if tokens is None else (tokens, size)
        if tuple(part.shape[1:]) != due:
            raise ShapeError(
                f"FusedEncoder needs the encoder of `{name}` to return (batch, {str(due)[1:-1].rstrip(',')})",
                f"it returned {describe(part)}",
                "Make its `embedding_dim` and, for tokens, its `num_tokens` say what it returns",
            )

    def _blanked(self, blank: Sequence[str]) -> Sequence[str]:
        names = self.observation_parts
        for name in (blank,) if isinstance(blank, str) else blank:
            check_choice("FusedEncoder", "blank", name, names)
        if isinstance(blank, str) or set(blank) == set(names):
            raise ConfigError(
                "FusedEncoder needs `blank` to list parts, and to leave one",
                f"it is {describe(blank)}, of {quoted(names)}",
                f'Pass for example blank=["{names[0]}"]',
            )
        return blank

    def _dropped(self, rows: int, device: torch.device) -> Tensor | None:
        """Draw which parts are left out of which rows, (row, part); None where none are."""
        if not self.training or not len(self.absent):
            return None
        chances = torch.tensor(tuple(self.input_dropout.values()), dtype=torch.float32, device=device)
        draws = torch.rand(rows, len(chances), dtype=torch.float32, device=device)
        dropped = draws < chances
        # Given that all are left out, a draw is uniform below its chance: the largest share is anybody's.
        shares = draws / chances
        saved = dropped.all(1, keepdim=True) & (shares == shares.amax(1, keepdim=True))
        return dropped & ~saved

    def _stand_in(self, name: str, like: Tensor) -> Tensor:
        learned = [part for part, chance in self.input_dropout.items() if chance > 0]
        if name in learned:
            return self.absent[learned.index(name)]
        return torch.zeros(self._dims[name], dtype=like.dtype, device=like.device)


def _named(encoders: Mapping[str, nn.Module]) -> nn.ModuleDict:
    try:
        return nn.ModuleDict(encoders)
    except (KeyError, TypeError) as error:  # a point, or a name that ModuleDict has itself
        raise ConfigError(
            "FusedEncoder needs names of parts that a module can have",
            f"they are {', '.join(repr(name) for name in encoders)} ({error.args[0]})",
            "Call the part by another word, in the data and the processor too",
        ) from error


def _size(name: str, encoder: object) -> int:
    size = getattr(encoder, "embedding_dim", None)
    if not isinstance(encoder, nn.Module) or not isinstance(size, int):
        raise ConfigError(
            f"FusedEncoder needs the encoder of `{name}` to be a module that says its `embedding_dim`",
            f"it is a {type(encoder).__name__} with the size {size!r}",
            "Set `self.embedding_dim` in its constructor",
        )
    return size


def _tokens(name: str, encoder: object) -> int | None:
    tokens = getattr(encoder, "num_tokens", None)
    if tokens is not None:
        check_number("FusedEncoder", f"num_tokens of the encoder of `{name}`", tokens, low=1, integer=True)
    return tokens


def _check_fusion(fusion: str, pictures: Sequence[str], sizes: Mapping[str, int]) -> None:
    if fusion == "concatenate" and pictures:
        raise ConfigError(
            'FusedEncoder needs vectors for `fusion="concatenate"`',
            f"the encoder of `{pictures[0]}` returns tokens",
            'Put it into a PooledTokens, or take the fusion "attention" or "tile"',
        )
    if fusion == "tile" and len({sizes[name] for name in pictures}) != 1:
        raise ConfigError(
            'FusedEncoder needs encoders that return tokens, all of one size, for `fusion="tile"`',
            f"tokens come from {[(name, sizes[name]) for name in pictures]}",
            'Take "concatenate" for vectors alone, and "attention" for tokens of several sizes',
        )


def _probabilities(input_dropout: float | Mapping[str, float], names: Sequence[str]) -> dict[str, float]:
    if isinstance(input_dropout, Mapping):
        for name in input_dropout:
            if name not in names:
                raise ConfigError(
                    "FusedEncoder needs `input_dropout` to name parts that have an encoder",
                    f"it names {describe(name)}",
                    nearest(str(name), names),
                )
        chances: dict[str, float] = {name: input_dropout.get(name, 0.0) for name in names}
    else:
        chances = dict.fromkeys(names, input_dropout)
    for name, chance in chances.items():
        where = f"input_dropout of `{name}`" if isinstance(input_dropout, Mapping) else "input_dropout"
        check_number("FusedEncoder", where, chance, low=0.0, high=1.0)
    if len(names) == 1 and any(chances.values()):
        raise ConfigError(
            "FusedEncoder needs two parts at least if `input_dropout` shall leave one out",
            f"it has {quoted(names)} alone",
            "Leave out `input_dropout`",
        )
    return chances
