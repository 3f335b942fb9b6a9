from celery import Celery, chain

app = Celery("orders", broker="redis://redis:6379/1")
app.conf.beat_schedule = {
    "reconcile": {"task": "orders.tasks.reconcile", "schedule": 3600.0},
}


@app.task(autoretry_for=(ConnectionError,), retry_backoff=True, max_retries=5)
def reserve(order_id: str) -> str:
    return order_id


@app.task
def charge(order_id: str) -> str:
    return order_id


@app.task
def ship(order_id: str) -> str:
    return order_id


@app.task
def reconcile() -> None: ...


def place(order_id: str) -> None:
    chain(reserve.s(order_id), charge.s(), ship.s()).delay()
