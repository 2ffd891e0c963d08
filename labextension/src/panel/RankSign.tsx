/** Whether a slice is guaranteed or borrowed, in the words that were told. */
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import type { Rank } from '../api/rank';
import { rankIcon } from '../controls/icons';
import { Sign } from '../controls/pageContext';
import { moment } from '../format/quantities';

/** The sign and word; `explained`: the meaning instead, which begins with the word. */
export function RankSign(props: {
  trans: TranslationBundle;
  rank: Rank;
  explained?: boolean;
}): React.JSX.Element {
  const { trans, rank } = props;
  const until = rank.as_before_until === null ? null : moment(rank.as_before_until, new Date());
  const meaning =
    until === null
      ? rank.meaning
      : `${rank.meaning} ${trans.__('As before until %1, as less is guaranteed by now.', until)}`;
  const word = until === null ? rank.word : trans.__('%1 until %2 (as before)', rank.word, until);
  return (
    <span data-sublet="rank" data-sublet-rank={rank.code} title={meaning}>
      <Sign icon={rankIcon(rank.code)}>{props.explained === true ? meaning : word}</Sign>
    </span>
  );
}
