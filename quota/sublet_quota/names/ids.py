"""The identifiers that travel between Sublet's parts, each a type of its own."""

from typing import NewType

SliceId = NewType("SliceId", str)
"""A standing share of one GPU. Made by the hub service, never reused."""

GpuId = NewType("GpuId", str)
"""The card's UUID, as NVML tells it (``GPU-...``; simulated ones ``SIM-...``)."""

NodeId = NewType("NodeId", str)
"""The machine an agent serves."""

JobId = NewType("JobId", str)
UserName = NewType("UserName", str)
GroupName = NewType("GroupName", str)
PoolName = NewType("PoolName", str)
SizeName = NewType("SizeName", str)
