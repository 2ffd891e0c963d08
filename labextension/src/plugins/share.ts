/** The share itself: the model, its settings, the status bar's item and the panel. */
import {
  ILayoutRestorer,
  type JupyterFrontEnd,
  type JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { PageConfig } from '@jupyterlab/coreutils';
import { INotebookTracker, NotebookActions } from '@jupyterlab/notebook';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { IStatusBar } from '@jupyterlab/statusbar';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { Signal } from '@lumino/signaling';

import { SubletClient } from '../api/client';
import { partsOf } from '../model/parts';
import { IShareModel, ShareModel } from '../model/share';
import { SharePanel } from '../panel/SharePanel';
import { StatusItem } from '../status/statusItem';
import { sliceIcon } from '../controls/icons';
import { pageContextOf } from './pageContext';
import { Commands, DOMAIN, SETTINGS } from './words';

const INTERVAL_S = 2;
const PANEL_RANK = 300;
const STATUS_RANK = 4;

/** What is known of the share; asks nothing but once where there is no Sublet. */
export const modelPlugin: JupyterFrontEndPlugin<ShareModel> = {
  id: SETTINGS,
  description: "Keeps what is known of the user's share of the GPUs.",
  autoStart: true,
  provides: IShareModel,
  optional: [ISettingRegistry],
  activate: (app: JupyterFrontEnd, registry: ISettingRegistry | null): ShareModel => {
    const model = new ShareModel({
      api: new SubletClient(app.serviceManager.serverSettings),
      serverName: PageConfig.getOption('hubServerName'),
      interval_s: INTERVAL_S,
      parts: partsOf(PageConfig.getOption('subletParts'))
    });
    const follow = (settings: ISettingRegistry.ISettings): void => {
      const chosen = settings.get('pollInterval').composite;
      model.setInterval(typeof chosen === 'number' && chosen > 0 ? chosen : INTERVAL_S);
    };
    registry?.load(SETTINGS).then(
      settings => {
        follow(settings);
        settings.changed.connect(follow);
      },
      (error: unknown) => {
        console.warn('Sublet: settings could not be read, the usual ones apply:', error);
      }
    );
    model.start();
    return model;
  }
};

/** Looks closely when a cell is run, which is when a slice comes back. */
export const returnPlugin: JupyterFrontEndPlugin<void> = {
  id: 'sublet-lab:return',
  description: 'Shows the return of your slice when you run a cell.',
  autoStart: true,
  requires: [IShareModel, INotebookTracker],
  activate: (_app: JupyterFrontEnd, model: ShareModel): void => {
    NotebookActions.executionScheduled.connect(() => {
      model.expectReturn();
    });
  }
};

/** The panel in the side bar. */
export const panelPlugin: JupyterFrontEndPlugin<void> = {
  id: 'sublet-lab:panel',
  description: 'Shows your share of the GPUs in the side bar.',
  autoStart: true,
  requires: [IShareModel],
  optional: [ILayoutRestorer, ICommandPalette, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    model: ShareModel,
    restorer: ILayoutRestorer | null,
    palette: ICommandPalette | null,
    translator: ITranslator | null
  ): void => {
    const trans = (translator ?? nullTranslator).load(DOMAIN);
    const panel = new SharePanel(pageContextOf(app, model, trans));
    restorer?.add(panel, panel.id);
    app.commands.addCommand(Commands.openPanel, {
      label: trans.__('Show My Share of the GPUs'),
      caption: trans.__('Your slice, your group’s quota and your training jobs'),
      icon: sliceIcon,
      isVisible: () => model.isPresent,
      isEnabled: () => model.isPresent,
      execute: async () => {
        // Lab closes side bars while it restores how they were.
        await app.restored;
        app.shell.activateById(panel.id);
      }
    });
    void model.presence.then(isPresent => {
      if (!isPresent) {
        panel.dispose();
        return;
      }
      if (!panel.isAttached) {
        app.shell.add(panel, 'right', { rank: PANEL_RANK });
      }
      palette?.addItem({ command: Commands.openPanel, category: trans.__('Sublet') });
      app.commands.notifyCommandChanged();
    });
  }
};

/** The item in the status bar, unless it is switched off. */
export const statusPlugin: JupyterFrontEndPlugin<void> = {
  id: 'sublet-lab:status',
  description: 'Shows your slice of a GPU in the status bar.',
  autoStart: true,
  requires: [IShareModel, IStatusBar],
  optional: [ISettingRegistry, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    model: ShareModel,
    statusBar: IStatusBar,
    registry: ISettingRegistry | null,
    translator: ITranslator | null
  ): void => {
    const trans = (translator ?? nullTranslator).load(DOMAIN);
    let isOn = true;
    const item = new StatusItem(model, trans, () => {
      void app.commands.execute(Commands.openPanel);
    });
    const activeChanged = new Signal<StatusItem, void>(item);
    void model.presence.then(isPresent => {
      if (!isPresent) {
        item.dispose();
        return;
      }
      statusBar.registerStatusItem('sublet-lab:status', {
        item,
        align: 'left',
        rank: STATUS_RANK,
        priority: 1,
        isActive: () => isOn,
        activeStateChanged: activeChanged
      });
    });
    const follow = (settings: ISettingRegistry.ISettings): void => {
      isOn = settings.get('statusBar').composite !== false;
      activeChanged.emit();
    };
    registry?.load(SETTINGS).then(
      settings => {
        follow(settings);
        settings.changed.connect(follow);
      },
      () => {
        // Told once, by the model's plugin.
      }
    );
  }
};
