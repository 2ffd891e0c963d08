/** Which of their groups an admin of groups looks at; others have nothing to choose. */
import { useConsole } from '../model/console';
import { useStore } from '../model/store';
import { setGroup } from '../shell/router';
import { Choice } from './Choice';

const OWN = '';

export function GroupChoice(props: {
  /** `null`: what is one's own. */
  group: string | null;
  /** Whether what is one's own is to be had in this view, too. */
  withOwn: boolean;
}): React.JSX.Element | null {
  const { trans, groups } = useConsole();
  const { group, withOwn } = props;
  const known = useStore(groups);
  if (known.length + Number(withOwn) < 2) {
    return null;
  }
  const options = known.map(each => [each, trans.__('Group %1', each)] as const);
  return (
    <div className="filter" data-sublet="group-choice">
      <Choice
        label={trans.__('Of')}
        value={group ?? OWN}
        options={withOwn ? [[OWN, trans.__('Mine alone')], ...options] : options}
        onChange={chosen => {
          setGroup(chosen === OWN ? null : chosen);
        }}
      />
    </div>
  );
}
