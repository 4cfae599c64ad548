"""Reading a CSV or Parquet file of any size in chunks, every value still as it was written.

Belongs here: files to chunks of rows with their line numbers. Does not belong here: what a bar or an article is
(``imports.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

CHUNK_ROWS = 50_000
_FIRST_CSV_ROW = 2  # line 1 is the header


class ImportFileError(Exception):
    """The file cannot be imported at all; the message says why and what is expected."""


@dataclass(slots=True)
class Chunk:
    """Some rows of the file: ``rows`` indexed by line number (CSV: physical where no value holds a line break;
    Parquet: row from 1)."""

    rows: pd.DataFrame
    broken: list[tuple[int, str]] = field(default_factory=list)
    """Lines that have not as many values as the header: (line number, text)."""
    position: float = 0.0
    """How far into the file the chunk ends, 0…1."""


def read_chunks(path: Path, columns: Callable[[list[str]], list[str]], chunk_rows: int = CHUNK_ROWS) -> Iterator[Chunk]:
    """The chunks of ``path``; ``columns(names)`` picks the wanted columns or raises :class:`ImportFileError`.

    CSV values arrive as text (a bad value must cost its row, not the file); Parquet values with their own types.
    """
    if not path.is_file():
        raise ImportFileError(f"{path} does not exist or is no file")
    if path.stat().st_size == 0:
        raise ImportFileError(f"{path} is empty")
    kind = path.name.lower()
    if kind.endswith((".parquet", ".pq")):
        yield from _parquet_chunks(path, columns, chunk_rows)
    elif kind.endswith((".csv", ".csv.gz", ".txt")):
        yield from _csv_chunks(path, columns)
    else:
        raise ImportFileError(f"{path.name} is neither .csv nor .parquet")


def _parquet_chunks(path: Path, columns: Callable[[list[str]], list[str]], chunk_rows: int) -> Iterator[Chunk]:
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise ImportFileError(f"{path} cannot be read as Parquet: {str(error).splitlines()[0][:150]}") from error
    with file:
        wanted = columns(list(file.schema_arrow.names))
        total, line = max(file.metadata.num_rows, 1), 1
        try:
            for batch in file.iter_batches(batch_size=chunk_rows, columns=wanted):
                rows: pd.DataFrame = batch.to_pandas()
                rows.index = pd.RangeIndex(line, line + len(rows))
                line += len(rows)
                yield Chunk(rows, position=(line - 1) / total)
        except (pa.ArrowInvalid, OSError) as error:
            raise ImportFileError(
                f"{path} is damaged after row {line - 1}: {str(error).splitlines()[0][:150]}"
            ) from error


def _csv_chunks(path: Path, columns: Callable[[list[str]], list[str]]) -> Iterator[Chunk]:
    broken: list[tuple[int | None, str]] = []

    def on_broken(row: Any) -> str:
        broken.append((row.number, str(row.text)))
        return "skip"

    names = _csv_header(path)
    wanted = columns(names)
    size = path.stat().st_size
    try:
        reader = pa_csv.open_csv(
            path,
            read_options=pa_csv.ReadOptions(block_size=4 << 20, use_threads=False),
            parse_options=pa_csv.ParseOptions(newlines_in_values=True, invalid_row_handler=on_broken),
            convert_options=pa_csv.ConvertOptions(
                include_columns=wanted,
                column_types=dict.fromkeys(wanted, pa.string()),
                strings_can_be_null=True,
                null_values=[""],
            ),
        )
    except pa.ArrowInvalid as error:
        raise ImportFileError(f"{path} cannot be read as CSV: {str(error).splitlines()[0][:150]}") from error
    line, done = _FIRST_CSV_ROW, 0
    with reader:
        while True:
            try:
                batch = reader.read_next_batch()
            except StopIteration:
                break
            except pa.ArrowInvalid as error:
                raise ImportFileError(
                    f"{path} cannot be read after line {line}: {str(error).splitlines()[0][:150]}"
                ) from error
            rows: pd.DataFrame = batch.to_pandas()
            numbered = [(number if number is not None else line, text) for number, text in broken]
            skipped = {number for number, _ in numbered}
            lines = [number for number in range(line, line + len(rows) + len(numbered)) if number not in skipped][
                : len(rows)
            ]
            rows.index = pd.Index(lines, dtype="int64")
            line += len(rows) + len(numbered)
            done += batch.nbytes
            broken.clear()
            yield Chunk(rows, numbered, position=min(done / size, 1.0))
    if broken:
        yield Chunk(pd.DataFrame(columns=wanted), [(number or line, text) for number, text in broken], 1.0)


def _csv_header(path: Path) -> list[str]:
    try:
        return [str(name) for name in pd.read_csv(path, nrows=0, encoding="utf-8-sig").columns]
    except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise ImportFileError(f"{path} cannot be read as CSV: {error}") from error
