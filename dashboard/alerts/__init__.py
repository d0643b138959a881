"""The parts of the page Alerts: the list, and one alert with its chart and its messages."""
