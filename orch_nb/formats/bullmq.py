"""To come: plans to bullmq and back."""
