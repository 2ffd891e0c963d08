/** The panel of one's share beside an API that answers as it is told: another for each test. */
import { afterEach, beforeEach } from 'vitest';

import { SharePanel } from '../../src/panel/SharePanel';
import { FakeApi } from './fakeApi';
import { pageContextOf, type FakePage } from './page';

export let api: FakeApi;
export let page: FakePage;
export let panel: SharePanel;

/** Have these made anew before each test of a file, and disposed of after it. */
export function freshPanels(): void {
  beforeEach(() => {
    api = new FakeApi();
    page = pageContextOf(api);
    panel = new SharePanel(page);
  });

  afterEach(() => {
    panel.dispose();
    page.model.dispose();
    localStorage.clear();
  });
}
