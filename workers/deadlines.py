"""How long one message may be under way, and what follows from it."""

# To the provider and back, connecting included. A step of it may take less: so a server that cannot be reached is told from a
# slow one.
SEND_S = 9.0
STEP_S = 6.0
# What holds a whole message of a server that answers byte by byte; it ends before we do, and can say what it was.
ANSWER_S = SEND_S - 1
# A message without an answer counts as settled, and one whose process was killed may be claimed by another: longer than
# sending takes, so that no second process sends while a first one does.
CLAIM_MS = int(SEND_S * 1_000) + 2_000
# Of an RQ job: some messages of one alert, one waiting for another's limit.
JOB_S = 20
