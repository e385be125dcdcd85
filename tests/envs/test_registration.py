import subprocess
import sys

import pytest


def run(code: str) -> str:
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


KNOWN = "\nassert 'leworld/TwoRoom-v0' in gymnasium.registry"


@pytest.mark.parametrize(
    "imports",
    [
        "import gymnasium, leworld.envs",
        "import leworld.envs, gymnasium",
        "import leworld.envs\nfrom gymnasium.envs import registration\nimport gymnasium",
        "import leworld.envs\nleworld.envs._registration.register_if_installed()\nimport gymnasium",
        "import importlib, leworld.envs\nimportlib.reload(leworld.envs)\nimport gymnasium",
    ],
)
def test_the_id_is_known_after_any_order_of_import(imports):
    run(imports + KNOWN)


def test_the_module_in_the_id_is_enough():
    code = """
import gymnasium
env = gymnasium.make("leworld.envs:leworld/TwoRoom-v0", image_size=8)
assert env.reset(seed=0)[0].shape == (8, 8, 3)
options = {"num_envs": 3, "vectorization_mode": "vector_entry_point"}
envs = gymnasium.make_vec("leworld.envs:leworld/TwoRoom-v0", **options)
assert envs.reset(seed=0)[0].shape == (3, 64, 64, 3)
assert envs.step(envs.action_space.sample())[3].shape == (3,)
"""
    run(code)


def test_registering_does_not_import_torch():
    code = """
import sys, gymnasium, leworld.envs
print("torch" in sys.modules, "leworld/TwoRoom-v0" in gymnasium.registry)
"""
    assert run(code).split() == ["False", "True"]


@pytest.mark.parametrize(
    "hide",
    [
        "import sys; sys.modules['gymnasium'] = None",
        """
import sys
class Hide:
    def find_spec(self, name, path=None, target=None):
        if name == "gymnasium":
            raise ModuleNotFoundError("No module named 'gymnasium'")
sys.meta_path.insert(0, Hide())""",
    ],
)
def test_without_gymnasium_the_arena_works_and_the_environment_names_the_extra(hide):
    code = """
from leworld.envs import TwoRoomArena
from leworld.tasks import ExpertPolicy
from leworld.errors import MissingExtraError
import numpy as np
assert TwoRoomArena().step(np.array([60.0, 60.0]), np.array([1.0, 0.0])).tolist() == [65, 60]
for name in ("TwoRoom", "TwoRoomVector"):
    try:
        getattr(__import__("leworld.envs").envs, name)
    except MissingExtraError as error:
        print(error)
"""
    out = run(hide + code)
    assert out.count('pip install "leworld[envs]"') == 2
    assert "TwoRoomVector needs the package `gymnasium`" in out


def test_an_unknown_name_is_an_attribute_error():
    import leworld.envs

    with pytest.raises(AttributeError, match="no attribute 'ThreeRoom'"):
        leworld.envs.ThreeRoom  # noqa: B018
    assert "TwoRoomArena" in dir(leworld.envs)
