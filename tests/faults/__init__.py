"""Commands that are disturbed, repeated, and compared with what an undisturbed run leaves.

`scenarios` are the commands, `faults` what happens to them, `bench` the one loop over both; `child` runs a command in a
process of its own, `disk` sees what it asks of the file system, and `power` what a loss of power leaves of that.
"""
