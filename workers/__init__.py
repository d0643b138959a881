"""From the alerts streams to people: dispatch makes jobs of alerts, work delivers them, board shows the queue."""
