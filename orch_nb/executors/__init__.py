"""Where an attempt runs: one file a place, each an `engine.ports.Executor`, found by name.

inline    in the engine's loop, one after another
threads   own daemon threads (the default for functions)
loop      coroutines, as tasks of the engine's loop
shell     a process group of its own
local     sends each attempt to the one of these that its kind asks for
"""
