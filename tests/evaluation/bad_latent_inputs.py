"""Mistakes that users make with probing, surprise and open-loop rollouts, and what they must be told."""

import dataclasses

import numpy as np
import torch

from leworld.data import Episodes, Observation
from leworld.envs import TwoRoomArena
from leworld.errors import ConfigError, DataError, NonFiniteError, ShapeError
from leworld.evaluation import (
    AlarmLevel,
    OpenLoopResult,
    ProbeRow,
    ProbingResult,
    Quantity,
    SurpriseMonitor,
    SurpriseResult,
    SurpriseRow,
    frame_latents,
    open_loop,
    perturb,
    prediction_errors,
    probing,
    surprise,
)
from leworld.probes import RidgeProbe
from tests.bad_input import BadInput
from tests.evaluation.fakes import Sighted, plain_processor

_NAN = float("nan")


def _walks(num: int = 12, rows: int = 31) -> Episodes:
    total = num * rows
    state = np.stack([40 + np.arange(total) % rows, 40 + np.arange(total) // rows], axis=1)
    return Episodes(
        TwoRoomArena().render(state.astype(np.float32), 8),
        np.zeros((total, 2), np.float32),
        lengths=np.full(num, rows),
        columns={"state": state.astype(np.float32), "nan": state * _NAN},
    )


def _model(factor: float = 1.0, processor: bool = True) -> Sighted:
    model = Sighted(plain_processor(8), distort=lambda place: place.nan_to_num() * factor)
    if not processor:
        model.processor = None
    return model


def _row(entry, case, error, mentions, call):
    return BadInput(f"leworld.evaluation.{entry}", case, call, error, mentions)


def _probing(case, error, mentions, *, models=None, episodes=None, **changes):
    def call():
        options = {"quantities": {"p": Quantity("state")}, "probes": {"linear": RidgeProbe}} | changes
        chosen = {"m": _model()} if models is None else models
        return probing(chosen, _walks() if episodes is None else episodes, **options)

    return _row("probing", case, error, mentions, call)


def _on_model(function, **fixed):
    def make(case, error, mentions, *, model=None, episodes=None, **options):
        def call():
            data = _walks() if episodes is None else episodes
            return function(_model() if model is None else model, data, **fixed, **options)

        return _row(function.__name__, case, error, mentions, call)

    return make


_surprise, _errors, _open, _frames = (
    _on_model(f) for f in (surprise, prediction_errors, open_loop, frame_latents)
)


def _shared(make):
    wide = dataclasses.replace(_walks(), actions=np.zeros((12 * 31, 3), np.float32))
    return [
        make("no model", ConfigError, ("WorldModel",), model="lewm-tworoom-tiny"),
        make("no processor", ConfigError, ("processor",), model=_model(processor=False)),
        make("no episodes", ConfigError, ("Episodes",), episodes="tworoom.h5"),
        make("a model that gives NaN", NonFiniteError, ("encode",), model=_model(_NAN)),
        make("actions of another world", DataError, ("2 action", "3"), episodes=wide),
    ]


def _perturb(case, error, mentions, kind="freeze", *, episodes=None, **options):
    def call():
        return perturb(_walks() if episodes is None else episodes, kind, **options)

    return _row("perturb", case, error, mentions, call)


def _monitor(case, error, mentions, *, model=None, scores=None, **options):
    def call():
        calibration = torch.rand(99) if scores is None else scores
        return SurpriseMonitor(_model() if model is None else model, calibration, **options)

    return _row("SurpriseMonitor", case, error, mentions, call)


def _observe(case, error, mentions, *readings):
    def call():
        monitor = SurpriseMonitor(_model(), torch.rand(99))
        for reading in readings:
            monitor.observe(*reading)

    return _row("SurpriseMonitor.observe", case, error, mentions, call)


_FRAME = np.zeros((8, 8, 3), np.uint8)
_EVENT = {"num_events": 2, "num_detected": (1,), "auroc": 0.5, "t": 1.0, "p_value": 0.5, "effect_size": 0.1}


def _result(**changes):
    level = AlarmLevel(0.05, threshold=1.0, frames={"all": (1, 20)}, events={})
    fields = {
        "rows": (),
        "levels": (level,),
        "num_calibration": 99,
        "spread": {},
        "undefined": {"freeze": "still pictures"},
        "seed": 0,
    }
    return SurpriseResult(**(fields | changes))


ROWS = [
    _row("Quantity", "unknown kind", ConfigError, ("kind",), lambda: Quantity("state", kind="degrees")),
    _row("Quantity", "no components", ConfigError, ("components",), lambda: Quantity("state", ())),
    _row("Quantity", "negative component", ConfigError, ("components",), lambda: Quantity("state", (-1,))),
    _row("Quantity", "no name", ConfigError, ("column",), lambda: Quantity(3)),
    _probing("no models", ConfigError, ("models",), models={}),
    _probing("a model without a name", ConfigError, ("models",), models=_model()),
    _probing("a word for a model", ConfigError, ("WorldModel",), models={"m": "lewm-pusht"}),
    _probing("no processor", ConfigError, ("processor",), models={"m": _model(processor=False)}),
    _probing("no quantities", ConfigError, ("quantities",), quantities={}),
    _probing("a column for a quantity", ConfigError, ("Quantity",), quantities={"p": "state"}),
    _probing("no probes", ConfigError, ("probes",), probes={}),
    _probing("no stride", ConfigError, ("stride",), stride=0),
    _probing("negative seed", ConfigError, ("seed",), seed=-1),
    _probing("unknown column", DataError, ("stat",), quantities={"p": Quantity("stat")}),
    _probing("missing component", DataError, ("components",), quantities={"p": Quantity("state", (5,))}),
    _probing("targets with NaN", NonFiniteError, ("nan", "row 0"), quantities={"p": Quantity("nan")}),
    _probing("one episode", ShapeError, ("3 episodes",), episodes=_walks(1)),
    _probing("no episodes", ConfigError, ("Episodes",), episodes="tworoom.h5"),
    _probing(
        "embeddings of another length",
        ShapeError,
        ("one embedding",),
        models={"m": lambda frames: torch.ones(3, 4)},
    ),
    _probing(
        "an encoder that gives integers",
        ShapeError,
        ("floating-point",),
        models={"m": lambda frames: torch.ones(len(frames), 4).long()},
    ),
    _row(
        "ProbeRow",
        "undefined with a number",
        ConfigError,
        ("r2=0.5",),
        lambda: ProbeRow("q", model="m", probe="p", r2=0.5, undefined="no"),
    ),
    _row("ProbeRow.from_json", "no fields", DataError, ("mse",), lambda: ProbeRow.from_json({})),
    _row("ProbingResult", "no rows", ConfigError, ("at least one",), lambda: ProbingResult((), seed=0)),
    _row(
        "ProbingResult.from_json", "another kind", DataError, ("kind",), lambda: ProbingResult.from_json({})
    ),
    *(row for make in (_surprise, _errors, _open) for row in _shared(make)),
    *_shared(_frames)[:4],
    _frames("no stride", ConfigError, ("stride",), stride=0),
    _surprise("no kinds", ConfigError, ("kinds",), kinds=()),
    _surprise("a word for kinds", ConfigError, ("kinds",), kinds="teleport"),
    _surprise("unknown kind", ConfigError, ("teleprot", "teleport"), kinds=("teleprot",)),
    _surprise("a rate of 0", ConfigError, ("false_alarm_rates",), false_alarm_rates=(0.0,)),
    _surprise("one number for rates", ConfigError, ("false_alarm_rates",), false_alarm_rates=0.05),
    _surprise("no rates", ConfigError, ("false_alarm_rates",), false_alarm_rates=()),
    _surprise("a rate that needs more frames", ConfigError, ("more",), false_alarm_rates=(1e-6,)),
    _surprise("no calibration", ConfigError, ("calibration",), calibration=0.0),
    _surprise("NaN calibration", NonFiniteError, ("calibration",), calibration=torch.full((99,), _NAN)),
    _surprise("no calibration scores", ConfigError, ("0 scores",), calibration=torch.ones(0)),
    _surprise("a taken name", ConfigError, ("Rename",), normal_events={"all": np.ones(12 * 31, bool)}),
    _surprise("one episode", ConfigError, ("more episodes",), episodes=_walks(1)),
    _surprise("negative seed", ConfigError, ("seed",), seed=-1),
    _surprise("a mask of another length", ShapeError, ("mask",), normal_events={"a": np.ones(3, bool)}),
    _perturb("unknown kind", ConfigError, ("freeze",), "freez"),
    _perturb("an unknown part", ConfigError, ("wrist",), part="wrist"),
    _perturb("a vector for a camera", ConfigError, ("pictures", "state"), part="state"),
    _perturb("no frameskip", ConfigError, ("frameskip",), frameskip=0),
    _perturb("negative seed", ConfigError, ("seed",), seed=-1),
    _perturb("an event at the start", ConfigError, ("event",), event=0),
    _perturb("an event that the model skips", ConfigError, ("event", "frameskip"), event=3, frameskip=2),
    _perturb("an event after the end", DataError, ("Pass longer",), event=999),
    _perturb("no episodes", ConfigError, ("Episodes",), episodes="tworoom.h5"),
    _perturb("a world that cannot draw", ConfigError, ("world",), "teleport", world="TwoRoom"),
    _perturb("episodes too short", DataError, ("4 frames",), frameskip=20),
    _perturb("one episode to splice", DataError, ("2 episodes",), "teleport", episodes=_walks(1)),
    _perturb("no states", DataError, ("stat",), "teleport", world=TwoRoomArena(), column="stat"),
    _monitor("no model", ConfigError, ("model",), model="lewm-tworoom-tiny"),
    _monitor("no processor", ConfigError, ("processor",), model=_model(processor=False)),
    _monitor("no calibration", ShapeError, ("calibration=0",), scores=torch.ones(0)),
    _monitor("NaN calibration", NonFiniteError, ("calibration",), scores=torch.full((99,), _NAN)),
    _monitor("integer calibration", ShapeError, ("floating-point",), scores=torch.ones(99).long()),
    _monitor("a rate of 1", ConfigError, ("false_alarm_rate",), false_alarm_rate=1.0),
    _monitor("too few for the rate", ConfigError, ("false_alarm_rate",), false_alarm_rate=0.001),
    _observe("a batch of frames", ShapeError, ("pixels",), (_FRAME[None],)),
    _observe("two moments", ShapeError, ("one moment",), (Observation(np.stack([_FRAME, _FRAME])),)),
    _observe("float pixels", ShapeError, ("uint8",), (_FRAME / 255,)),
    _observe("actions before the first frame", ConfigError, ("reset",), (_FRAME, np.zeros((5, 2)))),
    _observe("no actions", ConfigError, ("actions",), (_FRAME,), (_FRAME,)),
    _observe("fewer actions", ShapeError, ("(5, 2)",), (_FRAME,), (_FRAME, np.zeros((4, 2)))),
    _observe("NaN actions", NonFiniteError, ("actions",), (_FRAME,), (_FRAME, np.full((5, 2), _NAN))),
    _row(
        "SurpriseRow",
        "more detected than events",
        ShapeError,
        ("[3] of 2",),
        lambda: SurpriseRow("freeze", **(_EVENT | {"num_detected": (3,)})),
    ),
    _row("SurpriseResult", "no level", ShapeError, ("level",), lambda: _result(levels=())),
    _row(
        "AlarmLevel",
        "more alarms than frames",
        ShapeError,
        ("(3, 2)",),
        lambda: AlarmLevel(0.05, threshold=1.0, frames={"all": (3, 2)}, events={}),
    ),
    _row("SurpriseResult.row", "no such kind", DataError, ("freeze",), lambda: _result().row("freeze")),
    _row("SurpriseResult.plot", "nothing judged", DataError, ("kind",), lambda: _result().plot("x.png")),
    _row(
        "SurpriseResult.from_json", "another kind", DataError, ("kind",), lambda: SurpriseResult.from_json({})
    ),
    _row(
        "OpenLoopResult",
        "no baselines",
        ShapeError,
        ("copy",),
        lambda: OpenLoopResult({"model": (1.0,)}, physical={}, num_windows=2),
    ),
    _open("no horizon", ConfigError, ("horizon",), horizon=0),
    _open("one window", ConfigError, ("num_windows",), num_windows=1),
    _open("negative seed", ConfigError, ("seed",), seed=-1),
    _open("a horizon beyond the episodes", DataError, ("horizon",), horizon=50),
    _open("unknown column", DataError, ("stat",), column="stat"),
]
