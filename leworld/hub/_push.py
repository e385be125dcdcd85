"""Upload a world model to the Hugging Face Hub."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from .. import __version__
from .._typing import shapechecked
from ..errors import CheckpointError
from ._download import HubRepository
from ._download_errors import explain
from ._names import HUB_PREFIX, hub_name
from ._save import save, world_model


@shapechecked
def push_to_hub(
    model: nn.Module,
    repo_id: str,
    *,
    provenance: Mapping[str, Any] | None = None,
    card: str | None = None,
    private: bool = False,
    branch: str | None = None,
    message: str | None = None,
    token: bool | str | None = None,
) -> str:
    """Upload `model` to the Hugging Face Hub in one commit, creating the repository if there is none.

    What is uploaded is exactly what `leworld.save` would write, checked as strictly, with a model card that
    tells readers how to load it.

    Args:
        model: As for `leworld.save`.
        repo_id: `owner/repository`.
        provenance: As for `leworld.save`.
        card: As for `leworld.save`.
        private: Whether a new repository is private.
        branch: The branch to commit to; None is the main one.
        message: The commit's message.
        token: Access token with the right to write; None uses the stored one.

    Returns:
        The pinned name, `hf-hub:owner/repository@commit`, which `leworld.load` takes.

    Raises:
        CheckpointError: if the Hub refuses or cannot be reached.
        ConfigError: if `repo_id` is malformed.
        NonFiniteError: if a weight is NaN or infinite.

    Example:
        ```python
        import leworld
        from leworld.errors import ConfigError

        model = leworld.load("lewm-tworoom-tiny")
        try:
            leworld.hub.push_to_hub(model, "a-name-without-an-owner")
        except ConfigError as error:
            assert "owner/repository" in str(error)
        ```
    """
    from huggingface_hub import HfApi

    repository, revision = hub_name(f"{HUB_PREFIX}{repo_id}", branch)
    place = HubRepository(repository, revision)
    model = world_model("leworld.push_to_hub", model)
    api = HfApi(endpoint=place.endpoint(), token=token, library_name="leworld", library_version=__version__)
    with tempfile.TemporaryDirectory() as scratch:
        address = f"{HUB_PREFIX}{repository}"
        folder = save(model, Path(scratch) / "model", provenance=provenance, card=card, address=address)
        try:
            api.create_repo(repository, private=private, exist_ok=True)
            if revision is not None:
                api.create_branch(repository, branch=revision, exist_ok=True)
            commit = api.upload_folder(
                repo_id=repository,
                folder_path=folder,
                revision=revision,
                commit_message=message or f"Upload with leworld {__version__}",
            )
        except Exception as error:
            told = explain(error, place, "the checkpoint")
            raise CheckpointError(
                f"leworld.push_to_hub needs to write to {repository}", told.got, told.fix
            ) from error
    return f"{HUB_PREFIX}{repository}@{commit.oid}"
