"""Fast, strict reading of the number tables that wannier90 writes.

Half a million rows must be read in well under a second from a thread that
shares the interpreter with a window, so a table is parsed in pieces of at
most 256 kB: each piece is one short call into numpy.  Rows in wannier90's own
fixed columns (``5I5,2F12.6``) are decoded digit by digit with array
operations; anything else goes through ``numpy.fromstring``.
"""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.errors import FileError

Floats = NDArray[np.float64]

PIECE = 250_000
LARGEST = 1 << 30
_WIDTH = 50
_FIELDS = ((0, 5), (5, 10), (10, 15), (15, 20), (20, 25), (25, 37), (37, 49))
_DOTS = (30, 42)


class Source:
    """An open text file that knows its path and the line it is at.

    ``.gz`` is recognised by content.  Every failure of the operating system
    or of the compression becomes a `FileError`.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self.line = 0
        self._size = 0
        if self.path.exists() and not (self.path.is_file() or self.path.is_dir()):
            # a pipe would wait for its writer
            raise FileError("This is not an ordinary file.", "Choose a file.", path=path)
        try:
            raw: IO[bytes] = self.path.open("rb")
        except FileNotFoundError:
            raise FileError("There is no such file.", "Check the name.", path=path) from None
        except IsADirectoryError:
            raise FileError(
                "This is a folder, not a file.", "Give the file inside it.", path=path
            ) from None
        except PermissionError:
            raise FileError(
                "No permission to read the file.", "Change its permissions.", path=path
            ) from None
        except OSError as error:
            raise FileError(f"The file cannot be opened: {error.strerror}.", path=path) from None
        magic = raw.read(2)
        raw.seek(0)
        self._raw = raw
        self._file: Any = gzip.GzipFile(fileobj=raw) if magic == b"\x1f\x8b" else raw

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._raw.close()

    def _guard(self, call: str, *args: int) -> bytes:
        try:
            data: bytes = getattr(self._file, call)(*args)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise self.error(
                f"The compressed file is damaged ({error}).", "Copy or download it again."
            ) from None
        except OSError as error:
            raise self.error(f"Reading failed: {error.strerror or error}.") from None
        self._size += len(data)
        if self._size > LARGEST:
            raise self.error("The file is larger than 1 GB of text.", "Use a smaller model.")
        return data

    def error(self, title: str, hint: str = "", line: int | None = None) -> FileError:
        """A `FileError` at the current (or the given) line."""
        return FileError(title, hint, path=self.path, line=line or max(self.line, 1))

    def readline(self, what: str) -> str:
        """The next line; `FileError` naming ``what`` at the end of the file."""
        data = self._guard("readline", 1 << 16)
        if not data:
            if self.line == 0:
                raise FileError(
                    "The file is empty.", "Write it again or choose another file.", path=self.path
                )
            raise self.error(
                f"The file ends where {what} should follow: it is truncated.",
                "Copy it again or repeat the calculation.",
            )
        self.line += 1
        if self.line == 1:
            data = data.removeprefix(b"\xef\xbb\xbf")
        if b"\0" in data or len(data) >= 1 << 16:
            raise self.error(
                "This is not a text file (binary data found).",
                "Choose a text file as wannier90 writes them, plain or .gz.",
            )
        return data.decode("utf-8", "replace").rstrip("\r\n")

    def integers(self, what: str, count: int | None = None) -> list[int]:
        """The integers of the next line that is not blank."""
        text = ""
        while not text.strip():
            text = self.readline(what)
        try:
            values = [int(token) for token in text.split()]
        except ValueError:
            raise self.error(
                f"Expected {what}, found {text.strip()[:60]!r}.",
                "Is this a wannier90 file? The line must hold whole numbers only.",
            ) from None
        if count is not None and len(values) != count:
            raise self.error(f"Expected {what}: {count} whole number(s), found {len(values)}.")
        return values

    def one(self, what: str) -> int:
        """A single positive integer on its own line."""
        (value,) = self.integers(what, 1)
        if value < 1:
            raise self.error(f"Expected {what}, found {value}.", "It must be at least 1.")
        return value

    def degeneracies(self, count: int) -> Floats:
        """``count`` positive degeneracies, 15 on a line as wannier90 writes them."""
        values: list[int] = []
        while len(values) < count:
            try:
                values += self.integers(f"degeneracies ({len(values)} of {count} read)")
            except FileError as error:
                raise self.error(
                    f"The header announces {count} cells, but the list of degeneracies ends "
                    f"after {len(values)}."
                    + (f" {error.title}" if "truncated" in str(error) else ""),
                    "The third line (number of cells) and the list must agree.",
                ) from None
            if min(values) < 1:
                raise self.error("A degeneracy is smaller than 1.", "The file is damaged.")
        if len(values) != count:
            raise self.error(
                f"The header announces {count} cells, but there are {len(values)} degeneracies.",
                "The third line (number of cells) and the list must agree.",
            )
        return np.array(values, dtype=np.float64)

    def table(self, columns: int, rows: int) -> Floats:
        """(r, columns) float64, every row up to the end of the file, r <= rows + 1.

        Raises `FileError` with the line of the first row that is not
        ``columns`` finite numbers.
        """
        first = self.line + 1
        pieces: list[Floats] = []
        count, rest = 0, b""
        while count <= rows:
            data = self._guard("read", PIECE)
            if data:
                cut = data.rfind(b"\n") + 1
                block, rest = rest + data[:cut], (data[cut:] if cut else rest + data)
                if not cut:
                    if len(rest) > 1 << 20:
                        raise self.error("A line is longer than 1 MB.", "This is not a table.")
                    continue
            else:
                block, rest = rest, b""
            if block.strip():
                pieces.append(self._piece(block, columns, first))
                count += len(pieces[-1])
            first += block.count(b"\n")
            if not data:
                break
        self.line = first - 1
        return np.concatenate(pieces) if pieces else np.empty((0, columns))

    def flat(self) -> Floats:
        """Every number up to the end of the file, whatever the line lengths."""
        pieces: list[Floats] = []
        rest = b""
        while data := self._guard("read", PIECE):
            cut = data.rfind(b"\n") + 1
            block, rest = rest + data[:cut], (data[cut:] if cut else rest + data)
            pieces.append(self._tokens(block))
        pieces.append(self._tokens(rest))
        return np.concatenate(pieces)

    def _tokens(self, block: bytes) -> Floats:
        first = self.line + 1
        self.line += block.count(b"\n")
        if not block.strip():
            return np.empty(0)
        if b"D" in block or b"d" in block:
            block = block.replace(b"D", b"E").replace(b"d", b"e")
        try:
            values = np.fromstring(block, dtype=np.float64, sep=" ")
            if np.isfinite(values).all():
                return values
        except ValueError:
            pass
        for number, line in enumerate(block.split(b"\n"), start=first):
            try:
                if np.isfinite([float(token) for token in line.split()]).all():
                    continue
            except ValueError:
                pass
            shown = line.decode("utf-8", "replace").strip()[:60]
            raise self.error(
                f"Not a row of finite numbers: {shown!r}.", "The file is damaged here.", number
            )
        return np.array([float(token) for token in block.split()])

    def _piece(self, block: bytes, columns: int, first: int) -> Floats:
        if columns == len(_FIELDS):
            fixed = _fixed_columns(block)
            if fixed is not None:
                return fixed
        if b"D" in block or b"d" in block:
            block = block.replace(b"D", b"E").replace(b"d", b"e")
        try:
            values = np.fromstring(block, dtype=np.float64, sep=" ")
            lines = block.count(b"\n") + (not block.endswith(b"\n"))
            if len(values) == columns * lines and np.isfinite(values).all():
                return values.reshape(-1, columns)
        except ValueError:
            pass
        return self._slow(block, columns, first)

    def _slow(self, block: bytes, columns: int, first: int) -> Floats:
        rows: list[list[float]] = []
        for number, line in enumerate(block.split(b"\n"), start=first):
            tokens = line.split()
            if not tokens:
                continue
            try:
                row = [float(token) for token in tokens]
            except ValueError:
                shown = line.decode("utf-8", "replace").strip()[:60]
                raise self.error(
                    f"Not a row of numbers: {shown!r}.", "The file is damaged here.", number
                ) from None
            if len(row) != columns:
                raise self.error(
                    f"Expected {columns} numbers in this row, found {len(row)}.",
                    "The file is truncated or damaged here, or the header is wrong.",
                    number,
                )
            if not np.isfinite(row).all():
                raise self.error(
                    "A number is not finite (NaN or infinity).",
                    "Repeat the calculation that wrote it.",
                    number,
                )
            rows.append(row)
        return np.array(rows, dtype=np.float64).reshape(-1, columns)


_SCALE = (1.0,) * 5 + (1e6,) * 2
_STARTS = np.array([start for start, _ in _FIELDS])
_INNER = np.array([c for s, e in _FIELDS for c in range(s + 1, e) if c not in _DOTS])
_LAST = np.array([stop - 1 for _, stop in _FIELDS])


def _fixed_columns(block: bytes) -> Floats | None:
    """Decode rows in ``5I5,2F12.6``; None when the block has another layout."""
    if len(block) % _WIDTH or block[_WIDTH - 1] != 10:
        return None
    code = np.frombuffer(block, dtype=np.uint8).reshape(-1, _WIDTH)
    if (code[:, -1] != 10).any() or (code[:, _DOTS] != 46).any():
        return None
    digit = code - 48
    is_digit = digit <= 9
    blank = code == 32
    minus = code == 45
    known = is_digit | blank | minus
    if not (known[:, _STARTS].all() and known[:, _INNER].all() and is_digit[:, _LAST].all()):
        return None
    if (~blank[:, _INNER - 1] & ~is_digit[:, _INNER]).any():
        return None
    digits = np.ascontiguousarray(np.where(is_digit, digit, 0).T).astype(np.float64)
    result = np.empty((len(code), len(_FIELDS)))
    # Plain sums: a matrix product would wake the threads of BLAS for nothing.
    for f, (start, stop) in enumerate(_FIELDS):
        value = np.zeros(len(code))
        for column in range(start, stop):
            if column not in _DOTS:
                value *= 10.0
                value += digits[column]
        value /= _SCALE[f]
        result[:, f] = np.where(minus[:, start:stop].any(axis=1), -value, value)
    return result
