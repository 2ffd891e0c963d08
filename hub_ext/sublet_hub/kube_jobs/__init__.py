"""Jobs as pods: what a job asks of the cluster, and what the cluster's word means for the job.

The cluster's scheduler (and Kueue, where it is set) places pods; the ledger follows. A job's
notebook, its snapshot and its results lie in its owner's home volume: nothing of a tenant's files
passes through the service, so that there is no limit but the volume's own.
"""
