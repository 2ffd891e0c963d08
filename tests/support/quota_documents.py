"""Quota documents for tests: read from indented YAML, and an example that says all there is."""

from textwrap import dedent
from typing import Final

from sublet_quota.document.problems import QuotaDocumentError
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.reading import read_quota_document

EXAMPLE: Final = """
gpu_types:
  H100: {match: "*H100*", rate: 4, expect: 8}
  A100: {match: ["*A100*", "NVIDIA A800"], rate: 2, expect: 16}
  L4:   {match: "*L4*",   rate: 0.5, expect: 16}
pools:
  - name: interactive
    types: [L4, A100]
    default: true
    memory_overcommit: 1.5
    compute_overcommit: 4
    idle_after: 10m
    lend: yes
    give_back_within: 30 s
    turn: 90
    lend_at_least: 2m
  - {name: training, types: [H100], nodes: [gpu-*], ids: ['GPU-*'], lends: {interactive: 25%}}
sizes:
  - {name: small, title: Small, memory: 1/4, compute: 250m, types: [L4], default: true}
  - {name: whole, memory: 1, compute: 1, types: [A100, H100], for: [science]}
  - {name: half, memory: 40 GiB, compute: 0.5, pool: training}
everyone:
  sizes: [small]
  types: [L4, A100]
  own_amounts: false
  limit: {cards: 1, memory: 80 GiB, slices: 2, H100: 0}
  jobs: {types: [A100], most: 5, max_run: 24h, limit: {cards: 4}}
  keep_a_day: 1h
  max_idle: 8h
groups:
  science:
    guaranteed: {H100: 6, A100: 8}
    limit: {H100: 8, cards: 20, memory: unlimited}
    weight: 3
    sizes: [small, half]
    budget: {hours: 2000, per: 30d, lent_rate: 0.25, warn: 80%, each: {hours: 400}}
    each: {limit: {H100: 2, cards: unlimited}, keep_a_day: 2h, max_idle: unlimited}
    groups:
      nlp: {members: [hub-nlp], guaranteed: {H100: 4.5}, each: {jobs: {most: unlimited}}}
      bio: {members: [hub-bio, hub-chem]}
  ml-101:
    members: [course-ml-101]
    limit: {L4: 8}
    jobs: {types: []}
    budget:
      {hours: 300.5, per: month, zone: Europe/Berlin, at_end: no-new, each: {hours: unlimited}}
  123: {sizes: [small], weight: 0}
exceptions:
  - {who: [user-17], set: {limit: {cards: 4, H100: 4}}, until: 2026-12-14, why: deadline}
  - groups: [nlp]
    set: {guaranteed: {H100: 6}, weight: 2, each: {limit: {H100: 3}}}
    until: 2026-12-10 18:00+01:00
    why: paper
reservations:
  - {name: lab, for: ml-101, guaranteed: {L4: 8}, at: 2026-12-11 14:00-16:00, zone: Europe/Berlin}
  - {name: old, for: nlp, guaranteed: {H100: 1}, at: "Mon,Wed 09:00-24:00", until: 2026-06-30}
closed:
  - {node: dgx1, gpus: [3], drain: true, until: 2026-12-02, why: fan}
shrink: {grace: 12h}
fair_share: {half_life: 2d, most_lag: 12h}
notebooks: {when_full: queue, wait_most: 3h}
"""


def document(text: str = "") -> QuotaDocument:
    return read_quota_document(dedent(text))


def problems_of(text: str | bytes) -> list[str]:
    """The problems of a document that is wrong, as they are told."""
    try:
        read_quota_document(dedent(text) if isinstance(text, str) else text)
    except QuotaDocumentError as error:
        return [str(problem) for problem in error.problems]
    return []
