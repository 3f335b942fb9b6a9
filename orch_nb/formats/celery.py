"""To come: plans to celery and back."""
