"""The agent's own process, with a device that does not answer some questions.

Run as a module in the place of ``sublet_agent.app.serving``. ``SUBLET_TEST_FAULTS`` names a folder:
while ``state-PID`` is there, the state of that process cannot be read (where it names one, no
sooner than the process is in that); while ``silent`` is there, every sample of a card fails, and
``samples`` holds how many do that an agent takes first.
"""

import os
from pathlib import Path

from sublet_agent.app.serving import main
from sublet_agent.devices.interface import DeviceError, GpuMemory, ProcessState
from sublet_agent.devices.simulated import SimulatedDevice
from sublet_quota.names.ids import GpuId

_FAULTS = Path(os.environ["SUBLET_TEST_FAULTS"])
_state, _memory = SimulatedDevice.state, SimulatedDevice.memory


def state(device: SimulatedDevice, pid: int) -> ProcessState | None:
    found = _state(device, pid)
    fault = _FAULTS / f"state-{pid}"
    if fault.exists() and fault.read_text() in {"", found}:
        message = "unknown error 999"
        raise DeviceError(message)
    return found


def memory(device: SimulatedDevice, gpu_id: GpuId) -> GpuMemory:
    left = _FAULTS / "samples"
    fails = (_FAULTS / "silent").exists()
    if left.exists() and int(left.read_text()):
        left.write_text(str(int(left.read_text()) - 1))
        fails = True
    if fails:
        message = "unknown error"
        raise DeviceError(message)
    return _memory(device, gpu_id)


if __name__ == "__main__":
    SimulatedDevice.state = state  # type: ignore[method-assign]
    SimulatedDevice.memory = memory  # type: ignore[method-assign]
    main()
