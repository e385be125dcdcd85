"""Pictures of MuJoCo's scenes without a screen."""

import atexit
import ctypes.util
import os
import sys
import warnings
from typing import Any

import numpy as np

from ..._checks import require
from ...errors import MissingExtraError

EXTRA = "mujoco"
_LIBRARIES = {"egl": "EGL", "osmesa": "OSMesa"}
_MAX_GEOMS = 10_000


def find_backend() -> str:
    """Return which of MuJoCo's ways to draw is there: what MUJOCO_GL names, or else EGL before OSMesa.

    Elsewhere than on Linux MuJoCo knows its one way, and the answer is "".
    """
    asked = os.environ.get("MUJOCO_GL", "").strip().lower()
    if asked in (*_LIBRARIES, "glfw"):
        return asked
    if sys.platform != "linux":
        return ""
    found = [name for name, library in _LIBRARIES.items() if ctypes.util.find_library(library)]
    if not found:
        raise MissingExtraError(
            "Pictures of MuJoCo's scenes need OpenGL without a screen, by EGL or by OSMesa",
            "the system has neither libEGL nor libOSMesa",
            "Install one, on Debian and Ubuntu with `apt-get install libegl1` (with a GPU's driver or Mesa's "
            "libegl-mesa0) or `apt-get install libosmesa6`",
        )
    return found[0]


def require_quietly(module: str, purpose: str) -> Any:
    """Import a module that looks for a screen at once, without its warning that there is none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return require(module, extra=EXTRA, purpose=purpose)


class Drawing:
    """Draws the scenes of one model from one camera; OpenGL is opened at the first picture."""

    def __init__(self, model: Any, camera: str, size: int) -> None:
        self._model, self._camera_name, self._size = model, camera, size
        self._opened: tuple[Any, ...] | None = None

    def draw(self, data: Any) -> np.ndarray:
        """Return the picture (size, size, 3) of simulated data, uint8."""
        mujoco = require("mujoco", extra=EXTRA, purpose="A scene of MuJoCo's")
        context, buffers, scene, camera = self._opened or self._open(mujoco)
        context.make_current()
        everything = mujoco.mjtCatBit.mjCAT_ALL
        options, no_push = mujoco.MjvOption(), mujoco.MjvPerturb()
        mujoco.mjv_updateScene(self._model, data, options, no_push, camera, everything, scene)
        window, picture = (
            mujoco.MjrRect(0, 0, self._size, self._size),
            np.empty((self._size,) * 2 + (3,), np.uint8),
        )
        mujoco.mjr_render(window, scene, buffers)
        mujoco.mjr_readPixels(picture, None, window, buffers)
        return picture[::-1].copy()  # OpenGL counts rows from below

    def close(self) -> None:
        """Give OpenGL back; without this, before the interpreter ends, its libraries complain."""
        if self._opened is not None:
            context, buffers, *_ = self._opened
            self._opened = None
            context.make_current()
            buffers.free()
            context.free()

    def _open(self, mujoco: Any) -> tuple[Any, ...]:
        backend = find_backend()
        try:
            module = "mujoco.gl_context" if not backend else f"mujoco.{backend}"
            context = require(module, extra=EXTRA, purpose="A scene of MuJoCo's").GLContext(
                self._size, self._size
            )
            context.make_current()
            buffers = mujoco.MjrContext(self._model, mujoco.mjtFontScale.mjFONTSCALE_150)
        except Exception as error:  # drivers fail in any way
            raise MissingExtraError(
                "Pictures of MuJoCo's scenes need OpenGL without a screen, by EGL or by OSMesa",
                f"{backend or 'the usual way'} is there and failed ({type(error).__name__}: {error})",
                "Install a driver for it, or take the other one: MUJOCO_GL=osmesa or MUJOCO_GL=egl in the "
                "environment",
            ) from error
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, buffers)
        camera = mujoco.MjvCamera()
        camera.type, camera.fixedcamid = (
            mujoco.mjtCamera.mjCAMERA_FIXED,
            self._model.camera(self._camera_name).id,
        )
        self._opened = context, buffers, mujoco.MjvScene(self._model, _MAX_GEOMS), camera
        atexit.register(self.close)
        return self._opened
