"""A look at a pickled state dict before it is read: what it may call, and how much it may make of little."""

import pickletools
import zipfile
from pathlib import Path
from typing import Any

from ..._checks import describe
from ...errors import CheckpointError

_MAX_BYTES = 16 * 2**20  # of the pickle itself, which holds names and shapes, no numbers
_MAX_SHARED = 16  # tuples that stand in it more than once; each can double what walking over it costs

_KNOWN = {
    "collections OrderedDict", "torch Size", "torch device", "torch._utils _rebuild_parameter",
    "torch._utils _rebuild_tensor_v2", "torch._utils _rebuild_tensor_v3", "torch.nn.parameter Parameter",
    "torch.serialization _get_layout", "torch.storage UntypedStorage", "torch.storage TypedStorage",
    "builtins set", "__builtin__ set", "_codecs encode",
}  # fmt: skip
_NUMBERS = {
    "BFloat16", "Bool", "Byte", "Char", "ComplexDouble", "ComplexFloat", "Double", "Float", "Half", "Int",
    "Long", "Short", "QInt8", "QInt32", "QUInt8",
}  # fmt: skip
_DTYPES = {
    "bfloat16", "bool", "complex64", "complex128", "float16", "float32", "float64", "int8", "int16", "int32",
    "int64", "uint8", "uint16", "uint32", "uint64", "float8_e4m3fn", "float8_e5m2",
}  # fmt: skip
_ALLOWED = (
    _KNOWN | {f"torch {name}Storage" for name in _NUMBERS} | {f"torch {name}" for name in sorted(_DTYPES)}
)


def check_pickle(archive: zipfile.ZipFile, path: Path) -> None:
    """Refuse an archive of torch.save whose pickle is more than a state dict of tensors.

    Raises:
        CheckpointError: if it calls what a state dict does not need, shares what would make reading it
            endless, or tells of more numbers than it holds.
    """
    names = [entry for entry in archive.infolist() if entry.filename.endswith("/data.pkl")]
    damaged = f"{path} needs to be a whole zip archive"
    if len(names) != 1 or names[0].file_size > _MAX_BYTES:
        got = f"it has {len(names)} pickles" if len(names) != 1 else "its pickle is too large"
        raise CheckpointError(damaged, f"it is damaged ({got})", "Restore the file, or download it again")
    try:
        _check_calls(archive.read(names[0]), path)
    except (ValueError, zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        if isinstance(error, CheckpointError):
            raise
        got = f"it is damaged ({' '.join(str(error).split())[:200]})"
        raise CheckpointError(damaged, got, "Restore the file, or download it again") from error


def _check_calls(code: bytes, path: Path) -> None:
    tuples: set[int] = set()
    shared = next_memo = 0
    was = ""
    for op, told, _ in pickletools.genops(code):
        argument: Any = told
        if op.name in ("GLOBAL", "STACK_GLOBAL", "INST", "OBJ", "EXT1", "EXT2", "EXT4") and (
            op.name != "GLOBAL" or argument not in _ALLOWED
        ):
            raise CheckpointError(
                f"{path} needs to hold a plain state dict",
                f"it pickles other objects ({describe(argument or op.name)}), such as a whole module, which "
                "would run code when read",
                "Where it was made, write `torch.save(model.state_dict(), 'weights.pt')`, and load that",
            )
        if op.name in ("BINPUT", "LONG_BINPUT", "PUT", "MEMOIZE"):
            memo = next_memo if op.name == "MEMOIZE" else int(argument)
            next_memo += 1
            if was.startswith("TUPLE"):
                tuples.add(memo)
        elif op.name in ("BINGET", "LONG_BINGET", "GET"):
            shared += int(argument) in tuples
        if shared > _MAX_SHARED or op.name == "DUP":
            raise CheckpointError(
                f"{path} needs to hold a plain state dict",
                "its pickle holds the same values over and over",
                "Do not trust its source",
            )
        was = op.name
