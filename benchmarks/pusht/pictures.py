"""Draw Push-T as the published environments do, with pygame and OpenCV, and compare leworld's pictures.

    python -m benchmarks.pusht.pictures

Needs `pip install pygame opencv-python-headless`. Half of the states have the whole block inside the picture;
the others are starts as the environments draw them, with some blocks partly outside. Writes
`benchmarks/results/pusht_pictures.json` and `tests/envs/pusht_published.json`: the states with the block
inside, and the checksum of each published picture.
"""

import json
import math
import zlib
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import write_result
from leworld.envs import PushTDrawing

CHECKSUMS = Path(__file__).resolve().parents[2] / "tests" / "envs" / "pusht_published.json"
SIZES = (512, 224, 96, 64)
COUNT = 60
KEPT = 24
GOAL = (256.0, 256.0, math.pi / 4)
BAR = ((-60, 0), (60, 0), (60, 30), (-60, 30))
STEM = ((-15, 30), (15, 30), (15, 120), (-15, 120))
WALLS = (((5, 506), (5, 5)), ((5, 5), (506, 5)), ((506, 5), (506, 506)), ((5, 506), (506, 506)))
Point = tuple[int, int]


def placed(points: Sequence[Point], x: float, y: float, angle: float) -> list[Point]:
    """Return points of the block's frame in the world, rounded."""
    cos, sin = math.cos(angle), math.sin(angle)
    return [(round(x + cos * a - sin * b), round(y + sin * a + cos * b)) for a, b in points]


def thick_line(canvas: Any, colour: tuple[int, int, int], start: Point, end: Point) -> None:
    """Draw what the published code calls a fat segment, of radius 2."""
    import pygame

    pygame.draw.lines(canvas, colour, False, [start, end], 4)
    run, rise = abs(end[0] - start[0]), abs(end[1] - start[1])
    scale = 2 / math.hypot(run, rise)
    dx, dy = round(rise * scale), round(run * scale)
    box = [(start[0] - dx, start[1] - dy), (start[0] + dx, start[1] + dy)]
    box += [(end[0] + dx, end[1] + dy), (end[0] - dx, end[1] - dy)]
    pygame.draw.polygon(canvas, colour, box)
    for centre in (start, end):
        pygame.draw.circle(canvas, colour, centre, 2)


def published(state: np.ndarray) -> np.ndarray:
    """Return the published picture at 512 x 512: goal, block, agent, walls, in this order."""
    import pygame

    canvas = pygame.Surface((512, 512))
    canvas.fill((255, 255, 255))
    for shape in (BAR, STEM):
        corners = placed(shape, *GOAL)
        pygame.draw.polygon(canvas, pygame.Color("LightGreen"), [*corners, corners[0]])
    for shape in (BAR, STEM):
        corners = placed(shape, *state[2:5])
        pygame.draw.polygon(canvas, (143, 163, 184), [*corners, corners[0]])
        for start, end in zip(corners, [*corners[1:], corners[0]], strict=True):
            thick_line(canvas, (119, 136, 153), start, end)
    place = (round(float(state[0])), round(float(state[1])))
    pygame.draw.circle(canvas, (65, 105, 225), place, 15)
    pygame.draw.circle(canvas, (78, 126, 255), place, 11)
    for start, end in WALLS:
        thick_line(canvas, (211, 211, 211), start, end)
    return np.ascontiguousarray(pygame.surfarray.array3d(canvas).transpose(1, 0, 2))


def compared(ours: np.ndarray, theirs: np.ndarray) -> dict[str, float]:
    """Return how far pictures are from each other."""
    error = np.abs(ours.astype(np.int16) - theirs)
    return {
        "equal_pictures": float((error.reshape(len(error), -1).max(axis=1) == 0).mean()),
        "differing_pixels": float((error.max(axis=-1) > 0).mean()),
        "mean_absolute_error": float(error.mean()),
        "largest_error": float(error.max()),
    }


def area_means(pictures: np.ndarray, size: int) -> np.ndarray:
    """Return means over equal squares, for sizes that divide 512."""
    side = 512 // size
    return pictures.reshape(len(pictures), size, side, size, side, 3).mean(axis=(2, 4))


def main() -> None:
    """Compare, print and write the JSON files."""
    import cv2

    rng = np.random.default_rng(0)
    states = np.zeros((2 * COUNT, 7))
    states[:, :2] = rng.uniform(0, 512, (2 * COUNT, 2))
    states[:COUNT, 2:4] = rng.uniform(140, 370, (COUNT, 2))
    states[COUNT:, 2:4] = rng.uniform(100, 400, (COUNT, 2))
    states[:, 4] = rng.uniform(0, 2 * math.pi, 2 * COUNT)
    states[:16, 2:4] = states[:16, 2:4].round()
    states[:16, 4] = np.arange(16) * math.pi / 8
    states = states.round(3)
    full = np.stack([published(state) for state in states])
    rows, checksums = [], {}
    for size in SIZES:
        theirs = full if size == 512 else np.stack([cv2.resize(one, (size, size)) for one in full])
        ours = PushTDrawing(size, style="published").render(states)
        checksums[str(size)] = [zlib.crc32(one.tobytes()) for one in theirs[:KEPT]]
        for what, part in (("block inside", slice(0, COUNT)), ("any start", slice(COUNT, None))):
            row = {"style": "published", "image_size": size, "states": what}
            rows.append(row | compared(ours[part], theirs[part]))
    for size in (128, 64, 32):
        error = np.abs(PushTDrawing(size, style="smooth").render(states) - area_means(full, size))
        row = {"style": "smooth", "image_size": size, "states": "all, beside means of the 512 x 512 picture"}
        rows.append(row | {"mean_absolute_error": float(error.mean())})
    for row in rows:
        print(row)
    CHECKSUMS.write_text(
        json.dumps({"states": states[:KEPT].tolist(), "crc32": checksums}) + "\n", encoding="utf-8"
    )
    settings = {name: version(name) for name in ("pygame", "opencv-python-headless", "numpy")}
    write_result(
        "pusht_pictures",
        command="python -m benchmarks.pusht.pictures",
        settings=settings | {"states": 2 * COUNT},
        rows=rows,
    )


if __name__ == "__main__":
    main()
