"""The recurrent predictor against torch's own GRU, and against the rollout of the original PLDM."""

import torch
from torch import nn
from torch.nn import functional as F

from leworld.predictors import GRUPredictor
from tests.predictors import checks
from tests.predictors.cases import CONDITION, DIM, TIME, awake, gru


def test_it_is_torchs_gru_on_embeddings_beside_conditions() -> None:
    predictor = awake(GRUPredictor(DIM, TIME, condition_dim=CONDITION, hidden_dim=7, num_layers=2))
    reference = nn.GRU(DIM + CONDITION, 7, num_layers=2, batch_first=True)
    for i, cell in enumerate(predictor.cells):
        for name, tensor in cell.named_parameters():
            getattr(reference, f"{name}_l{i}").data.copy_(tensor)
    embeddings, conditions = checks.inputs(time=9)
    hidden, _ = reference(torch.cat([embeddings, conditions], dim=-1))
    torch.testing.assert_close(predictor(embeddings, conditions), predictor.output(hidden))


def test_a_modulated_frame_enters_alone() -> None:
    predictor = awake(gru(conditioning="film"))
    reference = nn.GRU(DIM, DIM, batch_first=True)
    for name, tensor in predictor.cells[0].named_parameters():
        getattr(reference, f"{name}_l0").data.copy_(tensor)
    embeddings, conditions = checks.inputs()
    shift, scale = predictor.conditioning.linear(conditions).chunk(2, dim=-1)
    hidden, _ = reference(embeddings * (1 + scale) + shift)
    torch.testing.assert_close(predictor(embeddings, conditions), predictor.output(hidden))


def test_the_state_embedding_rolled_out_is_the_original_pldm() -> None:
    """One GRU layer over the actions, started at z_0; output and state both pass through a LayerNorm."""
    predictor = awake(gru(state="embedding", layer_norm=True)).eval()
    cell = nn.GRUCell(CONDITION, DIM)
    cell.load_state_dict(predictor.cells[0].state_dict())
    embeddings, conditions = checks.inputs(time=16)
    hidden, original = embeddings[:, 0], []
    for t in range(16):
        hidden = F.layer_norm(
            cell(conditions[:, t], hidden), (DIM,), predictor.norm.weight, predictor.norm.bias
        )
        original.append(hidden)
    memory = predictor.prepare(embeddings[:, :0], conditions[:, :0], conditions[:, None])
    newest, rolled = embeddings[:, None, 0], []
    for _ in range(16):
        newest, memory = predictor.extend(memory, newest)
        rolled.append(newest[:, 0])
    torch.testing.assert_close(torch.stack(rolled), torch.stack(original))


def test_sizes() -> None:
    """As PLDM's on the two rooms: 512 numbers, actions of two, one layer and its LayerNorm."""
    original = GRUPredictor(512, 16, condition_dim=2, state="embedding", layer_norm=True)
    assert sum(p.numel() for p in original.parameters()) == 3 * 512 * (2 + 512 + 2) + 2 * 512
    assert GRUPredictor(8).condition_dim == GRUPredictor(8).hidden_dim == 8
