"""Decides for every tick which rules fire: a stateless pump around lua/evaluate.lua, and the rule sync that arms rules."""
