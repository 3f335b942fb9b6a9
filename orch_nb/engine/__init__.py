"""Plan -> Run: a scheduler that decides, a driver that performs, a journal that remembers.

    happening (an outcome, a timer, a person's word)
        │
        ▼            Event                       Commands
    driver ──append──► journal      scheduler ◄── handle(event) ──► more events, attempts to stop
        │      (one transaction a turn)
        ▼
    fold (model.run) · executor.submit · observers

- `scheduler` decides and does nothing else: no clock, no I/O, no randomness; `trigger` and `retry`
  are its two formulas.
- `driver` performs, on one asyncio loop: a turn takes what happened, journals it with all that
  follows from it, in one transaction, and only then acts on it.
- `journal` keeps events, results and requests of people; recovery is replaying it.
- `ports` is what the rooms above may know of the engine.
"""
