"""The module of a Celery app, as a person would have one: `orch-nb worker celery --app
celery_project:app`."""

from __future__ import annotations

import os

import queue_workers

app = queue_workers.celery_app(os.environ["BROKER"])
