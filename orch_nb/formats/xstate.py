"""To come: plans to xstate and back."""
