"""Write `schema.graphql`, or check that it is what the code says: `python -m schema.export`."""

import sys
from difflib import unified_diff
from pathlib import Path

from schema.schema import schema

FILE = Path(__file__).resolve().parent.parent / "schema.graphql"


def main(arguments: list[str]) -> int:
    """Write the file; with `--check`, compare it and show what differs. Returns the exit code."""
    wanted = schema.as_str() + "\n"
    if arguments != ["--check"]:
        FILE.write_text(wanted)
        return 0
    kept = FILE.read_text() if FILE.exists() else ""
    changes = unified_diff(
        kept.splitlines(), wanted.splitlines(), FILE.name, "the code", lineterm=""
    )
    difference = "\n".join(changes)
    if difference:
        sys.stdout.write(f"{difference}\n\nRun `make schema` and commit {FILE.name}.\n")
    return int(bool(difference))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
