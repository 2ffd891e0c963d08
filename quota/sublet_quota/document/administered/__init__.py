"""Admins of groups: which groups of a document are somebody's, and what they may change there."""
