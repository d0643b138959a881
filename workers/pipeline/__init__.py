"""How a message gets out: alerts, codes, test messages and notices by one path, a stage a file.

    collect    what is in the store (collect.py), or what a send request asks for (requested.py)
    policy     what stops it, and with which words (policy.py, requested.py)
    pace       its turn among all that its provider takes (pace.py)
    claim      that nobody else sends it, and that it did not go out (dedup.py)
    post       to its provider, within one deadline (workers/post.py)
    sort       what the provider's answer means (answers.py)
    record     for the store, what became of deliveries (record.py); for who asked, of a request (workers/bot/send_requests.py)

Pace, claim, post and sort are one function for everybody, send.py.
"""
