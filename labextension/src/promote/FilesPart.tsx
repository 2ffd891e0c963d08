/** Which files beside the notebook the job takes along. */
import { bytes } from '@sublet-lab/format/quantities';
import * as React from 'react';

import { Choice } from './fields';
import { takenAmount, type Take } from './form';
import type { PartProps } from './PromoteForm';

export function FilesPart({ trans, subject, form, problems, set }: PartProps): React.JSX.Element {
  const folder = subject.inspection.folder;
  const all = trans._n('%1 file', '%1 files', folder.files);
  const size = folder.too_large
    ? trans.__(
        '(%1 or more: too large, at most %2)',
        bytes(folder.bytes),
        bytes(folder.limit_bytes)
      )
    : trans.__('(%1, %2)', all, bytes(folder.bytes));
  return (
    <>
      <Choice<Take>
        name="take"
        legend={trans.__('Files')}
        value={form.take}
        options={[
          {
            value: 'nothing',
            label: trans.__('run in the notebook’s folder'),
            note: trans.__('(it sees files as they are when it runs)')
          },
          {
            value: 'everything',
            label: trans.__('take a copy of the folder'),
            note: size,
            disabled: folder.too_large || folder.files === 0
          },
          {
            value: 'some',
            label: trans.__('take a copy of some files'),
            disabled: folder.entries.length === 0
          }
        ]}
        set={take => {
          set({ take });
        }}
      />
      {form.take === 'some' && (
        <fieldset className="sublet-files" data-sublet="take-files">
          <legend>
            {trans.__('Files to take along: %1', bytes(takenAmount(form, subject).bytes))}
          </legend>
          {folder.entries.map(entry => (
            <label key={entry.path}>
              <input
                type="checkbox"
                checked={form.taken.includes(entry.path)}
                onChange={event => {
                  const others = form.taken.filter(path => path !== entry.path);
                  set({ taken: event.target.checked ? [...others, entry.path] : others });
                }}
              />
              <span className="sublet-cut" title={entry.path}>
                {entry.kind === 'folder' ? `${entry.path}/` : entry.path}
              </span>
              <span className="sublet-quiet">{bytes(entry.bytes)}</span>
            </label>
          ))}
          {folder.more > 0 && (
            <p className="sublet-quiet" data-sublet="take-more">
              {trans._n(
                'and %1 more: put it into a folder and choose that, or name it on the command line (sublet jobs submit --take).',
                'and %1 more: put them into a folder and choose that, or name them on the command line (sublet jobs submit --take).',
                folder.more
              )}
            </p>
          )}
        </fieldset>
      )}
      {problems.take !== undefined && (
        <span className="sublet-bad" role="alert">
          {problems.take}
        </span>
      )}
    </>
  );
}
