"""`python -m workers bot`: talks with people.

Takes the Telegram bot's commands and buttons, and runs the dashboard's errands: codes, test messages and notices.
"""
