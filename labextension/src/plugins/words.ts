/** Names that more than one plugin uses. */

export const SETTINGS = 'sublet-lab:share';
export const DOMAIN = 'sublet-lab';

export const Commands = {
  openPanel: 'sublet:open-panel',
  promote: 'sublet:promote',
  promoteFile: 'sublet:promote-file',
  openResult: 'sublet:open-result',
  followLog: 'sublet:follow-log'
} as const;
