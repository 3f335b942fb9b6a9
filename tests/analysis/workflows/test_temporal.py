"""Temporal in five languages: what is a workflow, what an activity, and what is a mere helper."""

from __future__ import annotations

from orch_nb.analysis.scan import scan
from orch_nb.analysis.workflows import workflows


def temporal(root, kind):
    found = workflows(scan(root))
    return {f.name: f for f in found if (f.system, f.kind) == ("temporal", kind)}


def parts(flow, kind):
    return [part.name for part in flow.parts if part.kind == kind]


PYTHON = """
from temporalio import activity, workflow
from temporalio.worker import Worker

QUEUE = "orders"

class Steps:
    @activity.defn(name="charge")
    async def charge_card(self): ...
    def helper(self): ...

@workflow.defn(name="Order")
class OrderWorkflow:
    @workflow.run
    async def run(self):
        await workflow.execute_activity_method(Steps.reserve)
        await workflow.execute_activity("charge")
        await workflow.execute_child_workflow(Ship.run)
    @workflow.signal
    def cancel(self): ...
    @workflow.query(name="state")
    def now(self): ...

def start(client):
    return Worker(client, task_queue=QUEUE, workflows=[OrderWorkflow])
"""


def test_python_workflows_with_what_they_call_and_listen_to(repository):
    root = repository({"order.py": PYTHON})
    flow = temporal(root, "workflow")["Order"]
    assert flow.tasks == ("reserve", "charge", "Ship")
    assert flow.edges == (("reserve", "charge"), ("charge", "Ship"))
    assert (parts(flow, "signal"), parts(flow, "query")) == (["cancel"], ["state"])
    assert temporal(root, "activities")["order activities"].tasks == ("charge",)
    assert list(temporal(root, "worker")) == ["orders"]


GO = {
    "go.mod": "module example.com/shop\n",
    "order/workflow.go": """package order

import (
	"context"
	"go.temporal.io/sdk/workflow"
)

const StatusQuery = "status"

// func Old(ctx workflow.Context) error { return nil }
func Order(ctx workflow.Context, id string) error {
	workflow.SetQueryHandler(ctx, StatusQuery, nil)
	return pay(ctx)
}

func pay(ctx workflow.Context) error {
	var a *Activities
	workflow.ExecuteActivity(ctx, a.Reserve, 1).Get(ctx, nil)
	text := "workflow.ExecuteActivity(ctx, No)"
	return workflow.ExecuteActivity(ctx, a.Charge, text).Get(ctx, nil)
}

type Activities struct{}

func (a *Activities) Reserve(ctx context.Context) error { return nil }
func (a *Activities) Charge(ctx context.Context, n int) (string, error) { return "", nil }
func (a *Activities) fraudCheck(ctx context.Context) error { return nil }
""",
    "worker/main.go": """package main

import (
	"example.com/shop/order"
	"go.temporal.io/sdk/worker"
)

func main() {
	w := worker.New(c, "orders", worker.Options{})
	w.RegisterWorkflow(order.Order)
	steps := &order.Activities{}
	w.RegisterActivity(steps)
}
""",
}


def test_go_workflows_are_what_a_worker_registers_and_helpers_are_followed(repository):
    root = repository(GO)
    flows = temporal(root, "workflow")
    assert list(flows) == ["Order"]
    assert flows["Order"].tasks == ("Reserve", "Charge")
    assert flows["Order"].edges == (("Reserve", "Charge"),)
    assert parts(flows["Order"], "query") == ["status"]
    assert flows["Order"].evidence.line == 11


def test_go_activities_are_the_exported_methods_of_what_is_registered(repository):
    [flow] = temporal(repository(GO), "activities").values()
    assert flow.tasks == ("Reserve", "Charge")
    assert list(temporal(repository(GO), "worker")) == ["orders"]


TYPESCRIPT = {
    "src/workflows.ts": """
import { proxyActivities, defineSignal, sleep } from '@temporalio/workflow';
import type * as activities from './activities';
import { format } from './format';

const { greet, send: mail } = proxyActivities<typeof activities>({ startToCloseTimeout: '1m' });
export const stop = defineSignal('stop');

// export async function gone() {}
export async function hello(name: string): Promise<string> {
  const text = await greet(name); // `greet`
  setHandler(stop, () => {});
  await mail(text);
  return format(text);
}
""",
    "src/activities.ts": "export async function greet(n: string) { return n }\n"
    "export async function send(t: string) {}\nfunction hidden() {}\n",
    "src/format.ts": "export async function format(t: string) { return t }\n",
    "src/worker.ts": """
import { Worker } from '@temporalio/worker';
import * as activities from './activities';
const QUEUE = 'hello';
Worker.create({ workflowsPath: require.resolve('./workflows'), activities, taskQueue: QUEUE });
""",
}


def test_typescript_workflows_are_what_the_modules_of_a_worker_export(repository):
    root = repository(TYPESCRIPT)
    flows = temporal(root, "workflow")
    assert list(flows) == ["hello"]
    assert flows["hello"].tasks == ("greet", "send")
    assert flows["hello"].edges == (("greet", "send"),)
    assert parts(flows["hello"], "signal") == ["stop"]
    assert temporal(root, "activities")["activities activities"].tasks == ("greet", "send")
    assert list(temporal(root, "worker")) == ["hello"]


def test_java_by_its_annotations(repository):
    text = """
import io.temporal.workflow.*;
@WorkflowInterface
public interface Transfer {
  @WorkflowMethod
  void transfer(String a);
  @SignalMethod void stop();
}
"""
    acts = (
        "import io.temporal.activity.*;\n@ActivityInterface\npublic interface Bank {\n"
        "  void debit(int n);\n  int credit(int n);\n}\n"
    )
    root = repository({"Transfer.java": text, "Bank.java": acts})
    assert parts(temporal(root, "workflow")["Transfer"], "signal") == ["stop"]
    assert temporal(root, "activities")["Bank"].tasks == ("debit", "credit")
    assert temporal(root, "activities")["Bank"].confidence < 1.0


def test_c_sharp_by_its_attributes(repository):
    text = """
using Temporalio.Workflows;
[Workflow]
public class Order {
  [WorkflowRun]
  public async Task RunAsync() {
    await Workflow.ExecuteActivityAsync((Shop s) => s.Pay(1), new());
  }
}
"""
    assert temporal(repository({"Order.cs": text}), "workflow")["Order"].tasks == ("Pay",)
