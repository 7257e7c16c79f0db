// Carries operations to the API: queries and mutations by POST, subscriptions over a WebSocket.

import { getOperationAST } from 'graphql';
import { createClient } from 'graphql-ws';

import { current, filled, keepFrom } from './keepsakes.js';

const MOST_EVENTS = 200;

/** The token of the headers editor goes first; else the one that the last log-in gave. */
function withToken(headers) {
  const named = Object.keys(headers).some((name) => name.toLowerCase() === 'authorization');
  const { accessToken } = current();
  return named || !accessToken ? headers : { ...headers, Authorization: `Bearer ${accessToken}` };
}

async function post(url, parameters, headers) {
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      Accept: 'application/graphql-response+json, application/json',
      'Content-Type': 'application/json',
      ...headers,
    },
    body: JSON.stringify(parameters),
  });
  const answer = await response.json();
  keepFrom(answer);
  return answer;
}

/** Show the events of a subscription as a list that grows, the newest first. */
async function* watch(url, parameters, headers) {
  const name = Object.keys(headers).find((each) => each.toLowerCase() === 'authorization');
  const client = createClient({
    url: url.replace(/^http/, 'ws'),
    connectionParams: name ? { authorization: headers[name] } : undefined,
    retryAttempts: 0,
  });
  const events = [];
  try {
    for await (const { data, errors } of client.iterate(parameters)) {
      events.unshift(errors ? { errors } : data);
      events.length = Math.min(events.length, MOST_EVENTS);
      yield { events: [...events] };
    }
  } catch (fault) {
    // A socket that is closed tells its code and reason; an operation that is refused, errors.
    const reason = fault instanceof CloseEvent ? `${fault.code} ${fault.reason}` : fault;
    events.unshift({ closed: reason instanceof Error ? reason.message : reason });
    yield { events: [...events] };
  } finally {
    client.dispose();
  }
}

export function createFetcher(url) {
  return (parameters, { headers = {}, documentAST } = {}) => {
    const sent = { ...parameters, variables: filled(parameters.variables) };
    const operation = documentAST && getOperationAST(documentAST, parameters.operationName);
    const carry = operation?.operation === 'subscription' ? watch : post;
    return carry(url, sent, withToken(headers));
  };
}
