"""The operations that the README shows, as a reader would copy them."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"


def recipe() -> dict[str, str]:
    """Return the README's GraphQL blocks by the names of their operations."""
    blocks = re.findall(r"^```graphql\n(.*?)^```$", README.read_text(), re.DOTALL | re.MULTILINE)
    return {block.split(maxsplit=2)[1].partition("(")[0]: block for block in blocks}
