"""What an operation costs, told before any of it is run.

The rule, which `docs/security.md` publishes:

- a scalar or an enum costs 1, an object 2, a mutation 10;
- what stands below a field costs half as much again with each level: 1.5 times its own cost;
- a list costs its entries' cost as many times as it may have entries: `first` in a connection (its
  `edges` and `nodes`, and they alone), the number of `ids` where the client lists them, else 10;
- `__schema` and `__type` cost 100, whatever is asked of them: what they answer is as long as the
  schema and no longer.

It is a ceiling: what `@skip` leaves out is counted, and so is each of the alternatives of a union.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any, cast

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    NullValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    get_named_type,
    get_nullable_type,
    is_list_type,
)
from graphql.utilities.get_default_value_ast import get_default_value_ast

SCALAR, OBJECT, MUTATION, INTROSPECTION = 1, 2, 10, 100
LEVEL = 1.5
USUAL_ENTRIES = 10
MOST_ENTRIES = 100
"""No list of ours has more entries; larger demands are refused when they are read."""

META = frozenset({"__schema", "__type"})


@dataclass(frozen=True, slots=True)
class Size:
    """How many entries a list may have: a number, or what a variable says of it."""

    number: int
    variable: str | None = None

    def entries(self, variables: Mapping[str, Any]) -> int:
        """Return the number of entries, 1 to 100, for these variables."""
        if self.variable is None or self.variable not in variables:
            return self.number
        return _counted(variables[self.variable], self.number)


@dataclass(frozen=True, slots=True)
class Price:
    """A cost that may hang on variables: `fixed`, and each of `lists` times its size."""

    fixed: float = 0
    lists: tuple[tuple[Size, "Price"], ...] = ()

    def __add__(self, other: "Price") -> "Price":
        return Price(self.fixed + other.fixed, self.lists + other.lists)

    def scaled(self, by: float) -> "Price":
        """Return so many times the price."""
        return Price(self.fixed * by, tuple((size, each.scaled(by)) for size, each in self.lists))

    def times(self, size: Size) -> "Price":
        """Return the price of a list of that size."""
        if size.variable is None:
            return self.scaled(size.number)
        return Price(lists=((size, self),))

    def asked(self, variables: Mapping[str, Any]) -> int:
        """Return the cost with these variables, in whole points."""
        return ceil(self._sum(variables))

    def _sum(self, variables: Mapping[str, Any]) -> float:
        return self.fixed + sum(
            size.entries(variables) * each._sum(variables)  # noqa: SLF001 - of its own kind
            for size, each in self.lists
        )


class Costs:
    """Prices the operations of one valid document; each fragment is priced once in each place."""

    def __init__(self, schema: GraphQLSchema, document: DocumentNode) -> None:
        self._schema = schema
        self._fragments = {
            definition.name.value: definition
            for definition in document.definitions
            if isinstance(definition, FragmentDefinitionNode)
        }
        self._known: dict[tuple[str, Size | None], Price] = {}
        self._defaults: dict[str, ValueNode | None] = {}

    def operation(self, operation: OperationDefinitionNode) -> Price:
        """Return the price of an operation."""
        self._known.clear()  # the defaults of variables are each operation's own
        self._defaults = {
            definition.variable.name.value: definition.default_value
            for definition in operation.variable_definitions or ()
        }
        root = self._schema.get_root_type(operation.operation)
        return self._selection(cast("GraphQLNamedType", root), operation.selection_set, None)

    def _selection(
        self, parent: GraphQLNamedType, selection: SelectionSetNode, page: Size | None
    ) -> Price:
        """Price what is asked of an object; a connection's lists have entries for one `page`."""
        price = Price()
        for node in selection.selections:
            if isinstance(node, FieldNode):
                price += self._field(parent, node, page)
            elif isinstance(node, FragmentSpreadNode):
                price += self._fragment(node.name.value, page)
            elif isinstance(node, InlineFragmentNode):
                kind = self._condition(node) or parent
                price += self._selection(kind, node.selection_set, page)
        return price

    def _fragment(self, name: str, page: Size | None) -> Price:
        if (name, page) not in self._known:
            fragment = self._fragments[name]
            kind = cast("GraphQLNamedType", self._condition(fragment))
            self._known[name, page] = self._selection(kind, fragment.selection_set, page)
        return self._known[name, page]

    def _condition(
        self, fragment: InlineFragmentNode | FragmentDefinitionNode
    ) -> GraphQLNamedType | None:
        named = fragment.type_condition
        return self._schema.get_type(named.name.value) if named else None

    def _field(self, parent: GraphQLNamedType, node: FieldNode, page: Size | None) -> Price:
        name = node.name.value
        if name in META:
            return Price(INTROSPECTION)
        if name == "__typename":
            return Price(SCALAR)
        is_mutation = parent is self._schema.mutation_type
        if node.selection_set is None:
            return Price(MUTATION if is_mutation else SCALAR)
        field = cast("GraphQLObjectType | GraphQLInterfaceType", parent).fields[name]
        inside = self._size(field, node, "first")
        below = self._selection(get_named_type(field.type), node.selection_set, inside)
        price = Price(MUTATION if is_mutation else OBJECT) + below.scaled(LEVEL)
        if is_list_type(get_nullable_type(field.type)):
            return price.times(inside or self._size(field, node, "ids") or page or USUAL)
        return price

    def _size(self, field: GraphQLField, node: FieldNode, name: str) -> Size | None:
        """Return the size that an argument asks for; None where there is no such argument."""
        if name not in field.args:
            return None
        default = get_default_value_ast(field.args[name])
        usual = self._asked(default, USUAL_ENTRIES).number if default else USUAL_ENTRIES
        for argument in node.arguments or ():
            if argument.name.value == name:
                return self._asked(argument.value, usual)
        return Size(usual)

    def _asked(self, value: ValueNode, usual: int) -> Size:
        if isinstance(value, VariableNode):
            variable = value.name.value
            default = self._defaults.get(variable)
            number = usual if default is None else self._asked(default, usual).number
            return Size(number, variable)
        if isinstance(value, IntValueNode):
            return Size(_counted(int(value.value[:9]), usual))
        if isinstance(value, ListValueNode):
            return Size(_counted(list(value.values), usual))
        return Size(usual if isinstance(value, NullValueNode) else 1)


USUAL = Size(USUAL_ENTRIES)


def _counted(value: object, otherwise: int) -> int:
    """Return how many entries a value asks for, as far as it can be had."""
    if isinstance(value, list):
        value = len(value)
    if value is None:
        return otherwise
    number = value if isinstance(value, int) and not isinstance(value, bool) else 1
    return max(1, min(number, MOST_ENTRIES))
