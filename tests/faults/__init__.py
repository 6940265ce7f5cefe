"""Every fault that may not cost an acknowledged turn, with real processes: `python -m tests.faults` prints the table.

Why it exists: the promise is about programs that are killed, locked out, starved of room and handed rubbish, so it is
judged from outside. Instances of the real session, store and SDK talk to one demo server and say through a pipe what they
were promised; the parent writes it down, does the damage, opens what is left, and compares.
It must not know how the store keeps anything, beyond the names of its files.

`nursery` starts instances, `instance` is what runs in one, `record` is the memory outside and the comparison; the rows are
in `kills`, `sharing`, `screens`, `files`, `texts` and `power`; `table` lists them.
"""
