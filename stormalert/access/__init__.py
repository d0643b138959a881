"""Who somebody is: passwords, second factors, sessions, and secrets at rest."""
