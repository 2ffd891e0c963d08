/** The tab in the main area in which a job's log is followed. */
import { MainAreaWidget } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';

import type { SubletApi } from '../api/client';
import type { Job } from '../api/jobs';
import { sliceIcon } from '../controls/icons';
import { LogView } from './logWidget';

/** A tab that follows this job's log. */
export function logTab(
  api: SubletApi,
  job: Job,
  trans: TranslationBundle
): MainAreaWidget<LogView> {
  const tab = new MainAreaWidget({ content: new LogView(api, job, trans) });
  tab.id = `sublet-log-${job.job_id}`;
  tab.title.label = trans.__('Log: %1', job.name);
  tab.title.caption = job.notebook;
  tab.title.icon = sliceIcon;
  tab.title.closable = true;
  return tab;
}
