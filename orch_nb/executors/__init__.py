"""Where an attempt runs: one file a place, each an `engine.ports.Executor`, found by name.

inline     in the engine's loop, one after another
threads    own daemon threads (the default for functions)
loop       coroutines, on the engine's loop (`coroutines`)
processes  worker processes; `worker` is what runs there, `worker_*` what is known of them here
dask       the workers of a Dask cluster
shell      a process group of its own
notebook   a kernel of its own
local      sends each attempt to the one of these that its kind asks for

`calling` and `failure` are how a function is called and how its exception is told, `waiting` is the
queue of attempts that have not begun, `slots` the number that may run at once, in all places
together.
"""
