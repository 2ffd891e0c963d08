"""Who pays for a job, and what the payer's rights and limits let it have."""
