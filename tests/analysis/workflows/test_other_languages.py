"""Jobs and schedules of the languages that are read by rules, which say that they are less sure."""

from __future__ import annotations

import pytest

from orch_nb.analysis.scan import scan
from orch_nb.analysis.workflows import workflows

FOUND = [
    ("sidekiq", "mail.rb", "class Mail\n  include Sidekiq::Job\n  def perform; end\nend\n", "Mail"),
    ("active_job", "a.rb", "class A < ApplicationJob\n  def perform(x)\n  end\nend\n", "A"),
    (
        "laravel",
        "Send.php",
        (
            "<?php\nuse Illuminate\\Contracts\\Queue\\ShouldQueue;\n"
            "class Send implements ShouldQueue {\n  public function handle() {}\n}\n"
        ),
        "Send",
    ),
    ("oban", "w.ex", "defmodule Shop.Tidy do\n  use Oban.Worker, queue: :a\nend\n", "Shop.Tidy"),
    (
        "spring",
        "Tick.java",
        (
            "import org.springframework.scheduling.annotation.Scheduled;\nclass Tick {\n"
            '  @Scheduled(cron = "0 * * * * *")\n  public void tick() {}\n}\n'
        ),
        "tick",
    ),
    (
        "hangfire",
        "Jobs.cs",
        'using Hangfire;\nRecurringJob.AddOrUpdate("tidy", () => Run(), Cron.Daily);\n',
        "tidy",
    ),
    ("quartz", "J.cs", "using Quartz;\npublic class Tidy : IJob { }\n", "Tidy"),
    (
        "asynq",
        "m.go",
        (
            'package m\nimport "github.com/hibiken/asynq"\nconst Send = "mail:send"\n'
            "func f(mux *asynq.ServeMux) { mux.HandleFunc(Send, handle) }\n"
        ),
        "mail:send",
    ),
    (
        "cron",
        "c.go",
        (
            'package c\nimport "github.com/robfig/cron/v3"\n'
            'func f() { c := cron.New(); c.AddFunc("@daily", tidy) }\n'
        ),
        "tidy",
    ),
]


@pytest.mark.parametrize(("system", "path", "text", "task"), FOUND)
def test_jobs_are_told_by_their_marks(repository, system, path, text, task):
    [flow] = [f for f in workflows(scan(repository({path: text}))) if f.system == system]
    assert flow.tasks == (task,)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("a.rb", "# include Sidekiq::Job\nclass A\n  def perform; end\nend\n"),
        ("a.rb", "class A < Job\n  include Enumerable # Sidekiq\nend\n"),
        ("a.php", "<?php\n// class A implements ShouldQueue\nclass A { function handle() {} }\n"),
        ("a.ex", 'defmodule A do\n  @doc """\n  use Oban.Worker\n  """\nend\n'),
        ("A.java", "// org.springframework.scheduling\nclass A { @Scheduled void a() {} }\n"),
        ("A.cs", "// using Hangfire;\nclass A { void Enqueue() { } }\n"),
    ],
)
def test_what_a_comment_or_another_library_says_is_no_job(repository, path, text):
    assert workflows(scan(repository({path: text}))) == ()
