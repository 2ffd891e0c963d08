"""The room that cards lend to jobs: what each lends, who is there, and how a plan gives it away."""
