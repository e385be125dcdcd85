"""What every perturbation must satisfy, and mistakes that the check must notice."""

import dataclasses

import numpy as np

from leworld.data import Episodes
from leworld.envs import TwoRoomArena
from leworld.evaluation import Perturbed, perturb

KINDS = ("teleport", "colour", "freeze", "reversal", "vanish")


def check_perturb(make, data: Episodes, arena: TwoRoomArena, rooms: Episodes) -> None:
    """`make` is called like `perturb`; the brightness of `data` never stands still, `rooms` is TwoRoom."""
    for kind in KINDS:
        made, again, other = (make(data, kind, frameskip=2, seed=seed) for seed in (3, 3, 4))
        assert np.array_equal(made.episodes.pixels, again.episodes.pixels)
        assert not np.array_equal(made.event, other.event)
        assert (made.event % 2 == 0).all()
        assert len(made.event) == len(made.source) == len(made.episodes) == len(data)
        for index, event in enumerate(made.event):
            _check_episode(kind, data.select([int(made.source[index])]), made.episodes.select([index]), event)
        made = make(data, kind, frameskip=2, event=4, seed=3)
        assert (made.event == 4).all()
        assert np.array_equal(made.source, np.flatnonzero((data.lengths - 1) // 2 >= 3))
        for index, number in enumerate(made.source):
            old, new = data.select([int(number)]), made.episodes.select([index])
            assert np.array_equal(old.pixels[:4], new.pixels[:4])
            assert not np.array_equal(old.pixels[4], new.pixels[4])
    _check_teleport(make(rooms, "teleport", frameskip=5, world=arena, seed=1), rooms, arena)


def _check_episode(kind: str, old: Episodes, new: Episodes, event: int) -> None:
    third = (len(old.pixels) - 1) // 2 // 3 * 2
    assert third <= event < len(old.pixels)
    assert np.array_equal(old.pixels[:event], new.pixels[:event])
    assert np.array_equal(old.actions[: event - 1], new.actions[: event - 1])
    assert not np.array_equal(old.pixels[event], new.pixels[event])
    if kind != "teleport":  # the body goes on doing what it did
        assert np.array_equal(old.actions, new.actions, equal_nan=True)
    if kind == "colour":
        assert np.array_equal(new.pixels[event:], old.pixels[event:, ..., ::-1])
    if kind == "freeze":
        assert (new.pixels[event:] == old.pixels[event - 2]).all()
    if kind == "reversal":
        shown = np.maximum(2 * (event - 2) - np.arange(event, len(old.pixels)), 0)
        assert np.array_equal(new.pixels[event:], old.pixels[shown])
    if kind == "vanish":
        assert (new.pixels[event:] == new.pixels[event]).all()
        assert not (new.pixels[event] == old.pixels[event - 1]).all()


def _check_teleport(made: Perturbed, rooms: Episodes, arena: TwoRoomArena) -> None:
    places = rooms.columns["state"]
    pairs = np.random.default_rng(0).integers(len(places), size=(2, 2000))
    usual = np.median(np.linalg.norm(places[pairs[0]] - places[pairs[1]], axis=1))
    for index, event in enumerate(made.event):
        old, new = rooms.select([int(made.source[index])]), made.episodes.select([index])
        state = new.columns["state"]
        assert np.array_equal(old.pixels[:event], new.pixels[:event])
        assert np.array_equal(old.actions, new.actions, equal_nan=True)
        assert np.array_equal(arena.render(state, 16), new.pixels)
        moved = arena.step(state[:-1], new.actions[:-1])
        wrong = np.flatnonzero(np.abs(moved - state[1:]).max(1) > 1e-3)
        assert wrong.tolist() == [event - 1]  # one jump, and the world's own motion ever after
        assert np.linalg.norm(state[event] - state[event - 1]) > 0.8 * usual


def _late(made: Perturbed) -> np.ndarray:
    """Which rows show the event."""
    episodes = made.episodes
    row = np.arange(len(episodes.pixels))
    return row >= np.repeat(episodes.offsets + made.event, episodes.lengths)


def _changed(change):
    def make(episodes, kind, **options):
        made = perturb(episodes, kind, **options)
        pixels, actions = made.episodes.pixels.copy(), made.episodes.actions.copy()
        columns = {name: values.copy() for name, values in made.episodes.columns.items()}
        options = {"kind": kind, "episodes": episodes, "late": _late(made), **options}
        event = change(made, pixels, actions, columns, options)
        changed = dataclasses.replace(made.episodes, pixels=pixels, actions=actions, columns=columns)
        return dataclasses.replace(made, episodes=changed, event=made.event if event is None else event)

    return make


def _from_the_start(made, pixels, actions, columns, options):
    if options["kind"] == "colour":
        pixels[:] = options["episodes"].pixels[..., ::-1]


def _one_frame_only(made, pixels, actions, columns, options):
    source = options["episodes"].pixels
    if options["kind"] == "colour":
        for first, length, event in zip(
            made.episodes.offsets, made.episodes.lengths, made.event, strict=True
        ):
            pixels[first + event + 1 : first + length] = source[first + event + 1 : first + length]


def _frozen_at_the_event(made, pixels, actions, columns, options):
    if options["kind"] == "freeze":
        for first, length, event in zip(
            made.episodes.offsets, made.episodes.lengths, made.event, strict=True
        ):
            pixels[first + event : first + length] = options["episodes"].pixels[first + event - 1]


def _actions_stop(made, pixels, actions, columns, options):
    if options["kind"] in ("freeze", "reversal"):
        actions[options["late"]] = 0.0


def _reversed_from_the_event(made, pixels, actions, columns, options):
    if options["kind"] == "reversal":
        for first, length, event in zip(
            made.episodes.offsets, made.episodes.lengths, made.event, strict=True
        ):
            shown = first + np.maximum(2 * event - np.arange(event, length), 0)
            pixels[first + event : first + length] = options["episodes"].pixels[shown]


def _black(made, pixels, actions, columns, options):
    if options["kind"] == "vanish":
        pixels[options["late"]] = options["episodes"].pixels[options["late"]] // 2


def _back_again(made, pixels, actions, columns, options):
    if options.get("world") is not None:
        late = options["late"].copy()
        late[made.episodes.offsets + made.event] = False
        pixels[late] = options["episodes"].pixels[late]
        columns["state"][late] = options["episodes"].columns["state"][late]


def _old_states(made, pixels, actions, columns, options):
    if options.get("world") is not None:
        columns["state"][:] = options["episodes"].columns["state"]


def _near(made, pixels, actions, columns, options):
    if options.get("world") is not None:
        world, before = options["world"], options["episodes"].columns["state"]
        for first, length, event in zip(
            made.episodes.offsets, made.episodes.lengths, made.event, strict=True
        ):
            state = columns["state"]
            x = before[first + event - 1, 0]
            state[first + event] = (x + 8 if x < 80 or 130 < x < 190 else x - 8, 60)
            for row in range(first + event + 1, first + length):
                state[row] = world.step(state[row - 1], actions[row - 1])
            pixels[first + event : first + length] = world.render(state[first + event : first + length], 16)


def _deaf(episodes, kind, *, event=None, **options):
    return perturb(episodes, kind, **options)


PERTURBATIONS = {
    "the named moment is ignored": _deaf,
    "seed ignored": lambda e, k, *, seed=0, **o: perturb(e, k, **o),
    "frameskip ignored": lambda e, k, *, frameskip=1, **o: perturb(e, k, **o),
    "event told one frame late": _changed(
        lambda made, p, a, c, options: np.minimum(
            made.event + options["frameskip"], made.episodes.lengths - 1
        )
    ),
    "event told one frame early": _changed(
        lambda made, p, a, c, options: np.maximum(made.event - options["frameskip"], 0)
    ),
    "colour from the start": _changed(_from_the_start),
    "colour for one row": _changed(_one_frame_only),
    "frozen on the row before, between the frames": _changed(_frozen_at_the_event),
    "actions stop with the picture": _changed(_actions_stop),
    "reversed at the event, not before it": _changed(_reversed_from_the_event),
    "dimmed for vanished": _changed(_black),
    "teleported and back": _changed(_back_again),
    "pictures without states": _changed(_old_states),
    "teleported next door": _changed(_near),
    "nothing happens": lambda e, k, **o: dataclasses.replace(perturb(e, k, **o), episodes=e),
}
