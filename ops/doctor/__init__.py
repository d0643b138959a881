"""`python -m stormalert doctor`: looks at everything that StormAlert needs, and says what to do.

A check is one function that yields findings; what it asks is apart from what it makes of the answer. It changes nothing, sends
nothing to anybody, and no finding carries a secret.
"""
