"""Status, prices and alerts to browsers as they come."""
