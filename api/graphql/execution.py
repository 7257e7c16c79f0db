"""Runs operations: graphql-core on the schema's resolvers, under a deadline."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Any, cast
from uuid import UUID

import orjson
import strawberry
from graphql import ExecutionResult, OperationDefinitionNode, OperationType
from graphql.execution import Executor, create_source_event_stream
from strawberry.execution import optimized_is_awaitable

from api.codes import Code
from api.graphql.classes import OperationClass
from api.graphql.documents import Document, Documents, name_of
from api.graphql.errors import (
    ErrorEntry,
    Refused,
    document_entry,
    entry,
    execution_entry,
    internal_entry,
    refusal_entry,
    refused,
)
from api.graphql.limits import Limits
from api.graphql.requests import GraphQLRequest
from api.graphql.sharing import Encoded, Group, Sharing
from api.graphql.trusted import TrustedDocuments
from domain.refusals import Refusal
from usecases.ports.live import FollowerTooSlow

MOST_VARIABLE_ERRORS = 10

CostEntry = dict[str, int | None]
"""What `extensions.cost` tells, in points."""

NewContext = Callable[[], object]
"""Makes the context of one execution: loaders are never shared between two."""


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation that is ready to run."""

    document: Document
    definition: OperationDefinitionNode
    variables: dict[str, Any]
    cost: int = 0

    @property
    def name(self) -> str | None:
        """The name that its author gave it."""
        return name_of(self.definition)

    @property
    def facts(self) -> dict[str, Any]:
        """What a log line may say of it: never its text."""
        return {"operation": self.name and self.name[:60], "kind": self.kind.value}

    @property
    def kind(self) -> OperationType:
        """Query, mutation or subscription."""
        return self.definition.operation

    @property
    def authenticates(self) -> bool:
        """Whether it guesses at a secret, so that it must not run without limits."""
        return OperationClass.AUTHENTICATION in self.classes

    @property
    def classes(self) -> Mapping[OperationClass, int]:
        """How many fields of each class of operations it has."""
        return self.document.classes[self.name]


@dataclass(frozen=True, slots=True)
class Answer:
    """What one execution gave. `began` is False where the variables already were wrong."""

    data: dict[str, Any] | None
    errors: list[ErrorEntry]
    began: bool = True

    def body(self, request_id: str, cost: CostEntry | None = None) -> dict[str, Any]:
        """Return the response, in the order of the specification: errors first."""
        return {**self.content, "extensions": extensions(request_id, cost)}

    @property
    def content(self) -> dict[str, Any]:
        """What the response says to whoever asks the same."""
        errors = {"errors": self.errors} if self.errors else {}
        data = {"data": self.data} if self.began else {}
        return {**errors, **data}


def extensions(request_id: str, cost: CostEntry | None = None) -> dict[str, Any]:
    """Return what a response says of itself."""
    return {"requestId": request_id, **({} if cost is None else {"cost": cost})}


def extensions_tail(request_id: str, cost: CostEntry | None = None) -> str:
    """Write the last entry of a response: the same for all events of one subscription."""
    return f'"extensions":{orjson.dumps(extensions(request_id, cost)).decode()}'


