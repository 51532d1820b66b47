"""Sets of a large CSV file: streamed into a temporary Parquet file, cells as they are written."""

import tempfile
from pathlib import Path

from jaxscale._base.errors import InputError
from jaxscale._base.text import PATH_LIMIT, inert, quoted
from jaxscale._cluster.sets_in_parquet import SetsInParquet, parquet_tools
from jaxscale._data.headers import header_in
from jaxscale._data.separators import layout_of

_LOOKED_AT = 2**18


class SetsInCsv(SetsInParquet):
    """Sets of a plain CSV or TSV file: UTF-8, one header row and nothing above it. TMPDIR says where the temporary
    file takes its room."""

    def __init__(self, path: Path, by: str | tuple[str, ...]):
        pa = parquet_tools()
        import pyarrow.csv

        shown = f"file {quoted(path, PATH_LIMIT)}"
        with open(path, "rb") as file:
            head = file.read(_LOOKED_AT).decode("utf-8-sig", errors="replace")
        layout = layout_of(head, "", shown, cut=len(head) == _LOOKED_AT)
        first = [line.split(layout.separator) for line in head.splitlines()[:20]]
        if layout.skipped or layout.framed or len(layout.separator) != 1 or header_in(first, shown).rows != 1:
            raise InputError(
                f"{shown} is large, and no plain table of one header row with cells between commas or tabs; save it as "
                "Parquet, or as plain CSV"
            )
        self._folder = tempfile.TemporaryDirectory(prefix="jaxscale-")
        names = [name.strip().strip('"') for name in first[0]]
        try:
            reader = pyarrow.csv.open_csv(
                path,
                parse_options=pyarrow.csv.ParseOptions(delimiter=layout.separator),
                convert_options=pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string())),
            )
            copy = Path(self._folder.name) / "table.parquet"
            with pa.parquet.ParquetWriter(copy, reader.schema) as writer:
                for batch in reader:
                    writer.write_batch(batch)
            super().__init__(copy, by)
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"{shown} cannot be read as CSV: {inert(error, 200)}") from None
        finally:
            if not hasattr(self, "sha256"):
                self.close()

    def close(self) -> None:
        """Give the room back."""
        self._folder.cleanup()
