"""Pictures and films of played episodes."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..._checks import check_number, require
from .._result import draw
from ._backdrop import Backdrop
from ._outcome import PolicyOutcome
from ._recording import Recording

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_REACHED = "#1b7837"
_MISSED = "#b2182b"
_LABEL_WIDTH = 90
_GAP = 4


def draw_paths(
    path: str | os.PathLike[str],
    policies: Mapping[str, PolicyOutcome],
    recordings: Mapping[str, Recording],
    goal: np.ndarray,
    *,
    backdrop: Backdrop | None,
    overwrite: bool,
) -> Path:
    """Draw the first two components of the states, or the only one by step, one panel a policy."""

    def paint(figure: "Figure") -> None:
        _paint(figure, policies, recordings, goal, backdrop)

    size = (3.6 * len(recordings), 4.1)
    return draw("GoalReachingResult.plot", path, paint, overwrite=overwrite, size=size, tight=True)


def _paint(
    figure: "Figure",
    policies: Mapping[str, PolicyOutcome],
    recordings: Mapping[str, Recording],
    goal: np.ndarray,
    backdrop: Backdrop | None,
) -> None:
    panels = figure.subplots(1, len(recordings), squeeze=False, sharex=True, sharey=True)[0]
    for panel, (name, recording) in zip(panels, recordings.items(), strict=True):
        if backdrop is not None:
            (left, right), (top, bottom) = backdrop.x, backdrop.y
            panel.imshow(backdrop.picture, extent=(left, right, bottom, top), alpha=0.35)
        _draw_panel(panel, recording.states, goal, policies[name].reached)
        panel.set_title(f"{name}: {policies[name].success_rate:.0%} reached")
    if backdrop is None:
        panels[0].invert_yaxis()  # like pictures, y points down


def _draw_panel(panel: "Axes", states: np.ndarray, goal: np.ndarray, reached: tuple[bool, ...]) -> None:
    for index, succeeded in enumerate(reached):
        colour = _REACHED if succeeded else _MISSED
        line, end = states[index, :, :2], goal[index, :2]
        if line.shape[1] == 1:
            line = np.column_stack([np.arange(len(line)), line])
            end = np.append(len(line) - 1, end)
        panel.plot(line[:, 0], line[:, 1], color=colour, linewidth=0.8, alpha=0.6)
        panel.plot(line[0, 0], line[0, 1], marker="o", color=colour, markersize=3)
        panel.plot(end[0], end[1], marker="x", color=colour, markersize=4)
    panel.set_aspect("equal" if states.shape[2] > 1 else "auto")
    panel.set_xlabel("start (dot) to goal (cross)\ngreen: reached, red: missed")


def draw_film(
    path: Path,
    recordings: Mapping[str, Recording],
    steps_to_reach: Mapping[str, tuple[int | None, ...]],
    *,
    scale: int,
    frames_per_second: float,
) -> None:
    """Write an animated GIF: one column a recorded pair, the goals in the top row, then one row a policy."""
    require("PIL", extra="viz", purpose="Writing a GIF")
    from PIL import Image, ImageDraw

    check_number("GoalReachingResult.write_gif", "scale", scale, low=1, high=16, integer=True)
    check_number(
        "GoalReachingResult.write_gif", "frames_per_second", frames_per_second, low=0, high=50, open_low=True
    )
    first = next(iter(recordings.values()))
    columns, moments, height, width = first.frames.shape[:4]
    height, width = height * scale, width * scale
    size = (_LABEL_WIDTH + columns * (width + _GAP), (1 + len(recordings)) * (height + _GAP))
    pictures = []
    for moment in range(moments):
        canvas = Image.new("RGB", size, "white")
        pen = ImageDraw.Draw(canvas)
        rows = [("goal", first.goal_frames)]
        rows += [(name, recording.frames[:, moment]) for name, recording in recordings.items()]
        for row, (label, tiles) in enumerate(rows):
            top = row * (height + _GAP)
            pen.text((4, top + height // 2 - 5), label, fill="black")
            for column in range(columns):
                left = _LABEL_WIDTH + column * (width + _GAP)
                tile = Image.fromarray(tiles[column]).resize((width, height), Image.Resampling.NEAREST)
                canvas.paste(tile, (left, top))
                reached = steps_to_reach[label][column] if row else None
                if reached is not None and moment >= reached:
                    box = (left, top, left + width - 1, top + height - 1)
                    pen.rectangle(box, outline=_REACHED, width=max(2, scale))
        pen.text((4, 4), f"step {moment}", fill="black")
        pictures.append(canvas.quantize(colors=64))
    durations = [round(1000 / frames_per_second)] * moments
    durations[-1] = max(durations[-1], 1000)
    pictures[0].save(
        path, format="GIF", save_all=True, append_images=pictures[1:], duration=durations, loop=0
    )
