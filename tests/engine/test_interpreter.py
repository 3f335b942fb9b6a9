"""What a system that owns a run answers whoever follows it."""

from __future__ import annotations

import msgspec

import orch_nb as nb
from orch_nb.engine.away import Done, Seed
from orch_nb.engine.interpreter import _NEWS, Interpreter
from orch_nb.model import event as ev


def test_an_answer_holds_no_more_than_it_may_of_what_was_printed():
    tasks = [nb.Task(id=f"t{n}", run=print) for n in range(5)]
    first = ev.RunStarted(at=1.0, run_id="r", plan=nb.Plan(goal="g", tasks=tasks))
    mind = Interpreter(Seed(events=msgspec.Raw(ev.encode_events([first]))))
    for errand in mind.begin(1.0).errands:
        task, attempt = errand.key
        end = ev.AttemptSucceeded(
            at=2.0, task=task, attempt=attempt, started=1.0, result=ev.ResultRef()
        )
        row = (task, attempt, "stdout", "x" * (_NEWS * 2 // 3), 1.5)
        mind.done(2.0, errand.key, Done(event=end, lines=(row,)))
    after, answers = 0, []
    while after < mind.told():
        news = mind.news(after)
        after += len(ev.decode_events(bytes(news.events)))
        answers.append([task for task, *_ in news.lines])
    assert [task for answer in answers for task in answer] == [task.id for task in tasks]
    assert max(map(len, answers)) == 1, answers
