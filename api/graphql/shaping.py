"""Which variables shape what a subscription tells of an event."""

from collections.abc import Iterator

from graphql import (
    ArgumentNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    ListValueNode,
    Node,
    ObjectFieldNode,
    ObjectValueNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    VariableNode,
)


def shaping_variables(document: DocumentNode, operation: OperationDefinitionNode) -> frozenset[str]:
    """Return the names of the variables that an event's execution reads.

    They are all but those in arguments of the root field: these choose the events, and where to
    begin.
    """
    fragments = {
        definition.name.value: definition
        for definition in document.definitions
        if isinstance(definition, FragmentDefinitionNode)
    }
    return frozenset(_Reading(fragments).selections(operation.selection_set, at_root=True))


class _Reading:
    """One way through an operation; each fragment is read once at the root and once below."""

    def __init__(self, fragments: dict[str, FragmentDefinitionNode]) -> None:
        self._fragments = fragments
        self._read: set[tuple[str, bool]] = set()

    def selections(self, of: SelectionSetNode, *, at_root: bool) -> Iterator[str]:
        for node in of.selections:
            yield from self._selection(node, at_root=at_root)

    def _selection(self, node: SelectionNode, *, at_root: bool) -> Iterator[str]:
        for directive in node.directives or ():
            yield from _variables(directive.arguments)
        match node:
            case FieldNode():
                if not at_root:
                    yield from _variables(node.arguments)
                if node.selection_set is not None:
                    yield from self.selections(node.selection_set, at_root=False)
            case InlineFragmentNode():
                yield from self.selections(node.selection_set, at_root=at_root)
            case FragmentSpreadNode():
                name = node.name.value
                if (name, at_root) not in self._read:
                    self._read.add((name, at_root))
                    fragment = self._fragments[name]
                    yield from self.selections(fragment.selection_set, at_root=at_root)


def _variables(nodes: tuple[Node, ...] | None) -> Iterator[str]:
    """Find the variables in arguments, at any depth of their values."""
    waiting = list(nodes or ())
    while waiting:
        match waiting.pop():
            case VariableNode(name=name):
                yield name.value
            case ListValueNode(values=inner):
                waiting.extend(inner)
            case ObjectValueNode(fields=inner):
                waiting.extend(inner)
            case ArgumentNode(value=value) | ObjectFieldNode(value=value):
                waiting.append(value)
