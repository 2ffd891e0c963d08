/** In place of a view that could not be shown: the rest of the page stays. */
import { Component, type ReactNode } from 'react';

import { useConsole } from '../model/console';
import { LoadAnew } from './LoadAnew';

/** What is drawn with another `key` begins anew. */
export class Caught extends Component<{ children: ReactNode }, { failed: boolean }> {
  override state = { failed: false };

  static getDerivedStateFromError(): { failed: boolean } {
    return { failed: true };
  }

  override render(): ReactNode {
    return this.state.failed ? <NotShown /> : this.props.children;
  }
}

function NotShown(): React.JSX.Element {
  const { trans } = useConsole();
  return (
    <p className="note note-warn" role="alert" data-sublet="not-shown">
      {trans.__(
        'This view could not be shown: the service may be starting, or it is another than when this page was opened.'
      )}{' '}
      <LoadAnew />
    </p>
  );
}
