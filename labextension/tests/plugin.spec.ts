import { expect, test } from 'vitest';

import plugin from '../src';

test('the plugin starts with JupyterLab', () => {
  expect(plugin.autoStart).toBe(true);
});
