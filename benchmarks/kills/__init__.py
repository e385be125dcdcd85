"""Kill work with SIGKILL at many moments, and prove that nothing is lost and nothing half is left.

`python -m benchmarks.kills SUBJECT --count 30 --seed 0`, SUBJECT being a module here (or, with dots, any
other module). A subject has

- `work(folder)`: does it, from the start or from what an earlier call left;
- `outcome(folder)`: what it left when it is done, as text that is the same for every whole run;
- `after_kill(folder)`, if it likes: looks at the folder right after the kill and raises if it is not sound.

The moments are the operating system's calls on files in the folder (open for writing, rename, remove, make a
folder) and those that the work names itself with `harness.moment()`. They are counted, so no moment depends
on how fast the machine is. Tests run the same with fewer moments.
"""
