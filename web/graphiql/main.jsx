// GraphiQL for Storyloom, with the recipe from sign-up to the first story in its tabs.

import './workers.js';
import 'graphiql/style.css';
import './page.css';

import { GraphiQL } from 'graphiql';
import { useSyncExternalStore } from 'react';
import { createRoot } from 'react-dom/client';

import { createFetcher } from './fetcher.js';
import { current, forget, subscribe } from './keepsakes.js';
import { RECIPE } from './recipe.js';

const NAMES = { challengeId: 'the challenge', accessToken: 'the access token', storyId: 'the story' };

function Kept() {
  const kept = useSyncExternalStore(subscribe, current);
  const known = Object.keys(NAMES).filter((name) => kept[name]);
  if (!known.length) return <div className="kept">Run the tabs from left to right.</div>;
  return (
    <div className="kept">
      <span>Kept from earlier steps: {known.map((name) => NAMES[name]).join(', ')}.</span>
      <button type="button" onClick={forget}>
        Forget them
      </button>
    </div>
  );
}

// GraphiQL fills the first tab's variables only with what is stored, or with what is said here.
const firstVisit = localStorage.getItem('graphiql:tabState') === null;

createRoot(document.getElementById('page')).render(
  <GraphiQL
    fetcher={createFetcher(`${location.origin}/graphql`)}
    defaultTabs={RECIPE}
    initialVariables={firstVisit ? RECIPE[0].variables : undefined}
    defaultEditorToolsVisibility="variables"
    inputValueDeprecation
    schemaDescription
  >
    <GraphiQL.Logo>Storyloom</GraphiQL.Logo>
    <GraphiQL.Footer>
      <Kept />
    </GraphiQL.Footer>
  </GraphiQL>,
);
