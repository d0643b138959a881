"""`python -m stormalert backup` and `restore`: the store, and what Redis holds that nothing else does, in one file.

It is taken while everything runs, in an order that makes it whole: instrument by instrument what the engine keeps, each at one
moment; how far dispatch has read the alerts, and the alerts up to there; the store; last the marks of what went out. So what
happens meanwhile is known by its alert's id when it is seen twice, and is never missing.
"""
