"""Data loaders: one statement for all objects that one step of an operation asks for."""

from usecases.ports import Reads


class Loaders:
    """The loaders of one operation: they remember what they read, so they never outlive it."""

    def __init__(self, reads: Reads) -> None:
        self._reads = reads
