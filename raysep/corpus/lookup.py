"""Which row a name has, of a million names: sixteen bytes each, where a dictionary takes two hundred."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa

AT_ONCE = 1 << 14


def row_of(names: pa.Array | pa.ChunkedArray) -> Mapping[str, int]:
    """name → its row; of a name that is there several times the last one, as a dictionary has it."""
    names = names.combine_chunks() if isinstance(names, pa.ChunkedArray) else names
    codes = np.fromiter(map(hash, texts(names)), np.int64, len(names))
    order = np.argsort(codes, kind="stable")
    codes = codes[order]
    if (codes[1:] == codes[:-1]).any():  # equal names, or, next to never, names of one code
        return {name: row for row, name in enumerate(texts(names))}
    return _Rows(names, codes, order)


def texts(names: pa.Array | pa.ChunkedArray) -> Iterator[str]:
    """The values, of which some are held at a time."""
    for first in range(0, len(names), AT_ONCE):
        yield from names.slice(first, AT_ONCE).to_pylist()


class _Rows(Mapping[str, int]):
    """Of names that all differ in their codes, by which they are in order."""

    def __init__(self, names: pa.Array, codes: np.ndarray, order: np.ndarray) -> None:
        self._names, self._codes, self._order = names, memoryview(codes.data), memoryview(order.data)

    def __getitem__(self, name: str) -> int:
        row = self._find(name)
        if row is None:
            raise KeyError(name)
        return row

    def _find(self, name: object) -> int | None:
        code = hash(name)
        place = bisect_left(self._codes, code)
        if place == len(self._codes) or self._codes[place] != code:
            return None
        row = self._order[place]
        return row if self._names[row].as_py() == name else None

    def __contains__(self, name: object) -> bool:
        return self._find(name) is not None

    def __iter__(self) -> Iterator[str]:
        return texts(self._names)

    def __len__(self) -> int:
        return len(self._names)


class Texts(Mapping[str, str]):
    """name → the text that stands in the same row."""

    def __init__(self, names: pa.ChunkedArray, values: pa.ChunkedArray) -> None:
        self._row_of, self._values = row_of(names), values.combine_chunks()

    def __getitem__(self, name: str) -> str:
        return str(self._values[self._row_of[name]].as_py())

    def __iter__(self) -> Iterator[str]:
        return iter(self._row_of)

    def __len__(self) -> int:
        return len(self._row_of)
