"""How alerts reach people: channels, wording, preferences, and proof of an address."""
