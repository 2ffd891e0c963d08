/** What the cards took, and what that came to in CO2: by whose word, and as of when. */
import { decimal } from '@sublet-lab/format/quantities';

import { useConsole } from '../../model/console';
import type { Answer } from '../../model/answer';
import { chosenOf, energyOf, G_PER_KG, WH_PER_KWH } from './course';
import { Factors } from './Factors';
import { Part } from './Part';
import type { Course } from './queries';
import { stepWord } from './words';

export function EnergyPart(props: { answer: Answer<Course>; csv: string }): React.JSX.Element {
  const { trans } = useConsole();
  return (
    <Part
      name="use-energy"
      title={trans.__('Energy and carbon')}
      answer={props.answer}
      csv={props.csv}
    >
      {course => <Energy course={course} />}
    </Part>
  );
}

function Energy({ course }: { course: Course }): React.JSX.Element {
  const { trans, session } = useConsole();
  const { report } = course;
  const energy = energyOf(chosenOf(report.rows, course));
  return (
    <>
      {energy === null && (
        <p>{trans.__('No energy is told: nothing was held, or cards have no counter.')}</p>
      )}
      {energy !== null && (
        <dl className="use-energy">
          <div>
            <dt>{trans.__('energy of the cards')}</dt>
            <dd>{trans.__('%1 kWh', decimal(energy.energy_wh / WH_PER_KWH))}</dd>
          </div>
          {energy.carbon_g !== null && (
            <div>
              <dt>{trans.__('CO₂')}</dt>
              <dd>{trans.__('%1 kg', decimal(energy.carbon_g / G_PER_KG))}</dd>
            </div>
          )}
        </dl>
      )}
      {energy !== null && energy.told < energy.steps && (
        <p className="why">
          {trans.__(
            'Told of %1 of %2 steps (each a %3): in the others cards had no counter.',
            energy.told,
            energy.steps,
            stepWord(course.step, trans)
          )}
        </p>
      )}
      {report.carbon !== null ? (
        <Factors factors={report.carbon} />
      ) : session.admin ? (
        <p className="quiet" data-sublet="use-no-carbon">
          {trans.__(
            'No CO₂ is told: set SubletHub.carbon_g_per_kwh, with carbon_source (who says so), carbon_as_of (a date) and pue.'
          )}
        </p>
      ) : (
        <p className="quiet">{trans.__('How much CO₂ a kWh comes to is not set here.')}</p>
      )}
    </>
  );
}
