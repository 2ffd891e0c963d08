"""What a simulation comes to: figures by group and policy, and who gains by another document."""
