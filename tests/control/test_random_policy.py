import numpy as np
from scipy import stats

from leworld.control import RandomPolicy
from tests.control.fakes import paint


def test_uniform_independent_and_repeatable():
    low, high = np.array([-1.0, 2.0]), np.array([0.5, 4.0])
    policy = RandomPolicy(2, action_limits=(low, high), seed=3)
    frame = paint(np.zeros((4, 2)))
    policy.reset(frame)
    drawn = np.stack([policy.act(frame) for _ in range(2000)])
    assert drawn.dtype == np.float32
    assert (drawn >= low.astype(np.float32)).all()
    assert (drawn <= high.astype(np.float32)).all()
    unit = (drawn - low) / (high - low)
    for env in range(4):
        for component in range(2):
            assert stats.kstest(unit[:, env, component], "uniform").pvalue > 1e-7
    assert np.abs(np.corrcoef(unit.reshape(2000, 8).T) - np.eye(8)).max() < 5.5 / np.sqrt(2000)
    policy.reset(frame)
    assert np.array_equal(policy.act(frame), drawn[0])
    policy.reset(paint(np.zeros((2, 2))))
    assert np.array_equal(policy.act(paint(np.zeros((2, 2)))), drawn[0, :2])
