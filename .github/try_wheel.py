"""What a wheel must do in an environment that holds nothing but it and what it requires.

    python .github/try_wheel.py [native]

Loads a shipped model without a network, computes SIGReg with its gradient, and plans. With `native` the
compiled kernel has to be there.
"""

import socket
import sys

import torch


def _refused(*_: object, **__: object) -> None:
    raise AssertionError("a shipped model asked the network")


socket.socket.connect = socket.getaddrinfo = _refused  # type: ignore[assignment,method-assign]

import leworld  # noqa: E402
from leworld import CEMPlanner, SIGReg  # noqa: E402

model = leworld.load("lewm-tworoom-tiny")
latents = torch.randn(64, 16, requires_grad=True)
SIGReg(num_slices=32)(latents).backward()
assert latents.grad is not None
assert bool(latents.grad.isfinite().all())

plan = CEMPlanner(horizon=3).plan(lambda actions: actions.square().sum((2, 3)), batch=2, action_dim=2)
assert float(plan.cost.max()) < 0.1

if "native" in sys.argv[1:]:
    SIGReg(num_slices=32, implementation="native")(latents).backward()  # raises where C was not compiled

print(f"leworld {leworld.__version__} with torch {torch.__version__} loads a model, judges and plans")
