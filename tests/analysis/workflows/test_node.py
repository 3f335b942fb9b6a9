"""Queues and state machines of TypeScript and JavaScript, with and without tree-sitter."""

from __future__ import annotations

import pytest

from orch_nb.analysis.scan import scan
from orch_nb.analysis.workflows import code, workflows


@pytest.fixture(params=["tree-sitter", "rules"], autouse=True)
def parser(request, monkeypatch):
    if request.param == "rules":
        monkeypatch.setattr(code, "_grammar", lambda suffix: None)
    else:
        pytest.importorskip("tree_sitter_typescript")
    return request.param


def of(root, system):
    return {(f.kind, f.name): f for f in workflows(scan(root)) if f.system == system}


BULLMQ = """
import { Queue, Worker, FlowProducer } from 'bullmq';
const NAME = 'mail';
const mails = new Queue(NAME, { connection });
new Worker('mail', async job => send(job));
await mails.add('welcome', {});
await mails.add('digest', {}, { repeat: { pattern: '0 8 * * *' } });
const flow = new FlowProducer();
await flow.add({ name: 'publish', queueName: 'book', children: [
  { name: 'print', queueName: 'press', children: [{ name: 'typeset', queueName: 'desk' }] },
  { name: 'bind', queueName: 'press' }, // and more
] });
"""


def test_bullmq_queues_workers_and_flows(repository, parser):
    flows = of(repository({"a.ts": BULLMQ}), "bullmq")
    assert set(flows) == {("queue", "mail"), ("worker", "mail"), ("flow", "publish")}
    assert flows["queue", "mail"].tasks == ("welcome", "digest")
    assert [(p.name, p.kind) for p in flows["queue", "mail"].parts][-1] == ("digest", "schedule")
    assert set(flows["flow", "publish"].edges) == {
        ("typeset", "print"), ("print", "publish"), ("bind", "publish"),
    }  # fmt: skip
    assert flows["flow", "publish"].confidence == (1.0 if parser == "tree-sitter" else 0.8)


@pytest.mark.parametrize(
    "text",
    [
        "import Queue from 'queue';\nconst bullmq = 1;\nnew Queue('x');\n",
        "// import { Queue } from 'bullmq'\nclass Queue {}\nnew Queue('bullmq');\n",
        "import { Queue } from 'bullmq';\n/* new Queue('x') */\nconst s = `new Queue('y')`;\n",
    ],
)
def test_other_queues_and_queues_in_comments_and_strings_are_none(repository, text):
    assert of(repository({"a.ts": text}), "bullmq") == {}


XSTATE = """
import { setup, createMachine } from 'xstate';
export const light = createMachine({
  id: 'light', initial: 'green',
  states: {
    green: { after: { 1000: 'yellow' } },
    yellow: { on: {
      NEXT: [{ target: 'red', guard: 'late' }, 'green'], LOG: { actions: 'log' },
    } },
    red: {
      invoke: { src: 'count', onDone: { target: 'green' } },
      initial: 'walk', states: { walk: { on: { STOP: 'wait' } }, wait: { type: 'final' } },
    },
  },
});
"""


def test_a_machine_gives_its_states_transitions_and_actors(repository):
    flow = of(repository({"a.ts": XSTATE}), "xstate")["machine", "light"]
    assert flow.tasks == ("green", "yellow", "red", "red.walk", "red.wait")
    assert set(flow.edges) == {
        ("green", "yellow"), ("yellow", "red"), ("yellow", "green"), ("red", "green"),
        ("red.walk", "red.wait"),
    }  # fmt: skip
    assert [p.name for p in flow.parts if p.kind == "actor"] == ["count"]


def test_a_machine_behind_a_setup(repository):
    text = (
        "import { setup } from 'xstate';\n"
        "const m = setup({ actors: {} }).createMachine({\n"
        "  states: { a: { on: { GO: 'b' } }, b: {} },\n});\n"
    )
    assert of(repository({"m.ts": text}), "xstate")["machine", "m"].edges == (("a", "b"),)


def test_ones_own_create_machine_is_no_xstate(repository):
    text = "import { createMachine } from './mine'; // not xstate\ncreateMachine({ states: {} });\n"
    assert of(repository({"m.ts": text}), "xstate") == {}


def test_cron_jobs_of_node(repository):
    text = "import cron from 'node-cron';\ncron.schedule('0 4 * * *', cleanUp);\n"
    assert of(repository({"m.js": text}), "node_cron")["schedule", "m"].tasks == ("cleanUp",)


NAMES = "export enum Names {\n  Mail = 'mail-queue', // of mails\n  Bill = 'bill-queue',\n}\n"


def test_a_queue_is_called_what_a_member_of_an_enum_elsewhere_says(repository):
    files = {
        "shared/names.ts": NAMES,
        "shared/index.ts": "export * from './names';\n",
        "a.ts": "import { Queue } from 'bullmq';\nimport { Names } from './shared';\n"
        "const one = new Queue<Job[Names.Mail]>(Names.Mail);\n"
        "function shard(n: number) {\n"
        "  const name = `${Names.Bill}${n > 0 ? `-${n}` : ''}`;\n"
        "  return new Queue(name);\n}\n",
    }
    assert {name for _, name in of(repository(files), "bullmq")} == {"mail-queue", "bill-queue"}


def test_a_method_that_makes_workers_makes_one_for_each_call(repository):
    files = {
        "names.ts": NAMES,
        "manager.ts": "import { Worker } from 'bullmq';\nexport class Manager {\n"
        "  public static register(queueName: string, work: Work): void {\n"
        "    const worker = new Worker(queueName, Manager.timed(work));\n  }\n}\n",
        "app.ts": "import { Manager } from './manager';\nimport { Names } from './names';\n"
        "Manager.register(Names.Mail, sendMail, { concurrency: 1 });\n"
        "for (const shard of shards) {\n  Manager.register(shard as Names, sendBill(true));\n}\n",
    }
    flows = of(repository(files), "bullmq")
    assert {key: flow.tasks for key, flow in flows.items()} == {
        ("worker", "mail-queue"): ("sendMail",), ("worker", "sendBill"): ("sendBill",),
    }  # fmt: skip
    assert flows["worker", "mail-queue"].evidence.path == "app.ts"
    assert flows["worker", "sendBill"].confidence == 0.6


def test_workers_of_a_loop_over_shards_are_of_the_queue_that_the_names_begin_with(repository):
    files = {
        "names.ts": NAMES,
        "queues.ts": "import { Names } from './names';\nexport class Bills {\n"
        "  static shards() {\n    return list((i) => `${Names.Bill}-${i}`);\n  }\n}\n",
        "app.ts": "import { Worker } from 'bullmq';\nimport { Bills } from './queues';\n"
        "function register(queueName: string, work: Work) {\n"
        "  new Worker(queueName, work);\n}\nconst shards = Bills.shards();\n"
        "shards.forEach((shard) => {\n  register(shard as string, sendBill);\n});\n",
    }
    assert set(of(repository(files), "bullmq")) == {("worker", "bill-queue")}
