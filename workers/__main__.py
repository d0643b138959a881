"""`python -m workers dispatch | work | bot | board`: one process each."""

import argparse


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m workers", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("dispatch", help="make jobs of alerts: one for each channel of the alert's user that is on")
    commands.add_parser("work", help="deliver: one RQ worker")
    commands.add_parser("bot", help="talk with people: the Telegram bot, codes and test messages")
    commands.add_parser("board", help="the queue in the browser, for signed-in admins: rq-dashboard")
    command = parser.parse_args().command
    # Imported here, so that a process loads only what it runs.
    if command == "dispatch":
        from workers.dispatch import run
    elif command == "work":
        from workers.work import run
    elif command == "bot":
        from workers.bot.run import run
    else:
        from workers.board import run
    run()


if __name__ == "__main__":
    main()
