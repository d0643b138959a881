"""What the product is told: settings, what admins set over them, and the policy."""
