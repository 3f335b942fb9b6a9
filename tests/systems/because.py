"""Why a system does what was seen, in a sentence, and the page where it says so itself."""

from __future__ import annotations

#: A system's page for what has none of its own here.
OWN = {
    "airflow": "https://airflow.apache.org/docs/apache-airflow/stable/core-concepts/tasks.html",
    "bullmq": "https://docs.bullmq.io/guide/flows",
    "celery": "https://docs.celeryq.dev/en/stable/userguide/canvas.html",
    "restate": "https://docs.restate.dev/guides/error-handling",
    "temporal": "https://docs.temporal.io/encyclopedia/detecting-activity-failures",
    "xstate": "https://stately.ai/docs/invoke",
    "orch_nb": "",
}

_AIRFLOW = "https://airflow.apache.org/docs/apache-airflow/stable/core-concepts/dags.html"
_RULES = f"{_AIRFLOW}#trigger-rules"
_CALLING = "https://docs.celeryq.dev/en/stable/userguide/calling.html"
_TASKS = "https://docs.celeryq.dev/en/stable/userguide/tasks.html"
_STEPS = "https://docs.restate.dev/develop/python/durable-steps"
_CONCURRENT = "https://docs.restate.dev/develop/python/concurrent-tasks"
_PARALLEL = "https://docs.temporal.io/design-patterns/parallel-execution"
_DURABLE = "Its journal says what has been done: only what it lacks is done."
_CODE = "The failure is an exception in your function: nothing behind it is reached."

