"""Reading `Episodes` from a file in stable-worldmodel's layout into memory."""

import os
from collections.abc import Sequence

from ..._checks import plain_numbers
from .._episodes import Episodes
from ._assemble import episodes_of
from ._columns import read_pixels


@plain_numbers
def read_hdf5(
    path: str | os.PathLike[str],
    *,
    episodes: slice | Sequence[int] | None = None,
    extra_columns: Sequence[str] = (),
    environment_id: str | None = None,
) -> Episodes:
    """Read episodes from one HDF5 file in the layout of stable-worldmodel: your own or published data.

    Only the chosen episodes are read; for files larger than the memory there is `open_hdf5`. Every column is
    one dataset at the top of the file: `pixels` (row, height, width, 3) or (row, 3, height, width) uint8,
    `action` (row, action) with NaN in an episode's last row, any of `proprio`, `state`, `observation`,
    `reward`, `terminated`, `truncated` and others with one entry a row, and `ep_len`, `ep_offset` with one
    entry an episode: its number of rows and its first row. Columns that follow from these (`ep_idx`,
    `step_idx`), further cameras (`pixels_top`) and texts are not loaded unless `write_hdf5` wrote them or you
    name them. The file's attributes `fps` and `action_choices` are kept. Needs the package h5py (extra
    `train`).

    The file is read as a stranger's: whatever points out of it (external links, external storage, virtual
    datasets), is damaged, or was declared and never written is refused by name, and nothing is taken for a
    black frame. See the guide on data for the whole list.

    Rewards are stored with the frame that they came with, NaN in an episode's first row, and `Episodes` has
    them with the action that earned them, one row earlier: they are moved. A `reward` without NaN in every
    first row is taken to belong to its action already.

    Args:
        path: The file. Published ones are compressed a second time (`.h5.zst`): unpack them first.
        episodes: Which episodes to read, as a slice or a list of numbers; all of them unless given.
        extra_columns: Names of columns outside the layout, or of further cameras, to load as well. Any
            other unknown column is an error, so that a misspelt one is not lost in silence.
        environment_id: Overrides the environment that the file names, or fills it in.

    Raises:
        DataError: The file is missing, truncated, damaged, written to meanwhile, points to other files, or
            breaks the layout: the message names the file, the column and what was expected.
        ConfigError: A chosen episode does not exist, or an argument is of another kind.
        MissingExtraError: h5py is not installed, or the file needs a compression filter that is not:
            published files use Blosc and need `pip install hdf5plugin`.

    Source:
        stable-worldmodel (galilai-group/stable-worldmodel: stable_worldmodel/data/formats/hdf5.py,
        `HDF5Writer`, and the recorder of its `World`, which shifts actions so that row t holds the one that
        leaves frame t).

    Example:
        ```python
        import tempfile
        from pathlib import Path
        import numpy as np
        from leworld.data import Episodes, read_hdf5, write_hdf5

        films = [np.full((4, 8, 8, 3), i, np.uint8) for i in range(5)]
        episodes = Episodes.from_trajectories(films, [np.ones((3, 2), np.float32)] * 5)
        with tempfile.TemporaryDirectory() as folder:
            write_hdf5(Path(folder) / "mine.h5", episodes)
            last = read_hdf5(Path(folder) / "mine.h5", episodes=slice(-2, None))
        assert len(last) == 2 and last.pixels[0].max() == 3
        ```
    """
    return episodes_of(
        path,
        owner="read_hdf5",
        pictures=read_pixels,
        episodes=episodes,
        extra_columns=extra_columns,
        environment_id=environment_id,
    )
