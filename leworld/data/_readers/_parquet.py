"""Columns of numbers out of parquet files, at a cost that follows from their size."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DataError
from .._hdf5_layout import shown
from ._folder import optional, reading, rule

_FLOOR = 2**26
_RATIO = 1000  # of what a column takes in memory to what its file does
_REPAIR = "Fetch or write it again"


class ParquetTable:
    """One parquet file: its columns by name, and how many rows it has."""

    def __init__(self, owner: str, path: Path) -> None:
        self.path = path
        parquet = optional("pyarrow.parquet", owner)
        with reading(path, "to be a complete parquet file"):
            size = path.stat().st_size
            self._file = parquet.ParquetFile(path, memory_map=False, thrift_string_size_limit=2**26)
            meta = self._file.metadata
            self.rows = int(meta.num_rows)
            self.row_groups = [int(meta.row_group(i).num_rows) for i in range(meta.num_row_groups)]
            self.names = list(self._file.schema_arrow.names)
            self._schema = self._file.schema_arrow
            claimed = max(
                (
                    meta.row_group(i).column(j).num_values
                    for i in range(meta.num_row_groups)
                    for j in range(meta.num_columns)
                ),
                default=0,
            )
        if self.rows < 0 or max(self.rows, claimed) * 8 > max(_FLOOR, _RATIO * size):
            raise DataError(rule(path, "the rows that it declares"), f"{self.rows} in {size} bytes", _REPAIR)
        if sum(self.row_groups) != self.rows:
            raise DataError(
                rule(path, f"{self.rows} rows"), f"its groups have {sum(self.row_groups)}", _REPAIR
            )

    def numbers(self, name: str) -> np.ndarray:
        """Return a column of numbers as an array (row, ...), lists of equal length as further axes."""
        values = self.raw(name)
        with reading(self.path, f"readable numbers in `{shown(name)}`"):
            return _array(self.path, name, values)

    def is_numbers(self, name: str) -> bool:
        """Whether a column holds numbers, or lists of them."""
        kind = self._schema.field(name).type
        while hasattr(kind, "value_type") and not hasattr(kind, "index_type"):
            kind = kind.value_type
        return str(kind) in _NUMBERS

    def raw(self, name: str, group: int | None = None) -> Any:
        """Return a column as pyarrow reads it, of the whole file or of one row group."""
        if name not in self.names:
            raise DataError(
                rule(self.path, f"a column `{shown(name)}`"),
                f"its columns are {', '.join(f'`{shown(one)}`' for one in self.names[:20])}",
                _REPAIR,
            )
        with reading(self.path, f"a readable column `{shown(name)}`"):
            file, wanted = self._file, [name]
            table = (
                file.read(wanted, use_threads=False)
                if group is None
                else file.read_row_group(group, wanted, use_threads=False)
            )
            values = table.column(name).combine_chunks()
        due = self.rows if group is None else self.row_groups[group]
        if len(values) != due:
            raise DataError(
                rule(self.path, f"{due} entries in `{shown(name)}`"), f"it has {len(values)}", _REPAIR
            )
        return values


_NUMBERS = frozenset(
    (
        "bool",
        "int8",
        "int16",
        "int32",
        "int64",
        "uint8",
        "uint16",
        "uint32",
        "uint64",
        "halffloat",
        "float",
        "double",
    )
)


def _array(path: Path, name: str, values: Any) -> np.ndarray:
    shape = [len(values)]
    while True:
        if hasattr(values, "storage"):  # an extension type, as `datasets` has for arrays of several axes
            values = values.storage
        if hasattr(values, "num_chunks"):
            values = values.combine_chunks()
        if values.null_count:
            raise DataError(
                rule(path, f"a value in every row of `{shown(name)}`"),
                f"{values.null_count} are missing",
                "Fill them in, or leave the column out",
            )
        if not hasattr(values.type, "value_type") or hasattr(values.type, "index_type"):
            break
        inner = values.flatten()
        count = len(inner) // max(len(values), 1)
        if not hasattr(values.type, "list_size"):
            lengths = np.diff(values.offsets.to_numpy())
            if len(lengths) and (lengths != lengths[0]).any():
                raise DataError(
                    rule(path, f"lists of one length in `{shown(name)}`"),
                    f"they have from {lengths.min()} to {lengths.max()} entries",
                    "Pad them, or leave the column out",
                )
        shape.append(count)
        values = inner
    found = values.to_numpy(zero_copy_only=False)
    if found.dtype.kind not in "biuf":
        raise DataError(
            rule(path, f"numbers in `{shown(name)}`"), f"they are {values.type}", "Leave the column out"
        )
    return found.reshape(shape)


def stacked(path: Path, name: str, parts: Sequence[np.ndarray]) -> np.ndarray:
    """Join the arrays of several files."""
    if len({(part.shape[1:], part.dtype) for part in parts}) > 1:
        raise DataError(
            rule(path, f"`{shown(name)}` of one shape and type in all its files"),
            f"they have {sorted({f'{part.dtype} {part.shape[1:]}' for part in parts})[:3]}",
            _REPAIR,
        )
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def numbers_of(tables: Sequence[ParquetTable], names: Sequence[str], *, path: Path) -> Mapping[str, Any]:
    """Return some columns of several tables, one after another."""
    return {name: stacked(path, name, [table.numbers(name) for table in tables]) for name in names}
