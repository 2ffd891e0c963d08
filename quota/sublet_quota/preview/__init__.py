"""What would follow if another quota document were in force: the deciding code on a copy."""
