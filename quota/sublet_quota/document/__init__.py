"""The quota document: who may have how much of which GPUs, read from YAML."""

from sublet_quota.document.problems import DocumentProblem, QuotaDocumentError
from sublet_quota.document.quota_document import DEFAULT_POOL, QuotaDocument
from sublet_quota.document.reading import read_quota_document
from sublet_quota.document.sections import (
    EveryoneQuota,
    FairShareSettings,
    GpuSelection,
    GroupQuota,
    Guarantee,
    Limit,
    MemberQuota,
    Pool,
    SliceSize,
    UserQuota,
)
from sublet_quota.document.values import UNLIMITED, GpuShare, Unlimited

__all__ = [
    "DEFAULT_POOL",
    "UNLIMITED",
    "DocumentProblem",
    "EveryoneQuota",
    "FairShareSettings",
    "GpuSelection",
    "GpuShare",
    "GroupQuota",
    "Guarantee",
    "Limit",
    "MemberQuota",
    "Pool",
    "QuotaDocument",
    "QuotaDocumentError",
    "SliceSize",
    "Unlimited",
    "UserQuota",
    "read_quota_document",
]
