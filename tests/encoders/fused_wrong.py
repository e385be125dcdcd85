"""Encoders of several parts that leave parts out in one wrong way each."""

import torch
from torch import Tensor

from leworld.encoders import FusedEncoder


class LeavesOutInEvaluation(FusedEncoder):
    def _dropped(self, rows: int, device: torch.device) -> Tensor | None:
        was, self.training = self.training, True
        try:
            return super()._dropped(rows, device)
        finally:
            self.training = was


class LeavesOutAll(FusedEncoder):
    def _dropped(self, rows: int, device: torch.device) -> Tensor | None:
        chances = torch.tensor(list(self.input_dropout.values()))
        return torch.rand(rows, len(chances)) < chances if self.training and len(self.absent) else None


class KeepsTheFirst(FusedEncoder):
    """Where all would go, the first part is the one that stays."""

    def _dropped(self, rows: int, device: torch.device) -> Tensor | None:
        if not self.training or not len(self.absent):
            return None
        chances = torch.tensor(list(self.input_dropout.values()))
        out = torch.rand(rows, len(chances)) < chances
        out[:, 0] &= ~out.all(1)
        return out


class KeepsTheLargestDraw(FusedEncoder):
    """Right for equal chances only."""

    def _dropped(self, rows: int, device: torch.device) -> Tensor | None:
        if not self.training or not len(self.absent):
            return None
        draws, chances = torch.rand(rows, 3), torch.tensor(list(self.input_dropout.values()))
        return (draws < chances) & (draws < draws.amax(1, keepdim=True))


class OneDrawForAllRows(FusedEncoder):
    def _dropped(self, rows: int, device: torch.device) -> Tensor | None:
        drawn = super()._dropped(1, device)
        return None if drawn is None else drawn.expand(rows, -1)


class OneDrawForAllParts(FusedEncoder):
    def _dropped(self, rows: int, device: torch.device) -> Tensor | None:
        if not self.training or not len(self.absent):
            return None
        draws, chances = torch.rand(rows, 1), torch.tensor(list(self.input_dropout.values()))
        out = draws < chances
        return out & ~(out.all(1, keepdim=True) & (torch.arange(3) == torch.randint(3, (rows, 1))))


class ScalesWhatStays(FusedEncoder):
    """As dropout of components does."""

    def forward(self, observation, *, blank=()) -> Tensor:
        return super().forward(observation, blank=blank) * (2.0 if self.training else 1.0)


class ForgetsTheStandIn(FusedEncoder):
    def _stand_in(self, name: str, like: Tensor) -> Tensor:
        return torch.zeros_like(super()._stand_in(name, like))


class ReadsWhatIsBlank(FusedEncoder):
    def forward(self, observation, *, blank=()) -> Tensor:
        return super().forward(observation)


WRONG = {
    LeavesOutInEvaluation: "check_evaluation_leaves_nothing_out",
    LeavesOutAll: "check_never_all",
    KeepsTheFirst: "check_rates",
    KeepsTheLargestDraw: "check_rates",
    OneDrawForAllRows: "check_rates",
    OneDrawForAllParts: "check_rows_and_parts_are_drawn_alone",
    ScalesWhatStays: "check_rates",
    ForgetsTheStandIn: "check_blank_parts_are_not_read",
    ReadsWhatIsBlank: "check_blank_parts_are_not_read",
}
