"""Feed damaged input to one entry of the library, over and over: each ends in an answer or a clear error.

`python -m benchmarks.fuzz TARGET --count 20000 --seed 1`, TARGET being a module here.
Tests run the same, shorter.
"""
