"""A CSV as people and spreadsheets write it, whatever separates its cells, ends its lines and encodes its text.

    sep=;                        a first line of Excel's, passed over
    track;stem;path              commas, semicolons or tabs, by what the header names
    "Song; live";drums;a.wav     quotes around what holds a separator; blanks behind one are none of the cell's

Nothing is guessed of a line that does not fit its header: it is refused with its number.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from raysep.corpus import storage
from raysep.corpus.names import folded
from raysep.errors import BadInput

SEPARATORS = ",;\t"
RAREST = "\t,;"  # in names and paths first
SHOWN = 10_000  # characters of a first line that is no header are enough to tell what parts its cells
HINT = "sep="
END = "\0end"  # a line behind the last: it is one unless a quote is open
WIDE = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)  # what some spreadsheets call "Unicode text"


class Line(NamedTuple):
    number: int  # of the file's, counted from 1: the last one of a line whose quotes hold several
    cells: list[str]


def text_of(uri: str, name: str) -> str:
    """A file's text, in UTF-8 or, marked as such, UTF-16. ``name`` is what it is called in an error.

    Raises ``FileNotFoundError``, and ``BadInput`` for what cannot be read or is no text.
    """
    try:
        data = storage.read_bytes(storage.absolute(uri))
        return data.decode("utf-16" if data.startswith(WIDE) else "utf-8-sig")
    except FileNotFoundError:
        raise
    except UnicodeDecodeError as error:
        raise BadInput(f"{name}: not text in UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8") from None
    except OSError as error:
        raise BadInput(f"{name}: cannot be read ({error}); give a CSV file") from None


def lines(text: str, name: str, columns: Collection[str]) -> Iterator[Line]:
    """Every line that holds something, the header too. ``columns`` are names that a header may have, by which it is told apart.

    Raises ``BadInput`` for what no CSV can be.
    """
    first, *rest = text.split("\n", 1)
    if first.lstrip().lower().startswith(HINT):
        text = "\n" + "".join(rest)
    lines_and_end = io.StringIO(f"{text}\n{END}\n", newline="")
    reader, last = csv.reader(lines_and_end, delimiter=_separator(text, columns), skipinitialspace=True), 0
    try:
        for cells in reader:
            if cells == [END]:
                return
            if END in "".join(cells):  # within a cell: what came since its quote is none of its text
                raise BadInput(f"{name}, line {last + 1}: a quote begins there, or below, that has no end; close it")
            last = reader.line_num
            if any(cell.strip() for cell in cells):
                yield Line(last, cells)
    except csv.Error as error:
        raise BadInput(f"{name}, line {reader.line_num}: no CSV ({error}); mend it") from None


def _separator(text: str, columns: Collection[str]) -> str:
    """That by which most cells of the header are columns that are known; without a header one by which there are cells."""
    header = next((line for line in text.splitlines() if line.strip(SEPARATORS + " ")), "")
    known = {folded(column) for column in columns}
    found = {each: {plain(cell.strip().strip('"')) for cell in header.split(each)} & known for each in SEPARATORS}
    if any(found.values()):
        return max(SEPARATORS, key=lambda each: len(found[each]))
    apart = (each for each in RAREST if len(next(csv.reader([header[:SHOWN]], delimiter=each), [])) > 1)
    return next(apart, SEPARATORS[0])


def plain(cell: str) -> str:
    """A column's name without case and blanks about it."""
    return folded(cell).strip()


def refuse_twice(header: Sequence[str], name: str) -> None:
    """Raise ``BadInput`` when two columns have one name: it is not known which of them is meant."""
    counts = Counter(plain(cell) for cell in header if cell.strip())
    if twice := [cell for cell, count in counts.items() if count > 1]:
        raise BadInput(f"{name}: has {counts[twice[0]]} columns {twice[0]!r}; keep one of them")


def by_column(header: Sequence[str], line: Line, name: str) -> dict[str, str]:
    """column → cell, "" where the line is shorter. Raises ``BadInput`` when it has more cells than the header."""
    if any(cell.strip() for cell in line.cells[len(header) :]):
        raise BadInput(
            f"{name}, line {line.number}: {len(line.cells)} cells where the header has {len(header)}; put quotes around what "
            "holds a comma"
        )
    return dict(zip(header, [*line.cells, *[""] * len(header)], strict=False))


def as_plain(text: str, name: str, columns: Collection[str]) -> bytes:
    """The same in UTF-8 with commas, each line as long as its header. Raises ``BadInput`` for one that is not."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    header: list[str] = []
    for line in lines(text, name, columns):
        if not header:
            header = line.cells
            refuse_twice(header, name)
        elif len(line.cells) < len(header):
            raise BadInput(f"{name}, line {line.number}: {len(line.cells)} cells where the header has {len(header)}")
        writer.writerow(
            [cell.strip() for cell in header] if line.cells is header else by_column(header, line, name).values()
        )
    return stream.getvalue().encode()
