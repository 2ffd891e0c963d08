/** What the patterns of the chart mean: each is told from the others without its colour. */
import { useConsole } from '../../model/console';
import { KINDS, type Kind } from './course';
import { kindMeaning, kindWord } from './words';

export function ChartLegend(): React.JSX.Element {
  const { trans } = useConsole();
  return (
    <ul className="use-legend plain">
      {KINDS.map(kind => (
        <li key={kind}>
          <svg width="20" height="14" aria-hidden="true">
            <rect width="20" height="14" className="use-area" fill={`url(#use-${kind})`} />
          </svg>{' '}
          {kindWord(kind, trans)} <span className="quiet">{kindMeaning(kind, trans)}</span>
        </li>
      ))}
      <li>
        <svg width="20" height="14" aria-hidden="true">
          <path d="M0 7 H20" className="use-borrowed" />
        </svg>{' '}
        {kindWord('borrowed', trans)}{' '}
        <span className="quiet">{trans.__('of what is held: beyond a guarantee')}</span>
      </li>
    </ul>
  );
}

const MARKS: Readonly<Record<Kind, React.JSX.Element | null>> = {
  used: null,
  idle: <path d="M-2 6 L6 -2 M0 12 L12 0 M6 14 L14 6" />,
  lent: <path d="M0 6 H12 M6 0 V12" />,
  suspended: <circle cx="6" cy="6" r="2" />
};

export function ChartPatterns(): React.JSX.Element {
  return (
    <defs>
      {KINDS.map(kind => (
        <pattern
          key={kind}
          id={`use-${kind}`}
          className={`use-pattern use-${kind}`}
          width="12"
          height="12"
          patternUnits="userSpaceOnUse"
        >
          <rect width="12" height="12" />
          {MARKS[kind]}
        </pattern>
      ))}
    </defs>
  );
}
