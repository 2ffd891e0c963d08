/** The real dialogs of `@jupyterlab/apputils`, without all the rest of it. */
export { Dialog, showErrorMessage } from '@jupyterlab/apputils/lib/dialog';
