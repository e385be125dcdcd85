"""Two processes train one model through Lightning's DDP."""

import warnings

import pytest
import torch

from leworld.training import Devices, train
from tests.training.tiny import fingerprint, tiny_model, tiny_settings, tiny_windows


@pytest.mark.skipif(not torch.distributed.is_gloo_available(), reason="needs gloo")
def test_two_ranks_train_one_model(tmp_path):
    settings = tiny_settings(num_steps=3, log_every=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the new processes' own imports
        model = train(
            tiny_model(),
            tiny_windows(),
            folder=tmp_path,
            settings=settings,
            progress=False,
            devices=Devices(2, "cpu", "ddp_spawn"),
        )
    assert fingerprint(model) != fingerprint(tiny_model())
    assert all(bool(value.isfinite().all()) for value in model.state_dict().values())
    assert len((tmp_path / "metrics.csv").read_text().splitlines()) == 4  # one log, written by one rank
