"""The models that `compare` knows, by name."""

from ..._checks import describe, nearest
from ..._imports import import_named
from ...errors import ConfigError
from ...models import WorldModel
from ._contender import BuildRequest, Contender
from ._dinowm import DINOWM_CONTENDER
from ._pldm import PLDM_CONTENDER
from ._rewarded import DREAMER_CONTENDER, REWARD_HEAD_CONTENDER, TDMPC2_CONTENDER


def _lewm(request: BuildRequest) -> WorldModel:
    return request.recipe.build(request.processor)


_KNOWN = {
    "lewm": Contender(build=_lewm, loss_weights=("regularizer_weight",)),
    "pldm": PLDM_CONTENDER,
    "dinowm": DINOWM_CONTENDER,
    "tdmpc2": TDMPC2_CONTENDER,
    "dreamer": DREAMER_CONTENDER,
    "lewm_reward": REWARD_HEAD_CONTENDER,
}


def list_contenders() -> tuple[str, ...]:
    """Return the names of the models that `compare` knows, those of its default first.

    Example:
        ```python
        from leworld.tasks import list_contenders

        assert list_contenders()[0] == "lewm"
        ```
    """
    return tuple(_KNOWN)


def get_contender(name: str) -> Contender:
    """Return a known contender by its name, or one of the user's own by its place.

    A place is `path/to/file.py:NAME` or `package.module:NAME`; its code is run, so name only what you trust.

    Args:
        name: One of `list_contenders()`, or a place.

    Raises:
        ConfigError: There is no such contender, or something else at that place.

    Example:
        ```python
        from leworld.tasks import get_contender

        assert get_contender("lewm").loss_weights == ("regularizer_weight",)
        ```
    """
    if name in _KNOWN:
        return _KNOWN[name]
    if ":" not in str(name):
        raise ConfigError(
            "get_contender needs the name of a known model, or FILE.py:NAME of one of your own",
            f"`{name}` is neither",
            nearest(str(name), _KNOWN),
        )
    source, found = import_named(name, owner="get_contender")
    if not isinstance(found, Contender):
        raise ConfigError(
            f"get_contender needs {source} to hold a Contender under the name `{name.rpartition(':')[2]}`",
            "there is no such name" if found is None else f"it is {describe(found)}",
            "Name an instance of `leworld.tasks.Contender`",
        )
    return found
