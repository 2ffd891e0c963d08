"""Standings: what groups and persons hold, on whose account, entitled or borrowed."""
