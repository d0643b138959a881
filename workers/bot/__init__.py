"""`python -m workers bot`: talks with people.

Takes the Telegram bot's commands and buttons, and runs send requests: codes, test messages and notices.
"""
