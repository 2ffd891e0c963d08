/** The real parts of `@jupyterlab/ui-components` that are used, without all the others. */
import { LabIcon } from '@jupyterlab/ui-components/lib/icon/labicon';

export { LabIcon };
export { ReactWidget } from '@jupyterlab/ui-components/lib/components/vdom';

export const closeIcon = new LabIcon({
  name: 'ui-components:close',
  svgstr: '<svg xmlns="http://www.w3.org/2000/svg"></svg>'
});

/** Lab's dialogs draw their closing button with it. */
export const Button = 'button';

export const Styling = {
  styleNode: (): void => undefined
};
