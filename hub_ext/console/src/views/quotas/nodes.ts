/** Which groups of the tree are shown. */
import type { GroupNode, QuotaTree } from '../../api/types';

export interface TreeFilter {
  readonly text: string;
  /** Only those with more than they may have, or whose budget is over. */
  readonly over: boolean;
}

/** So many groups are drawn; of more it is said that they are there. */
export const MOST_SHOWN = 300;

export interface Found {
  readonly shown: readonly GroupNode[];
  readonly found: number;
}

/** The groups that are looked for, each with those above it; of all words each must be found. */
export function foundIn(tree: QuotaTree, filter: TreeFilter): Found {
  const words = filter.text.toLowerCase().split(/\s+/).filter(Boolean);
  const hits = tree.groups.filter(
    each => (!filter.over || isOver(each)) && words.every(word => says(each, word))
  );
  const wanted = new Set(hits.flatMap(each => above(each)));
  const all = hits.length === tree.groups.length;
  const shown = all ? tree.groups : tree.groups.filter(each => wanted.has(keyOf(each)));
  return { shown: shown.slice(0, MOST_SHOWN), found: hits.length };
}

export function isOver(node: GroupNode): boolean {
  return node.over.length > 0 || node.budget?.is_over === true;
}

/** Its path as one word: each name is there once in the whole tree, but not beside its members. */
export function keyOf(node: GroupNode): string {
  return node.share.path.join('/');
}

function above(node: GroupNode): string[] {
  return node.share.path.map((_, place) => node.share.path.slice(0, place + 1).join('/'));
}

function says(node: GroupNode, word: string): boolean {
  const said = [
    ...node.share.path,
    ...node.members,
    ...node.share.types.map(each => each.gpu_type)
  ];
  return said.some(each => each.toLowerCase().includes(word));
}