BECAUSE = {
    ("airflow", "unsaid"): "`retries` is 0.",
    ("airflow", "retry"): "The scheduler does it: the task stands as `up_for_retry` meanwhile. "
    "(Observed with `dag.test()`, which looks once a second.)",
    ("airflow", "chain"): "The trigger rule `all_success` is decided by the scheduler.",
    ("airflow", "join"): "`all_success` is decided as soon as one has failed.",
    ("airflow", "branch"): "A task is asked for when what it needs has ended, whatever else "
    "has failed.",
    ("airflow", "late"): 'The program says `trigger_rule="all_done"`, and `upstream_failed` is an '
    "end too.",
    ("airflow", "cleanup"): 'The program says `trigger_rule="all_done"`. Only the last tasks '
    "decide the state of a DAG run: add one with `all_success` behind all others to see the "
    "failure.",
    ("airflow", "timeout"): "`execution_timeout` raises in the task's process.",
    ("airflow", "approval"): "An `ApprovalOperator` holds no worker while it waits.",
    ("airflow", "undo"): 'There is no undo: a task with `trigger_rule="one_failed"` is drawn '
    "behind what may fail.",
    ("airflow", "foreach"): "Each item is a mapped task instance; the task that waits takes them "
    "together.",
    ("airflow", "killed"): "The scheduler was killed with the tasks that it ran; the next one "
    "looks for the orphans of a dead one (here every 5 s, by default every 5 min).",
    ("bullmq", "unsaid"): "`attempts` is 1.",
    ("bullmq", "retry"): "A worker moves the job to the delayed ones. (Its Python client rounds "
    "delays up to about a second.)",
    ("bullmq", "chain"): "A parent is not told of a failed child unless the child says "
    "`failParentOnFailure`, `ignoreDependencyOnFailure` or `removeDependencyOnFailure`.",
    ("bullmq", "join"): "Say `failParentOnFailure` on each child, or the flow never ends.",
    ("bullmq", "siblings"): "Children know nothing of one another.",
    ("bullmq", "branch"): "A job is asked for when its own children have ended.",
    ("bullmq", "late"): "`{after}` says `ignoreDependencyOnFailure` and waits for ever itself: "
    "`{task}` would have to say `failParentOnFailure` too.",
    ("bullmq", "cleanup"): "The failing child says `ignoreDependencyOnFailure`: the parent runs "
    "and can ask for its failed children.",
    ("bullmq", "timeout"): "A job has no time limit: an option `timeout` is taken and ignored. "
    "The task has to stop itself.",
    ("bullmq", "foreach"): "Each item is a child of the job that waits.",
    ("bullmq", "killed"): "A job whose lock is not renewed is stalled and goes back to the queue "
    "(here a lock of 2 s; by default 30 s).",
    ("bullmq", "diamond"): "A job has one parent: a flow is a tree. Nothing refuses a second one.",
    ("celery", "unsaid"): "Only a task that says so (`autoretry_for`, `self.retry`) is tried "
    "again.",
    ("celery", "retry"): "The worker sends the message anew, with a countdown that the task "
    "itself computes.",
    ("celery", "chain"): "The worker that saw the failure writes it to the results of the rest of "
    "the chain.",
    ("celery", "join"): "It is the body of a chord; its failure is a `ChordError` that names the "
    "member.",
    ("celery", "siblings"): "The members of a group are messages that know nothing of one another.",
    ("celery", "branch"): "It is a chain of its own within the group. "
    "(Of a chain behind the group only the last is told of the failure: what stands before it "
    "stays `PENDING`.)",
    ("celery", "late"): "It is linked to the chain by `link` and by `link_error`.",
    ("celery", "cleanup"): "It is linked twice, by `link` and by `link_error`; as an errback it "
    "leaves no result of its own (its state stays `PENDING`).",
    ("celery", "timeout"): "`time_limit` replaces the worker's process: prefork pools only.",
    ("celery", "undo"): "An errback (`link_error`) does it; nothing checks that it was done (its "
    "state stays `PENDING`).",
    ("celery", "foreach"): "A task replaces itself by a chord when it knows the items.",
    ("celery", "killed"): "The tasks say `acks_late` and `reject_on_worker_lost`, the broker a "
    "visibility timeout of 3 s (by default an hour).",
    ("restate", "unsaid"): "A `ctx.run` that says nothing has the server's default: 0.5 s, then "
    "twice as long each time, up to a minute; after 70 attempts the invocation is paused until "
    "somebody resumes it.",
    ("restate", "retry"): "The server counts the attempts and waits, even if the service dies.",
    ("restate", "chain"): _CODE,
    ("restate", "join"): _CODE,
    ("restate", "siblings"): "`restate.gather` waits for all, then the failure is raised.",
    ("restate", "branch"): "`restate.gather` waits for what has begun, then the failure is raised.",
    ("restate", "late"): "It stands in an `except TerminalError`, which is journaled too.",
    ("restate", "cleanup"): "It stands in an `except TerminalError`, which is journaled too.",
    ("restate", "timeout"): "A race of the step and a durable timer (`restate.select`, "
    "`ctx.sleep`), which your function decides; the end of the handler cancels the step.",
    ("restate", "approval"): "A durable promise: no process need be alive while it waits.",
    ("restate", "undo"): "Your function keeps a list and goes through it backwards when it "
    "catches the failure: each undo is a journaled step.",
    ("restate", "foreach"): "A loop makes the steps, `restate.gather` waits for all.",
    ("restate", "killed"): _DURABLE,
    ("temporal", "unsaid"): "The default policy of an activity has no limit of attempts: 1 s, "
    "then twice as long each time, up to 100 s.",
    ("temporal", "retry"): "The server counts and waits; no worker need be alive.",
    ("temporal", "chain"): _CODE,
    ("temporal", "join"): _CODE,
    ("temporal", "siblings"): "`asyncio.gather` raises at the first failure and the workflow "
    "ends; an activity without a heartbeat is not told.",
    ("temporal", "branch"): "The failure ended the workflow while `{sibling}` was still at work.",
    ("temporal", "late"): "It stands in a `finally`.",
    ("temporal", "cleanup"): "It stands in a `finally`.",
    ("temporal", "timeout"): "`start_to_close_timeout` is kept by the server; an activity without "
    "a heartbeat is not told.",
    ("temporal", "approval"): "A signal and `workflow.wait_condition`: no process need be alive "
    "while it waits.",
    ("temporal", "undo"): "Your workflow keeps a list and goes through it backwards when it "
    "catches the failure.",
    ("temporal", "foreach"): "A loop starts the activities, `asyncio.gather` raises at the first "
    "failure.",
    ("temporal", "killed"): "The task's heartbeat stopped (`heartbeat_timeout` 2 s): the server "
    "gives it to another worker, which replays the history.",
    ("xstate", "unsaid"): "An invoked promise without `onError` stops the whole machine, as an "
    "error.",
    ("xstate", "retry"): "Nobody tries again by itself: each attempt and each wait (`after`) is a "
    "state.",
    ("xstate", "chain"): "Without an `onError` the machine as a whole stops in error.",
    ("xstate", "join"): "Without an `onError` the machine as a whole stops, both regions of it.",
    ("xstate", "siblings"): "The machine stopped in error, and with it all that it had invoked.",
    ("xstate", "branch"): "Without an `onError` the machine as a whole stops, both regions of it.",
    ("xstate", "late"): "The `onError` of each task before it leads to it.",
    ("xstate", "cleanup"): "`onDone` and `onError` both lead to it.",
    ("xstate", "timeout"): "A transition `after: 1000` leaves the state; the promise's signal is "
    "aborted, and whether it stops is up to its code.",
    ("xstate", "approval"): "A state waits for an event, which is what states do; where it waits "
    "is up to the program that holds the machine.",
    ("xstate", "undo"): "`onError` leads to the undoing state.",
    ("xstate", "foreach"): "The machine spawns an actor an item; one that fails stops it.",
    ("xstate", "killed"): "The machine lives in its process. Here the program had written each "
    "snapshot (`getPersistedSnapshot`) and begun with the last; without that all is lost.",
    ("orch_nb", "unsaid"): "`retry` is 1 attempt.",
    ("orch_nb", "retry"): "The engine of this process waits (and the plan says no jitter).",
    ("orch_nb", "chain"): "The trigger rule is `all_success`.",
    ("orch_nb", "join"): "`all_success` is decided as soon as one has failed.",
    ("orch_nb", "siblings"): "`fail_fast` would cancel it.",
    ("orch_nb", "branch"): "A task is asked for when what it needs has ended; `fail_fast` would "
    "cancel it.",
    ("orch_nb", "late"): "The program says `trigger: all_done`, and `upstream_failed` is an end "
    "too.",
    ("orch_nb", "cleanup"): "The program says `trigger: all_done`; the run fails all the same.",
    ("orch_nb", "timeout"): "An async function is cancelled, a shell command is killed; a thread "
    "cannot be, and is abandoned.",
    ("orch_nb", "approval"): "A run that nobody watches ends as waiting; `recover` with the answer "
    "goes on.",
    ("orch_nb", "undo"): "Its `compensate` runs at the end of a failed run, the last first.",
    ("orch_nb", "foreach"): "`tolerate` says how many may fail.",
    ("orch_nb", "killed"): "`recover` replays the journal: what was committed does not run again.",
}

