/** The plugins of this extension. */
import type { JupyterFrontEndPlugin } from '@jupyterlab/application';

const plugin: JupyterFrontEndPlugin<void> = {
  id: 'sublet-lab:share',
  description: 'Shows your share of the GPUs.',
  autoStart: true,
  activate: () => {
    console.debug('Sublet is here');
  }
};

export default plugin;
