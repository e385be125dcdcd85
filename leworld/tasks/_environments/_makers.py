"""Functions that make one environment each, from whatever names or holds environments of gymnasium's."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from ..._checks import describe, require
from ...errors import ConfigError

Maker: TypeAlias = Callable[[], Any]
_OWNER = "from_gymnasium"


def find_makers(source: object) -> tuple[Maker, ...]:
    """Return what makes the copies, in turn; none of them limits its episodes or starts them anew by itself.

    A vector environment is asked how its copies are made and never stepped: whatever its autoreset mode, a
    copy made here is not reset.
    """
    if isinstance(source, list | tuple) and source:
        return tuple(maker for one in source for maker in find_makers(one))
    made = getattr(source, "env_fns", None)
    if isinstance(made, Sequence) and made:
        return tuple(_unlimited(function) for function in made)
    spec = source if isinstance(source, str) else getattr(source, "spec", None)
    if spec is not None and not isinstance(source, type):
        return (_unlimited(lambda: _make(spec)),)
    if callable(source) and (isinstance(source, type) or not hasattr(source, "step")):
        return (_unlimited(source),)
    raise ConfigError(
        f"{_OWNER} needs an id of gymnasium's, a function that makes an environment, or an environment that "
        "says how it was made",
        f"it got {describe(source)}, without a `spec`"
        if hasattr(source, "step")
        else f"it got {describe(source)}",
        'Pass for example "Pendulum-v1", or `lambda: MyEnv(render_mode="rgb_array")`',
    )


def _make(spec: Any) -> Any:
    """Make one environment that renders, of an id or of the record of one."""
    gymnasium = require("gymnasium", extra="envs", purpose=_OWNER)
    if isinstance(spec, str):
        return gymnasium.make(spec, render_mode="rgb_array", disable_env_checker=True)
    vector = (
        "num_envs",
        "vectorization_mode",
        "vector_kwargs",
        "wrappers",
        "render_mode",
        "max_episode_steps",
    )
    kwargs = {name: value for name, value in spec.kwargs.items() if name not in vector}
    single = gymnasium.spec(spec.id) if "vectorization_mode" in spec.kwargs else spec
    return gymnasium.make(single, render_mode="rgb_array", disable_env_checker=True, **kwargs)


def _unlimited(maker: Maker) -> Maker:
    """Leave out gymnasium's wrappers that end episodes after some steps or start new ones."""

    def make() -> Any:
        wrappers = require("gymnasium.wrappers", extra="envs", purpose=_OWNER)
        core = require("gymnasium", extra="envs", purpose=_OWNER)
        ends = (wrappers.TimeLimit, wrappers.Autoreset)

        def without(env: Any) -> Any:
            if not isinstance(env, core.Wrapper):
                return env
            env.env = without(env.env)
            return env.env if isinstance(env, ends) else env

        return without(maker())

    return make
