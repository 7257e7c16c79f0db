"""How large a document may be, counted before anything of it is validated or run."""

from collections import Counter
from dataclasses import dataclass, field

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
)

AUTHENTICATION = frozenset(
    {
        "signUp",
        "verifyOtp",
        "resendOtp",
        "logIn",
        "reauthenticate",
        "completeLogIn",
        "finishPasskeyLogIn",
        "beginTotpEnrollment",
        "confirmTotpEnrollment",
        "disableTotp",
        "renewRecoveryCodes",
        "beginPasskeyRegistration",
        "removePasskey",
        "refreshTokens",
        "endSession",
        "endOtherSessions",
        "logOutEverywhere",
        "changePassword",
        "requestPasswordReset",
        "completePasswordReset",
        "requestEmailChange",
        "completeEmailChange",
        "finishPasskeyRegistration",
        "requestPhoneCode",
        "provePhone",
        "removePhone",
        "requestAccountDeletion",
        "exportAccountData",
    }
)
"""Mutations that guess at secrets: one a document, so that limits per request bind them."""

INTROSPECTION = frozenset({"__schema", "__type"})


@dataclass(frozen=True, slots=True)
class Limits:
    """Ceilings of a document, with its fragments written out at each place they are spread."""

    tokens: int = 1_000
    depth: int = 8
    aliases: int = 15
    directives: int = 25
    root_fields: int = 10
    repeats: int = 20
    fields: int = 1_000


@dataclass(slots=True)
class Size:
    """What a selection amounts to.

    `answers` counts the response keys on its first level, `calls` the field names there, and
    `repeats` is how often the most repeated key of any level stands there.
    """

    depth: int = 0
    aliases: int = 0
    directives: int = 0
    fields: int = 0
    repeats: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)

    def add(self, inner: "Size") -> None:
        """Add what stands beside or below."""
        self.depth = max(self.depth, inner.depth)
        self.aliases += inner.aliases
        self.directives += inner.directives
        self.fields += inner.fields
        self.repeats = max(self.repeats, inner.repeats)


class Measure:
    """Measures the operations of one document; each fragment is measured once."""

    def __init__(self, document: DocumentNode) -> None:
        self._fragments = {
            definition.name.value: definition
            for definition in document.definitions
            if isinstance(definition, FragmentDefinitionNode)
        }
        self._measured: dict[str, Size] = {}

    def operation(self, operation: OperationDefinitionNode) -> Size:
        """Return the size of an operation."""
        size = self._selection(operation.selection_set)
        size.directives += len(operation.directives or ())
        return size

    def _selection(self, selection: SelectionSetNode) -> Size:
        size = Size()
        for node in selection.selections:
            size.directives += len(node.directives or ())
            if isinstance(node, FieldNode):
                self._field(node, size)
                continue
            if isinstance(node, FragmentSpreadNode):
                spread = self._fragment(node.name.value)
            else:
                spread = self._selection(node.selection_set)  # type: ignore[attr-defined]
            size.add(spread)
            size.answers.update(spread.answers)
            size.calls.update(spread.calls)
        size.repeats = max(size.repeats, max(size.answers.values(), default=0))
        return size

    def _field(self, node: FieldNode, size: Size) -> None:
        name = node.name.value
        size.fields += 1
        size.aliases += node.alias is not None
        size.answers[node.alias.value if node.alias else name] += 1
        size.calls[name] += 1
        inner = self._selection(node.selection_set) if node.selection_set else Size()
        # The standard introspection query is deeper than any other; graphql-core bounds it.
        inner.depth = 1 if name in INTROSPECTION else inner.depth + 1
        size.add(inner)

    def _fragment(self, name: str) -> Size:
        """Return a fragment's size; unknown and cyclic ones are left to validation."""
        if name not in self._measured:
            self._measured[name] = Size()
            if name in self._fragments:
                fragment = self._fragments[name]
                size = self._selection(fragment.selection_set)
                size.directives += len(fragment.directives or ())
                self._measured[name] = size
        return self._measured[name]


def authentications(operation: OperationDefinitionNode, size: Size) -> int:
    """Count the authentication mutations of an operation, by field."""
    if operation.operation is not OperationType.MUTATION:
        return 0
    return sum(count for name, count in size.calls.items() if name in AUTHENTICATION)


def excess(document: DocumentNode, limits: Limits) -> str | None:
    """Say which limit a document exceeds, if any. It need not be valid."""
    measure = Measure(document)
    guesses = 0
    for definition in document.definitions:
        if not isinstance(definition, OperationDefinitionNode):
            continue
        size = measure.operation(definition)
        for found, most, what in (
            (size.depth, limits.depth, "levels"),
            (size.aliases, limits.aliases, "aliases"),
            (size.directives, limits.directives, "directives"),
            (size.answers.total(), limits.root_fields, "root fields"),
            (size.repeats, limits.repeats, "repetitions of one field"),
            (size.fields, limits.fields, "fields"),
        ):
            if found > most:
                return f"The operation has more than {most} {what}: ask for less at once."
        guesses += authentications(definition, size)
    if guesses > 1:
        return "A document may have one mutation that takes a secret, and only once."
    return None
