"""Data sets of other programs: found by their content, checked as a stranger's, pictures left on disk."""
