/** Whether a slice is guaranteed or borrowed, in the words that were told. */
import type { TranslationBundle } from '@jupyterlab/translation';
import { inLocalTime, moment } from '@sublet-lab/format/quantities';
import * as React from 'react';

import type { Rank } from '../api/rank';
import { rankIcon } from '../controls/icons';
import { Sign } from '../controls/pageContext';

/** The sign and word; `explained`: the meaning instead, which begins with the word. */
export function RankSign(props: {
  trans: TranslationBundle;
  rank: Rank;
  explained?: boolean;
}): React.JSX.Element {
  const { trans, rank } = props;
  const now = new Date();
  const until = rank.as_before_until === null ? null : moment(rank.as_before_until, now);
  const told = inLocalTime(rank.meaning, now);
  const meaning =
    until === null
      ? told
      : `${told} ${trans.__('As before until %1, as less is guaranteed by now.', until)}`;
  const word = wordOf(trans, rank, until, now);
  return (
    <span data-sublet="rank" data-sublet-rank={rank.code} title={meaning}>
      <Sign icon={rankIcon(rank.code)}>{props.explained === true ? meaning : word}</Sign>
    </span>
  );
}

function wordOf(trans: TranslationBundle, rank: Rank, until: string | null, now: Date): string {
  if (until !== null) {
    return trans.__('%1 until %2 (as before)', rank.word, until);
  }
  return rank.back_at !== null && rank.back_at > now
    ? trans.__('%1, back at %2 at the earliest', rank.word, moment(rank.back_at, now))
    : rank.word;
}