PAGES = {
    ("airflow", "chain"): _RULES,
    ("airflow", "join"): _RULES,
    ("airflow", "late"): _RULES,
    ("airflow", "cleanup"): _RULES,
    ("airflow", "undo"): _RULES,
    ("airflow", "approval"): "https://airflow.apache.org/docs/apache-airflow-providers-standard/"
    "stable/operators/hitl.html",
    ("airflow", "foreach"): "https://airflow.apache.org/docs/apache-airflow/stable/"
    "authoring-and-scheduling/dynamic-task-mapping.html",
    ("airflow", "killed"): "https://airflow.apache.org/docs/apache-airflow/stable/"
    "configurations-ref.html#orphaned-tasks-check-interval",
    ("bullmq", "unsaid"): "https://docs.bullmq.io/guide/retrying-failing-jobs",
    ("bullmq", "retry"): "https://docs.bullmq.io/guide/retrying-failing-jobs",
    ("bullmq", "chain"): "https://docs.bullmq.io/guide/flows/fail-parent",
    ("bullmq", "late"): "https://docs.bullmq.io/guide/flows/fail-parent",
    ("bullmq", "join"): "https://docs.bullmq.io/guide/flows/fail-parent",
    ("bullmq", "cleanup"): "https://docs.bullmq.io/guide/flows/ignore-dependency",
    ("bullmq", "timeout"): "https://docs.bullmq.io/patterns/timeout-jobs",
    ("bullmq", "killed"): "https://docs.bullmq.io/guide/workers/stalled-jobs",
    ("celery", "unsaid"): f"{_TASKS}#retrying",
    ("celery", "retry"): f"{_TASKS}#retrying",
    ("celery", "late"): f"{_CALLING}#linking-callbacks-errbacks",
    ("celery", "cleanup"): f"{_CALLING}#linking-callbacks-errbacks",
    ("celery", "undo"): f"{_CALLING}#linking-callbacks-errbacks",
    ("celery", "timeout"): "https://docs.celeryq.dev/en/stable/userguide/workers.html#time-limits",
    ("celery", "killed"): f"{_TASKS}#Task.acks_late",
    ("restate", "siblings"): _CONCURRENT,
    ("restate", "branch"): _CONCURRENT,
    ("restate", "timeout"): _CONCURRENT,
    ("restate", "foreach"): _CONCURRENT,
    ("restate", "diamond"): _CONCURRENT,
    ("restate", "killed"): _STEPS,
    ("restate", "approval"): "https://docs.restate.dev/develop/python/external-events",
    ("restate", "undo"): "https://docs.restate.dev/guides/sagas",
    ("temporal", "unsaid"): "https://docs.temporal.io/encyclopedia/retry-policies",
    ("temporal", "retry"): "https://docs.temporal.io/encyclopedia/retry-policies",
    ("temporal", "approval"): "https://docs.temporal.io/develop/python/message-passing",
    ("temporal", "undo"): "https://docs.temporal.io/design-patterns/saga-pattern",
    ("temporal", "foreach"): _PARALLEL,
    ("temporal", "diamond"): _PARALLEL,
    ("xstate", "retry"): "https://stately.ai/docs/delayed-transitions",
    ("xstate", "timeout"): "https://stately.ai/docs/delayed-transitions",
    ("xstate", "approval"): "https://stately.ai/docs/transitions",
    ("xstate", "foreach"): "https://stately.ai/docs/spawn",
    ("xstate", "diamond"): "https://stately.ai/docs/parallel-states",
    ("xstate", "killed"): "https://stately.ai/docs/persistence",
}
