"""Tables in data sets of the Hugging Face Hub. The extra is `hub`."""

from jaxscale._base.errors import InputError
from jaxscale._base.text import inert, listed

HUB = "hf"
_ENDINGS = (".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".parquet", ".xlsx", ".csv.gz", ".tsv.gz", ".jsonl.gz")
_MOST_BYTES = 1024**3


def file_at(place: str, shown: str) -> tuple[bytes, str]:
    """The bytes and the name of the file at `datasets/USER/NAME/FILE`, or of the one table there. Raises InputError."""
    parts = [part for part in place.split("/") if part]
    if len(parts) < 3 or parts[0] != "datasets":
        raise InputError(f"{shown} names no data set; write hf://datasets/USER/NAME/FILE")
    from huggingface_hub import HfFileSystem  # pyright: ignore[reportMissingImports]

    system = HfFileSystem()
    path = "/".join(parts)
    try:
        if not system.isfile(path):
            tables = [str(name) for name in system.find(path) if str(name).lower().endswith(_ENDINGS)]
            if len(tables) != 1:
                several = f"several tables, {listed(tables, 6)}; give one of them" if tables else "no table"
                raise InputError(f"{shown} has {several}" + (f": 'hf://{inert(tables[0], 200)}'" if tables else ""))
            path = tables[0]
        if (system.info(path).get("size") or 0) > _MOST_BYTES:
            raise InputError(f"{shown} is larger than 1 GiB; keep only the columns and rows needed")
        with system.open(path, "rb") as file:
            return bytes(file.read()), path
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{shown}: there is no such file or data set, or it is private (`hf auth login`)") from None
