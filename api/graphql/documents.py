"""Documents: parsed, measured and validated once for each text."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    GraphQLSyntaxError,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    OperationType,
    parse,
    specified_rules,
    validate,
)
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

from api.codes import Code
from api.graphql.classes import OperationClass, classes
from api.graphql.cost import Costs, Price
from api.graphql.errors import Refused, document_entry, refused
from api.graphql.limits import Limits, Measure, excess
from api.graphql.shaping import shaping_variables

MOST_ERRORS = 5
"""Validation stops there: the first few tell enough, and all of them cost."""


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """A valid document and its operations, with the price and the classes of each.

    `shaping` names, for each subscription, the variables that what is told of an event can hang on.
    """

    tree: DocumentNode
    operations: tuple[OperationDefinitionNode, ...]
    prices: Mapping[str | None, Price]
    classes: Mapping[str | None, Mapping[OperationClass, int]]
    shaping: Mapping[str | None, frozenset[str]]

    def operation(self, name: str | None) -> OperationDefinitionNode:
        """Return the operation to run. Raises Refused for an unknown or a missing name."""
        if name is None:
            if len(self.operations) == 1:
                return self.operations[0]
            raise refused(
                Code.VALIDATION_FAILED,
                "The document has several operations: name the one to run in `operationName`.",
            )
        for operation in self.operations:
            if name_of(operation) == name:
                return operation
        raise refused(
            Code.VALIDATION_FAILED, "The document has no operation of the name `operationName`."
        )


class Documents:
    """Reads documents, and remembers the valid ones that were used last, at most `capacity`.

    What is remembered has passed the limits, so `capacity` bounds its memory.
    """

    def __init__(
        self,
        schema: GraphQLSchema,
        limits: Limits,
        *,
        introspection: bool = True,
        suggestions: bool = True,
        capacity: int = 500,
    ) -> None:
        self._schema = schema
        self._limits = limits
        self._suggestions = suggestions
        self._capacity = capacity
        self._known: OrderedDict[str, Document] = OrderedDict()
        self._rules = (
            *specified_rules,
            MaybeNullValidationRule,
            OneOfInputValidationRule,
            *(() if introspection else (NoSchemaIntrospectionCustomRule,)),
        )

    def __len__(self) -> int:
        return len(self._known)

    def read(self, text: str) -> Document:
        """Return the document of a text. Raises Refused."""
        known = self._known.get(text)
        if known is None:
            known = self._known[text] = self._read(text)
            if len(self._known) > self._capacity:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(text)
        return known

    def _read(self, text: str) -> Document:
        tree = self._parse(text)
        if reason := excess(tree, self._limits):
            raise refused(Code.QUERY_TOO_COMPLEX, reason)
        try:
            errors = validate(
                self._schema,
                tree,
                self._rules,
                max_errors=MOST_ERRORS,
                hide_suggestions=not self._suggestions,
            )
        except (ValueError, KeyError) as fault:
            # Rules trip over literals that Python cannot read (integers of 10,000 digits) and, in
            # Strawberry's, over variables that are not declared.
            raise refused(
                Code.VALIDATION_FAILED, "A value in the document is not valid."
            ) from fault
        if errors:
            raise Refused(*map(document_entry, errors))
        operations = tuple(
            definition
            for definition in tree.definitions
            if isinstance(definition, OperationDefinitionNode)
        )
        if not operations:
            raise refused(Code.VALIDATION_FAILED, "The document has no operation.")
        measure, costs = Measure(tree), Costs(self._schema, tree)
        return Document(
            tree,
            operations,
            {name_of(each): costs.operation(each) for each in operations},
            {name_of(each): classes(each, measure.operation(each)) for each in operations},
            {
                name_of(each): shaping_variables(tree, each)
                for each in operations
                if each.operation is OperationType.SUBSCRIPTION
            },
        )

    def _parse(self, text: str) -> DocumentNode:
        try:
            return parse(
                text,
                max_lexical_tokens=self._limits.tokens,
                max_comments=self._limits.tokens,
            )
        except GraphQLSyntaxError as error:
            # graphql-core tells its own ceilings by their words alone.
            aborted = error.message.endswith("Parsing aborted.")
            code = Code.QUERY_TOO_COMPLEX if aborted else Code.VALIDATION_FAILED
            raise Refused(document_entry(error, code)) from None
        except GraphQLError as error:
            raise Refused(document_entry(error)) from None


def name_of(operation: OperationDefinitionNode) -> str | None:
    """Return an operation's name, or None for an anonymous one."""
    return operation.name.value if operation.name else None
