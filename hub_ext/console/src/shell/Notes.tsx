/** What all views have above them: what is missing, switched off, or recommended. */
import { useConsole } from '../model/console';
import { useStore } from '../model/store';
import { LoadAnew } from './LoadAnew';

export function Notes(): React.JSX.Element {
  const { trans, session, lost, lending } = useConsole();
  const why = useStore(lost);
  const switched = useStore(lending.store).value;
  return (
    <div className="notes">
      {why !== null && (
        <p className="note note-warn" role="status" data-sublet="lost">
          {trans.__('What is shown may be out of date: %1', why)} <LoadAnew />
        </p>
      )}
      {switched?.lending === false && (
        <p className="note note-warn" data-sublet="lending-off">
          {switched.reason === ''
            ? trans.__('Lending is switched off: idle slices are lent to no job.')
            : trans.__('Lending is switched off: %1', switched.reason)}
        </p>
      )}
      {session.sees_all && !session.admin && (
        <p className="note" data-sublet="reads-only">
          {trans.__(
            'You see all that admins see, and change nothing here: what would change something is not shown to you.'
          )}
        </p>
      )}
      {session.admin && !session.own_origins && (
        <p className="note" data-sublet="one-origin">
          {trans.__(
            'All users’ pages share one origin with this hub, so a page that one user makes can act as whoever looks at it. Set JupyterHub.subdomain_host, and subdomain_host of the service.'
          )}
        </p>
      )}
    </div>
  );
}
