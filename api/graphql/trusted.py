"""Trusted documents: those that our own clients were built with, named by their hash."""

from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson

PREFIX = "sha256:"


class RegistryUnreadable(ValueError):  # noqa: N818 - reads as what it is
    """A registry file is not what it should be."""


class TrustedDocuments:
    """The documents that may be asked for by their SHA-256, and whether no others may be."""

    def __init__(self, texts: Mapping[str, str] | None = None, *, only: bool = False) -> None:
        """`texts` are by hash, in lower-case hexadecimal."""
        self._texts = dict(texts or {})
        self.only = only

    @classmethod
    def load(cls, folder: Path | None, *, only: bool = False) -> "TrustedDocuments":
        """Read a folder of registry files, one a client. Raises RegistryUnreadable.

        A file is what a client's build writes: Relay's map of hashes to texts, or the manifest of
        Apollo's generate-persisted-query-manifest. Each text must be what its hash says.
        """
        texts: dict[str, str] = {}
        for file in sorted(folder.glob("*.json")) if folder else ():
            for named, text in _entries(file):
                if sha256(text.encode()).hexdigest() != named:
                    raise RegistryUnreadable(f"{file.name}: {named} is not the text's SHA-256")
                texts[named] = text
        return cls(texts, only=only)

    def __len__(self) -> int:
        return len(self._texts)

    def __contains__(self, text: str) -> bool:
        return sha256(text.encode()).hexdigest() in self._texts

    def text(self, digest: str) -> str | None:
        """Return the document with this hash, if it is one of them."""
        return self._texts.get(digest)


def _entries(file: Path) -> Iterator[tuple[str, str]]:
    try:
        content: Any = orjson.loads(file.read_bytes())
        if content.get("format") == "apollo-persisted-query-manifest":
            content = {each["id"]: each["body"] for each in content["operations"]}
        for named, text in content.items():
            yield named.removeprefix(PREFIX).lower(), str(text)
    except (AttributeError, KeyError, TypeError, ValueError) as fault:
        raise RegistryUnreadable(f"{file.name} is not a registry of documents") from fault
