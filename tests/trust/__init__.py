"""Each kind of fault that was found, looked for in every public entry that could have it.

A module is one kind: it walks over all entries of that kind, and a planted instance
shows that it would be seen.
"""
