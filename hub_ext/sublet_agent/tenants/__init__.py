"""The Unix socket for kernels and notebook servers: the gate before a cell, activity, own share."""
