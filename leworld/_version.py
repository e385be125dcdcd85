"""The version, as the installation says it."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("leworld")
except PackageNotFoundError:  # a copy of the source that was not installed
    __version__ = "0+unknown"
