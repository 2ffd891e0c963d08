/** The frame of all views: the hub's bar, the views that this user has, and the one that is open. */
import type { TranslationBundle } from '@sublet-lab/format/translation';
import { useEffect, useRef } from 'react';

import { useConsole } from '../model/console';
import { useStore } from '../model/store';
import { viewNamed, viewsFor, type Audience, type View } from '../views';
import { Caught } from './Caught';
import { useGroup } from './group';
import { Notes } from './Notes';
import { following, pathOf, usePlace } from './router';
import { ThemeChoice } from './ThemeChoice';

export function App(): React.JSX.Element {
  const { trans, session, groups } = useConsole();
  const place = usePlace(session.prefix);
  const views = viewsFor(session, useStore(groups));
  const view = place.view === '' ? views[0] : views.find(each => each.name === place.view);
  const named = viewNamed(place.view);
  const title = (view ?? named)?.title(trans) ?? trans.__('Nothing here');
  const main = useRef<HTMLElement>(null);
  const shown = useRef(view?.name);
  useEffect(() => {
    document.title = `${title} · Sublet`;
    if (shown.current !== view?.name) {
      // Who reads by ear or keys begins at the new view.
      main.current?.focus();
      shown.current = view?.name;
    }
  }, [title, view?.name]);
  return (
    <>
      <a className="skip" href="#main">
        {trans.__('Skip to the view')}
      </a>
      <header className="bar">
        <a className="logo" href={`${session.hub}home`}>
          <img src={`${session.hub}logo`} alt={trans.__('JupyterHub')} height="28" />
        </a>
        <nav aria-label={trans.__('Views')}>
          <ul>
            {views.map(each => (
              <li key={each.name}>
                <ViewLink view={each} open={each === view} />
              </li>
            ))}
          </ul>
        </nav>
        <div className="bar-end">
          <ThemeChoice />
          <span className="who" data-sublet="who">
            {session.name}
          </span>
          <a href={`${session.hub}logout`}>{trans.__('Log out')}</a>
        </div>
      </header>
      <main id="main" ref={main} tabIndex={-1}>
        <h1>{title}</h1>
        <Notes />
        {view === undefined ? (
          <p data-sublet="no-view">
            {named === undefined ? trans.__('There is no such view.') : notFor(named.isFor, trans)}
          </p>
        ) : (
          <Caught key={view.name}>
            <view.Body />
          </Caught>
        )}
      </main>
    </>
  );
}

/** Why somebody has not a view whose address they have. */
function notFor(audience: Audience, trans: TranslationBundle): string {
  return audience === 'admins-of-groups'
    ? trans.__(
        'This view is for admins, and for admins of groups of the quota document. What you may have, and which line says so, stands in “My share”.'
      )
    : trans.__(
        'This view is for admins, and for who may read what all have. What you have stands in “My share”.'
      );
}

function ViewLink({ view, open }: { view: View; open: boolean }): React.JSX.Element {
  const { trans, session } = useConsole();
  const path = pathOf(session.prefix, view.name, useGroup());
  return (
    <a href={path} onClick={following(path)} {...(open ? { 'aria-current': 'page' as const } : {})}>
      {view.title(trans)}
    </a>
  );
}
