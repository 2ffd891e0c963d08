/** Promote a notebook: the command behind toolbar button, menu entry and context menu. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette, Notification } from '@jupyterlab/apputils';
import { IFileBrowserFactory } from '@jupyterlab/filebrowser';
import { INotebookTracker } from '@jupyterlab/notebook';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import type { Job } from '../api/jobs';
import { IShareModel, type ShareModel } from '../model/share';
import { Promotion } from '../promote/promotion';
import { promoteIcon, waitingIcon } from '../controls/icons';
import { pageContextOf } from './pageContext';
import { Commands, DOMAIN } from './words';

const SHOWN_MS = 8000;

export const promotePlugin: JupyterFrontEndPlugin<void> = {
  id: 'sublet-lab:promote',
  description: 'Runs notebooks as training jobs.',
  autoStart: true,
  requires: [IShareModel, INotebookTracker],
  optional: [IFileBrowserFactory, ICommandPalette, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    model: ShareModel,
    notebooks: INotebookTracker,
    browsers: IFileBrowserFactory | null,
    palette: ICommandPalette | null,
    translator: ITranslator | null
  ): void => {
    const trans = (translator ?? nullTranslator).load(DOMAIN);
    const promotion = new Promotion(pageContextOf(app, model, trans), app.serviceManager.contents);
    const label = trans.__('Promote to Training…');
    const caption = trans.__(
      'Promote to training: run this notebook as a job, on GPUs that are idle'
    );

    const tell = (job: Job | null): void => {
      if (job === null) {
        return;
      }
      Notification.success(trans.__('%1 is in the queue as a training job.', job.name), {
        autoClose: SHOWN_MS,
        actions: [
          {
            label: trans.__('Show my jobs'),
            callback: () => {
              void app.commands.execute(Commands.openPanel);
            }
          }
        ]
      });
    };
    const chosen = (): string | null => {
      const items = [...(browsers?.tracker.currentWidget?.selectedItems() ?? [])];
      const only = items.length === 1 ? items[0] : undefined;
      return only?.type === 'notebook' ? only.path : null;
    };

    const isPending = (): boolean => {
      const path = notebooks.currentWidget?.context.path;
      return path !== undefined && promotion.isPending(path);
    };

    app.commands.addCommand(Commands.promote, {
      label,
      caption: () => (isPending() ? trans.__('This notebook is being promoted…') : caption),
      icon: () => (isPending() ? waitingIcon : promoteIcon),
      isVisible: () => model.isPresent,
      isEnabled: () => model.isPresent && notebooks.currentWidget !== null && !isPending(),
      execute: async () => {
        const panel = notebooks.currentWidget;
        if (panel !== null) {
          tell(await promotion.ofContext(panel.context));
        }
      }
    });
    app.commands.addCommand(Commands.promoteFile, {
      label,
      caption,
      icon: promoteIcon,
      isVisible: () => model.isPresent && chosen() !== null,
      execute: async () => {
        const path = chosen();
        if (path === null) {
          return;
        }
        const open = notebooks.find(panel => panel.context.path === path);
        tell(
          open === undefined
            ? await promotion.ofPath(path)
            : await promotion.ofContext(open.context)
        );
      }
    });
    const changed = (): void => {
      app.commands.notifyCommandChanged(Commands.promote);
    };
    notebooks.currentChanged.connect(changed);
    promotion.pendingChanged.connect(changed);
    void model.presence.then(isPresent => {
      if (isPresent) {
        palette?.addItem({ command: Commands.promote, category: trans.__('Sublet') });
      }
      app.commands.notifyCommandChanged();
    });
  }
};
