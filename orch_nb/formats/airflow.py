"""To come: plans to airflow and back."""
