/** By what CO₂ is reckoned, by whose word, and as of when. */
import type { CarbonFactors } from '../../api/types';
import { useConsole } from '../../model/console';

export function Factors({ factors }: { factors: CarbonFactors }): React.JSX.Element {
  const { trans } = useConsole();
  const as_of = new Date(`${factors.as_of}T00:00:00`).toLocaleDateString();
  return (
    <p className="quiet" data-sublet="use-carbon">
      {trans.__(
        'CO₂ is kWh × %1 (PUE: what the whole house takes for each kWh of the cards) × %2 g a kWh, by %3, as of %4.',
        factors.pue,
        factors.g_per_kwh,
        factors.source,
        as_of
      )}
    </p>
  );
}
