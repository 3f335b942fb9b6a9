"""The notebook: the only room that knows IPython and ipywidgets.

transformer   a cell that begins with %%orchestrate becomes an await, so that buttons work
magics        the plain magics, as the fallback and for help; registration
options       what may stand on the line
cell          the story of one cell: five phases, shown as they complete
session       what the kernel remembers: drafts by name, the last operation, live runs
lines         %orchestrate status, runs, cancel, retry, approve, ...
widgets       the room: progress, todo list, live drawing, buttons
display       outputs that are shown, updated and frozen
completion    Tab
"""
