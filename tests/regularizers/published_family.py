"""Released code of the family in plain PyTorch, reworded, as oracles; they share no code with the package."""

import torch
from torch import Tensor


def published_weak_sigreg(z: Tensor, sketch_dim: int, *, seed: int) -> Tensor:
    """kreasof-ai/sigreg, weak loss, for one (sample, dim) set."""
    num_samples, dim = z.shape
    if dim > sketch_dim:
        generator = torch.Generator().manual_seed(seed)
        z = z @ (torch.randn(sketch_dim, dim, generator=generator, dtype=z.dtype) / dim**0.5).T
    z = z - z.mean(dim=0)
    covariance = z.T @ z / (num_samples - 1 + 1e-6)
    return torch.norm(covariance - torch.eye(z.shape[1], dtype=z.dtype), p="fro")


def published_visreg(z: Tensor, num_slices: int, *, seed: int) -> Tensor:
    """HaiyuWu/visreg, all weights 1, for (view, sample, dim)."""
    _, num_samples, dim = z.shape
    mean = z.mean(dim=1, keepdim=True)
    centred = z - mean
    std = (centred.pow(2).sum(dim=1) / num_samples).sqrt().clamp_min(1e-6)
    w = torch.randn(dim, num_slices, generator=torch.Generator().manual_seed(seed), dtype=z.dtype)
    projected = (centred / std.detach()[:, None]) @ (w / w.norm(dim=0))
    levels = torch.arange(1, num_samples + 1, dtype=z.dtype) / (num_samples + 1)
    target = torch.erfinv(2 * levels - 1)[None, :, None] * 2**0.5
    shape = (projected.sort(dim=1).values - target).pow(2).mean()
    return shape + (std - 1).pow(2).mean() + mean.pow(2).mean()


def published_vicreg(x: Tensor, y: Tensor) -> Tensor:
    """facebookresearch/vicreg with its weights 25, 25, 1, for one (sample, dim) pair."""
    num_samples, dim = x.shape
    loss = 25 * torch.nn.functional.mse_loss(x, y)
    for z in (x, y):
        z = z - z.mean(dim=0)
        loss = loss + 25 * torch.relu(1 - (z.var(dim=0) + 1e-4).sqrt()).mean() / 2
        covariance = z.T @ z / (num_samples - 1)
        loss = loss + (covariance.pow(2).sum() - covariance.diagonal().pow(2).sum()) / dim
    return loss
