"""The agent of a node with GPUs: measures, decides with ``sublet_quota``, pauses, moves memory."""
