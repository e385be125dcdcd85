"""The arena of TwoRoom: its geometry, its exact motion, and its pictures. Needs numpy only."""

from collections.abc import Sequence
from typing import ClassVar, final

import numpy as np
from jaxtyping import Bool, Float, UInt8

from ..._checks import check_float_array, check_number, describe, plain_numbers
from ...errors import ConfigError, ShapeError
from . import _geometry as geometry
from ._drawing import Painter
from ._geometry import DEFAULT_DOORS
from ._motion import move

Array = np.ndarray


@final
@plain_numbers
class TwoRoomArena:
    r"""A square arena cut in two by a wall with doors, in which disc-shaped agents move.

    Reach for it when you need the true dynamics (an oracle planner, a check of a learned model) or pictures
    of many positions at once; `TwoRoom` wraps it as a gymnasium environment. It holds no state: positions go
    in, positions come out.

    All lengths are arena units, x to the right and y downward. The arena is 224 units wide with a border of
    14. The wall stands at x = 112, 10 units thick. The agent is a disc of radius 7. An action is clipped to
    [-1, 1] and moves the agent 5 units per component and step.

    An agent collides with its bounding square, of side 14 (the disc itself therefore never touches a wall).
    Its centre is free in the closed set

    $$21 \le x, y \le 203 \quad\text{and}\quad (x \le 100 \ \text{or}\ x \ge 124 \ \text{or}\ y \in
    \textstyle\bigcup_k [c_k - h_k + 7,\ c_k + h_k - 7])$$

    with the centre $c_k$ and the half-width $h_k$ of door k. A step solves the motion exactly: the agent
    follows its straight segment, a face that it meets takes away the velocity component into the wall, the
    rest slides on, and the component returns as soon as the face ends (at a door, or at the far end of a
    passage). Nothing can tunnel, and no state is ever outside the free set.

    Args:
        doors: Pairs (centre, half-width) along y. Half-widths are above 7, the doors lie between the
            borders. Doors that overlap merge into one.

    Raises:
        ConfigError: A door is outside the arena or too narrow for the agent; a position is inside a wall.
        ShapeError: The last axis of positions or actions is not 2.
        NonFiniteError: A position or an action is NaN or infinite.

    Numerics: float32 and float64 are computed in their own precision. The bounds of the free set are float32
    numbers (those of a passage rounded inward), so a state stays free when it is stored as float32.

    Source: Sobal et al., "Learning from Reward-Free Offline Data", 2025, arXiv:2502.14819, in the form that
    LeWorldModel uses (Maes et al., 2026, arXiv:2603.19312). The geometry is theirs; the step of 5 units, the
    collisions and the drawing are our own.

    Example:
        ```python
        import numpy as np
        from leworld.envs import TwoRoomArena

        arena = TwoRoomArena()
        position = np.array([98.0, 49.0])
        for _ in range(6):
            position = arena.step(position, np.array([1.0, 0.0]))
        assert position.tolist() == [128.0, 49.0]  # through the door
        assert arena.render(position, 64).shape == (64, 64, 3)
        ```
    """

    size: ClassVar[float] = geometry.SIZE
    wall: ClassVar[float] = geometry.WALL
    wall_thickness: ClassVar[float] = geometry.WALL_THICKNESS
    radius: ClassVar[float] = geometry.RADIUS
    speed: ClassVar[float] = geometry.SPEED
    success_radius: ClassVar[float] = geometry.SUCCESS_RADIUS

    def __init__(self, doors: Sequence[tuple[float, float]] = DEFAULT_DOORS) -> None:
        table = check_float_array(
            "TwoRoomArena", "doors", doors, shape="... 2", fix="Pass pairs (centre, half-width)"
        )
        if table.ndim != 2 or not len(table):
            raise ShapeError(
                "TwoRoomArena needs `doors` as a list of at least one pair (centre, half-width)",
                f"`doors` is {describe(doors)}",
                "Pass for example `[(49, 14)]`",
            )
        for centre, half in table.astype(np.float64):
            self._check_door(float(centre), float(half))
        self.doors = tuple((float(centre), float(half)) for centre, half in table)
        self.openings = geometry.merge((centre - half, centre + half) for centre, half in self.doors)
        self.passages = tuple(geometry.passage(opening) for opening in self.openings)
        self._painters: dict[int, Painter] = {}

    def _check_door(self, centre: float, half: float) -> None:
        opening = (centre - half, centre + half)
        low, high = geometry.passage(opening)
        if low >= high:
            raise ConfigError(
                f"TwoRoomArena needs doors that are wider than the agent, a half-width above {self.radius:g}",
                f"the door at {centre:g} has half-width {half:g}",
                "Widen that door",
            )
        first, last = geometry.BORDER, geometry.SIZE - geometry.BORDER
        if opening[0] < first or opening[1] > last:
            raise ConfigError(
                f"TwoRoomArena needs doors between {first:g} and {last:g}",
                f"a door reaches from {opening[0]:g} to {opening[1]:g}",
                "Move or narrow that door",
            )

    def step(
        self, positions: Float[Array, "*#batch 2"], actions: Float[Array, "*#batch 2"]
    ) -> Float[Array, "*batch 2"]:
        """Return where agents at `positions` are after one step with `actions`. Leading axes broadcast.

        The result is float32 if both arguments are, else float64.

        Example:
            ```python
            import numpy as np
            from leworld.envs import TwoRoomArena

            candidates = np.array([[1.0, 0.0], [0.0, 9.0]])  # the wall stops the first, 9 is clipped to 1
            ends = TwoRoomArena().step(np.array([97.0, 100.0]), candidates)
            assert ends.tolist() == [[100.0, 100.0], [97.0, 105.0]]
            ```
        """
        start = self.check_free("TwoRoomArena.step", "positions", positions)
        checked = check_float_array("TwoRoomArena.step", "actions", actions, shape="... 2")
        try:
            np.broadcast_shapes(start.shape, checked.shape)
        except ValueError:
            raise ShapeError(
                "TwoRoomArena.step needs `positions` and `actions` whose leading axes broadcast",
                f"`positions` is {describe(start)} and `actions` is {describe(checked)}",
                "Give both the same leading axes, or axes of size 1",
            ) from None
        return move(self.passages, start, checked)

    def is_free(self, positions: Float[Array, "*batch 2"]) -> Bool[Array, "*batch"]:
        """Say of each position whether an agent may stand there."""
        array = check_float_array("TwoRoomArena.is_free", "positions", positions, shape="... 2")
        return geometry.is_free(array, self.passages)

    def reached(
        self, positions: Float[Array, "*#batch 2"], goals: Float[Array, "*#batch 2"]
    ) -> Bool[Array, "*batch"]:
        """Say of each position whether it is within 16 units of its goal."""
        owner = "TwoRoomArena.reached"
        here = check_float_array(owner, "positions", positions, shape="... 2").astype(np.float64)
        there = check_float_array(owner, "goals", goals, shape="... 2").astype(np.float64)
        return np.asarray(((here - there) ** 2).sum(axis=-1) <= self.success_radius**2)

    @plain_numbers
    def render(
        self,
        positions: Float[Array, "*batch 2"],
        image_size: int = 64,
        *,
        goals: Float[Array, "*batch 2"] | None = None,
    ) -> UInt8[Array, "*batch height width 3"]:
        """Return a square RGB picture for each position: white floor, black walls, the agent a red disc.

        Every pixel holds the exact mean of its area. The background is kept per image size.

        Args:
            positions: Centres of the agents.
            image_size: Pixels per side, at least 1.
            goals: When given, each picture shows its goal as a green disc under the agent.
        """
        owner = "TwoRoomArena.render"
        check_number(owner, "image_size", image_size, low=1, integer=True)
        agents = self.check_free(owner, "positions", positions)
        marks = None
        if goals is not None:
            marks = self.check_free(owner, "goals", goals)
            if marks.shape != agents.shape:
                raise ShapeError(
                    f"{owner} needs one goal for each position",
                    f"`goals` is {describe(marks)} and `positions` is {describe(agents)}",
                    "Repeat the goals, or draw without them",
                )
        return self.painter(image_size).paint(agents, marks)

    def check_free(self, owner: str, name: str, positions: object) -> Array:
        """Return `positions` as a float array, or raise an error that speaks for `owner`."""
        array = check_float_array(owner, name, positions, shape="... 2")
        free = geometry.is_free(array, self.passages)
        if not free.all():
            where = tuple(float(v) for v in array[~free][0])
            passages = " or ".join(f"{low:g}..{high:g}" for low, high in self.passages)
            raise ConfigError(
                f"{owner} needs `{name}` outside the walls",
                f"{int((~free).sum())} of {free.size} agents would touch one, the first at {where}",
                f"Keep x and y in {geometry.LOW:g}..{geometry.HIGH:g}, and x out of "
                f"{geometry.LEFT_FACE:g}..{geometry.RIGHT_FACE:g} unless y is in {passages}",
            )
        return array

    @plain_numbers
    def painter(self, image_size: int) -> Painter:
        """Return the (kept) painter of one image size; for callers that draw often and need no checks."""
        if image_size not in self._painters:
            self._painters[image_size] = Painter(self.openings, image_size)
        return self._painters[image_size]
