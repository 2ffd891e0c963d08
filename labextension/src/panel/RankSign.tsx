/** Whether a slice is guaranteed or borrowed, in the words that were told. */
import * as React from 'react';

import type { Rank } from '../api/rank';
import { rankIcon } from '../controls/icons';
import { Sign } from '../controls/pageContext';

/** The sign and word; `explained`: the meaning instead, which begins with the word. */
export function RankSign(props: { rank: Rank; explained?: boolean }): React.JSX.Element {
  const { rank } = props;
  return (
    <span data-sublet="rank" data-sublet-rank={rank.code} title={rank.meaning}>
      <Sign icon={rankIcon(rank.code)}>{props.explained === true ? rank.meaning : rank.word}</Sign>
    </span>
  );
}
