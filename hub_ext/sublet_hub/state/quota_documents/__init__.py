"""Where the quota document comes from, and how another one is put in force."""
