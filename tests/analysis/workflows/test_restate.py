"""Restate services, objects and workflows, by their handlers."""

from __future__ import annotations

from orch_nb.analysis.scan import scan
from orch_nb.analysis.workflows import workflows


def restate(root):
    return {(f.kind, f.name): f.tasks for f in workflows(scan(root)) if f.system == "restate"}


def test_python(repository):
    text = (
        "import restate\nfrom restate import VirtualObject\n"
        "cart = VirtualObject('Cart')\nother = dict()\n"
        "@cart.handler()\nasync def add(ctx): ...\n"
        "@cart.handler('checkOut', kind='shared')\nasync def check_out(ctx): ...\n"
        "async def helper(ctx): ...\n"
    )
    assert restate(repository({"a.py": text})) == {("object", "Cart"): ("add", "checkOut")}


def test_typescript(repository):
    text = (
        'import * as restate from "@restatedev/restate-sdk";\n'
        "// restate.service({ name: 'Old', handlers: { x: async () => {} } })\n"
        "restate.workflow({\n  name: 'SignUp',\n  handlers: {\n"
        "    run: async (ctx) => { await ctx.run('create', () => f({ a: 1 })); },\n"
        "    click: async (ctx) => {},\n  },\n});\n"
    )
    assert restate(repository({"a.ts": text})) == {("workflow", "SignUp"): ("run", "click")}


def test_go(repository):
    text = (
        'package a\nimport "github.com/restatedev/sdk-go"\n'
        "type Greeter struct{}\n"
        "func (Greeter) Greet(ctx restate.Context, n string) (string, error) { return n, nil }\n"
        "func (Greeter) hidden(ctx restate.Context) error { return nil }\n"
    )
    assert restate(repository({"a.go": text})) == {("service", "Greeter"): ("Greet",)}


def test_java_and_the_service_of_spring_that_is_none(repository):
    ours = (
        "import dev.restate.sdk.annotation.*;\n@VirtualObject\npublic class Cart {\n"
        "  @Handler\n  public void add(Context c) {}\n  public void no() {}\n}\n"
    )
    spring = (
        "import org.springframework.stereotype.Service;\n// talks to dev.restate.client\n"
        "@Service\npublic class Mail {\n  @Handler public void go() {}\n}\n"
    )
    root = repository({"Cart.java": ours, "Mail.java": spring})
    assert restate(root) == {("object", "Cart"): ("add",)}


def test_rust(repository):
    text = (
        "use restate_sdk::prelude::*;\n#[restate_sdk::service]\ntrait Greeter {\n"
        "    async fn greet(name: String) -> HandlerResult<String>;\n}\n"
    )
    assert restate(repository({"a.rs": text})) == {("service", "Greeter"): ("greet",)}
