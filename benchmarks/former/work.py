"""What one checkout does for `python -m benchmarks.compare_former`, which puts that checkout on the path.

Reads commands from standard input, one JSON string a line: "values", or the name of something to time.
Answers with a line of JSON each. Uses public names only, and knows nothing of the other checkout.
"""

import hashlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

import leworld
from leworld.costs import GoalCost
from leworld.kernels import explain
from leworld.planners import CEMPlanner
from leworld.regularizers import ExactSIGReg, SIGReg

MODEL = "lewm-tworoom-tiny"
PLANS = {
    f"CEM, {samples} x {iterations}, batch {batch}": (samples, iterations, batch)
    for samples in (300,)
    for iterations in (10, 30)
    for batch in (1, 16)
}


def draw(*shape: int, seed: int = 0) -> Tensor:
    """Draw normal numbers."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def digest(tensor: Tensor) -> str:
    """Return a digest of a tensor's bits."""
    return hashlib.sha256(tensor.detach().contiguous().numpy().tobytes()).hexdigest()[:16]


def regularizers() -> dict[str, Callable[[Tensor], Tensor]]:
    """Return what is compared at the size of LeWorldModel, drawn from an equal generator in every call."""
    found: dict[str, Callable[[Tensor], Tensor]] = {"ExactSIGReg, table": ExactSIGReg(implementation="table")}
    kernels = ["cpu"]
    if "native: chosen" in explain("ecf_sums", draw(1, 1)):
        kernels.append("native")
        found["ExactSIGReg, native"] = ExactSIGReg(implementation="native")
    for name in kernels:
        module = SIGReg(1024, implementation=name)
        found[f"SIGReg, {name}"] = lambda z, module=module: module(
            z, generator=torch.Generator().manual_seed(7)
        )
    return found


class Work:
    """Everything that can be asked for."""

    def __init__(self) -> None:
        self.model = leworld.load(MODEL).eval()
        self.embeddings = draw(4, 128, 192).requires_grad_()
        self.regularizers = regularizers()

    def cost(self, batch: int) -> GoalCost:
        """Return the cost of a planning problem a row."""
        dim = self.model.embedding_dim
        return GoalCost(self.model, draw(batch, dim, seed=1), context=draw(batch, 1, dim, seed=2))

    def step(self, name: str) -> tuple[Tensor, Tensor]:
        """Return value and gradient of a regularizer."""
        value = self.regularizers[name](self.embeddings)
        return value, torch.autograd.grad(value, self.embeddings)[0]

    def call(self, name: str) -> Callable[[], object]:
        """Return what is timed under a name."""
        if name in self.regularizers:
            return lambda: self.step(name)
        samples, iterations, batch = PLANS[name]
        planner, cost = CEMPlanner(5, samples, num_iterations=iterations), self.cost(batch)
        return lambda: planner.plan(
            cost, batch=batch, action_dim=self.model.action_dim, generator=torch.Generator().manual_seed(3)
        )

    @torch.no_grad()
    def outputs(self) -> dict[str, str]:
        """Return digests of what the shipped model makes of drawn inputs."""
        model = self.model
        size = model.processor.image_size
        actions = draw(3, 20, 5, model.action_dim, seed=4)
        frames, context = draw(3, 1, 3, size, size, seed=3), draw(3, 1, model.embedding_dim, seed=2)
        return {
            "encode": digest(model.encode(frames)),
            "predict": digest(model.predict(context, actions[:, :1, 0])),
            "rollout": digest(self.cost(3).rollout(actions)),
            "cost": digest(self.cost(3)(actions)),
        }

    def values(self) -> dict[str, object]:
        """Return all values."""
        steps = {name: self.step(name) for name in self.regularizers}
        return {
            "version": leworld.__version__,
            **{f"{name}, value": value.item().hex() for name, (value, _) in steps.items()},
            **{f"{name}, gradient": digest(gradient) for name, (_, gradient) in steps.items()},
            **{f"{MODEL}, {name}": found for name, found in self.outputs().items()},
        }


def main() -> None:
    """Answer until the input ends."""
    checkout = Path(sys.argv[1]).resolve()
    if not Path(leworld.__file__).resolve().is_relative_to(checkout):
        raise SystemExit("this is not the leworld of the checkout that was asked for")
    torch.set_num_threads(1)
    work, calls = Work(), {}
    print(json.dumps({"calls": [*work.regularizers, *PLANS]}), flush=True)
    for line in sys.stdin:
        name = json.loads(line)
        if name == "values":
            answer = work.values()
        else:
            call = calls.setdefault(name, work.call(name))
            start = time.process_time()
            call()
            answer = {"seconds": time.process_time() - start}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