class Engine:
    """The schema, ready to serve. `seconds` is the deadline of an execution, events included."""

    def __init__(
        self,
        schema: strawberry.Schema,
        limits: Limits | None = None,
        *,
        trusted: TrustedDocuments | None = None,
        introspection: bool = True,
        suggestions: bool = True,
        seconds: float = 10,
        most_cost: int = 10_000,
    ) -> None:
        self._schema = schema._schema  # noqa: SLF001 - Strawberry's own way in parses every time
        self._executor_class = schema.execution_context_class
        self._trusted = trusted or TrustedDocuments()
        self._suggestions = suggestions
        self._seconds = seconds
        self._most_cost = most_cost
        self.sharing = Sharing()
        self.documents = Documents(
            self._schema,
            limits or Limits(),
            introspection=introspection,
            suggestions=suggestions,
        )

    def prepare(self, request: GraphQLRequest) -> Operation:
        """Parse, measure, validate and price, and choose the operation. Raises Refused."""
        document = self.documents.read(self._text(request))
        definition = document.operation(request.operation_name)
        cost = document.prices[name_of(definition)].asked(request.variables)
        if cost > self._most_cost:
            raise Refused(_too_dear(cost, self._most_cost))
        return Operation(document, definition, request.variables, cost)

    def cost_entry(self, operation: Operation, remaining: int | None) -> CostEntry:
        """Tell what an operation costs; `remaining` of the budget is unknown without Redis."""
        return {"asked": operation.cost, "limit": self._most_cost, "remaining": remaining}

    def _text(self, request: GraphQLRequest) -> str:
        if request.document_hash is not None:
            text = self._trusted.text(request.document_hash)
            if text is None and request.query is None:
                # These are the words by which Apollo's clients know to send the whole document.
                raise refused(Code.NOT_FOUND, "PersistedQueryNotFound")
            if text is not None and request.query in {None, text}:
                return text
        text = request.query or ""
        if request.document_hash not in {None, sha256(text.encode()).hexdigest()}:
            raise refused(Code.VALIDATION_FAILED, "The hash is not that of the document.")
        if self._trusted.only and text not in self._trusted:
            raise refused(
                Code.FORBIDDEN, "Only trusted documents run here: send the `documentId` of one."
            )
        return text

    async def run(self, operation: Operation, new_context: NewContext) -> Answer:
        """Run a query or a mutation to its end, or to the deadline."""
        executor = self._build(operation, new_context())
        if isinstance(executor, Answer):
            return executor
        return await self._finish(executor)

    async def stream(
        self, operation: Operation, new_context: NewContext, viewer: UUID | None = None
    ) -> AsyncGenerator[Encoded]:
        """Run a subscription: one answer for each event, each executed in a context of its own.

        Followers who ask alike for the same `viewer` get the same answer to the same event. Raises
        Refused where it cannot begin, or cannot go on, and FollowerTooSlow.
        """
        executor = self._build(operation, new_context())
        if isinstance(executor, Answer):
            raise Refused(*executor.errors)
        group = Group.of(operation.document, operation.name, operation.variables, viewer)
        try:
            async with aclosing(await _source(executor)) as events:
                async for event in events:
                    tell = partial(self._tell, executor, event, new_context)
                    encoded = await self.sharing.told(event, group, tell)
                    del event, tell  # hold no text of the past: followers are many, and wait long
                    yield encoded
                    del encoded
        except (Refused, FollowerTooSlow):
            raise
        except Refusal as refusal:
            raise Refused(refusal_entry(refusal)) from None
        except Exception as fault:  # noqa: BLE001 - a fault ends the operation, not its socket
            raise Refused(internal_entry(fault)) from None

    def _build(self, operation: Operation, context: object) -> "Executor[Any] | Answer":
        executor = self._executor_class.build(
            self._schema,
            operation.document.tree,
            context_value=context,
            raw_variable_values=operation.variables,
            operation_name=operation.name,
            max_coercion_errors=MOST_VARIABLE_ERRORS,
            is_awaitable=cast("Any", optimized_is_awaitable),
            hide_suggestions=not self._suggestions,
            operation_extensions=None,
        )
        if isinstance(executor, list):
            return Answer(None, [document_entry(error) for error in executor], began=False)
        return executor

    async def _tell(
        self, executor: "Executor[Any]", event: object, new_context: NewContext
    ) -> bytes:
        each = executor.build_per_event_executor(event)
        each.context_value = new_context()
        return orjson.dumps((await self._finish(each)).content)

    async def _finish(self, executor: "Executor[Any]") -> Answer:
        try:
            async with asyncio.timeout(self._seconds):
                result: Any = executor.execute_operation()
                if not isinstance(result, ExecutionResult):
                    result = await result
        except TimeoutError:
            return Answer(None, [_late(self._seconds)])
        return Answer(result.data, [execution_entry(error) for error in result.errors or ()])


async def _source(executor: "Executor[Any]") -> Any:  # noqa: ANN401 - an async generator of events
    source = create_source_event_stream(executor)
    if not isinstance(source, ExecutionResult | AsyncIterable):
        source = await source
    if isinstance(source, ExecutionResult):
        raise Refused(*(execution_entry(error) for error in source.errors or ()))
    return source


def _too_dear(cost: int, most: int) -> ErrorEntry:
    told = entry(
        Code.QUERY_TOO_COMPLEX,
        f"The operation costs {cost} points, more than {most}: ask for less at once.",
    )
    told["extensions"]["cost"] = {"asked": cost, "limit": most}
    return told


def _late(seconds: float) -> ErrorEntry:
    return entry(
        Code.UPSTREAM_UNAVAILABLE,
        f"The operation took longer than {seconds:g} seconds and was stopped: ask for less, "
        "or try again.",
    )
