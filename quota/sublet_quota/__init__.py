"""The decisions of Sublet: amounts, quotas, admission, placement, residency; and the wire format.

Rules of this package: no I/O, no clock, no framework. Time is an argument called ``now``, an aware
``datetime``; every decision is a function from values to a value.
"""
