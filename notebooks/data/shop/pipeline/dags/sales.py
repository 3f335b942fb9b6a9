from datetime import datetime

from airflow.sdk import dag, task


@dag(schedule="@daily", start_date=datetime(2026, 1, 1), catchup=False)
def sales():
    @task(retries=3)
    def extract() -> str:
        return "orders.parquet"

    @task
    def refunds() -> str:
        return "refunds.parquet"

    @task
    def join(orders: str, refunds: str) -> str:
        return "sales.parquet"

    @task(trigger_rule="all_done")
    def notify() -> None: ...

    join(extract(), refunds()) >> notify()


sales()
