"""What a mail server's refusal is about: the address, the mailbox, the content, or us. Pure.

A code alone does not say it: 550 is said of unknown users, of senders and servers on block lists, of full mailboxes and of
contents. So the enhanced status counts (RFC 3463), and where there is none what the words speak of.
"""

import re
from enum import StrEnum

_STATUS = re.compile(r"[45]\.\d{1,3}\.\d{1,3}\b")
# Of the address, whatever the rest says: there is none of that name or domain, or it is no address, or its mailbox is off.
_DEAD_STATUS = re.compile(r"5\.(?:1\.(?:[12346]|10)|2\.1|4\.310)")
# Leaves it to the code: other, of the address, of the mailbox.
_VAGUE_STATUS = re.compile(r"5\.(?:0\.\d+|1\.[059]|2\.0|5\.0)")
_DEAD_CODES = (550, 551, 553)
_LOGIN_CODES = (530, 534, 535, 538)


def _words(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


# That there is nobody of that name.
_UNKNOWN_USER = _words(
    r"(user|recipient|mailbox|address|account) (is )?unknown",
    r"unknown (user|recipient|mailbox|address|account|local part)",
    r"no such (user|recipient|mailbox|address|account|person|local user)",
    r"(user|recipient|mailbox|address|addressee|account)[^.;:]{0,60} (does not|doesn.t) exist",
    r"(user|recipient|mailbox|address|addressee|account)( was| is)? not (found|known|valid|local|listed)",
    r"invalid (user|recipient|mailbox)",
    r"no (mailbox|user|account)( here)? (by|with|of) (that|this) (name|address)",
    r"mailbox name (is )?not allowed",
    r"unroutable address",
    r"unrouteable address",
    r"(doesn.t|does not) have an? \S+ account",
    r"(mailbox|account|user)( has been| is)? (disabled|deactivated|inactive|closed|deleted)",
)
# What else it is about, the first that fits: the words, and the row of the table.
_ABOUT = (
    (
        _words(
            r"auth\w* (is )?required",
            r"must (issue .* )?authenticat",
            r"auth first",
            r"not authenticated|authenticated (session|user|client)s?",
            r"\blog ?in\b[^.;]{0,10} (first|required)",
            r"(must|please) log ?in",
            r"\byour (mail |e-?mail |smtp )?account\b",
            r"account[^.;]{0,20} (cannot|can.t|may not|not allowed to|not permitted to) send",
        ),
        "login refused",
    ),
    (_words(r"receiving (mail|messages) (at a rate|too)"), "mailbox busy"),
    (
        _words(
            r"(daily|hourly|sending|outgoing|sender.s)[^.;]{0,30}(quota|limit)",
            r"too many (?!hops)",
            r"max(imum)? (number|defers|messages|recipients|connections)",
            r"messages? (per|limit|quota)",
            r"rate[ -]?limit|\brate\b|throttl",
        ),
        "too many",
    ),
    (
        _words(
            r"quota",
            r"(mailbox|inbox|storage|account|user)( is)? (over|full|exceed)",
            r"mailbox size",
            r"exceed\w* (its |the |their )?storage",
            r"storage (allocation|limit)",
            r"insufficient (system |disk )?(storage|space)",
            r"out of (space|storage)",
        ),
        "mailbox full",
    ),
    (_words(r"too (large|big|long)", r"(message|mail) (size|length)", r"size limit", r"exceed\w* .{0,20}size"), "too large"),
    (
        _words(
            r"sender",
            r"\bspf\b|dkim|dmarc",
            r"unauthenticated",
            r"return[ -]path|reverse-path",
            r"mail from(?! \[?\d)",
            r"(?<!recipient )(?<!address )verif(y|ication) failed|call-?(out|back)",
            r"from[ :-]{1,2}(address|header|domain)",
        ),
        "sender refused",
    ),
    (
        _words(
            r"relay(ing)? (access )?(is )?(denied|not|prohibited|refused)",
            r"unable to relay|not able to relay|relaying|to relay",
            r"(we|server|host) (do|does|will|can)( not|n.t) relay",
            r"rcpthosts",
        ),
        "relaying refused",
    ),
    (
        _words(
            r"(block|black|deny|denied|reject|real-?time)[ -]?list",
            r"\b(dns|r|d)(bl|wl)s?\b",
            r"spamhaus|spamcop|barracuda|sorbs|uceprotect|senderscore|proofpoint|cloudmark|abusix|invaluement",
            r"\blisted (at|by|in|on)\b",
            r"reputation",
            r"\bip\b|\b(\d{1,3}\.){3}\d{1,3}\b",
            r"client host",
            r"reverse dns|\brdns\b|\bptr\b|\bhelo\b|\behlo\b|\bhost ?name\b",
            r"dynamic|residential|sending practices|country|\bgeo\b",
            r"(host|server|network|domain|connection)s?[^.;]{0,30}(block|banned|listed)",
        ),
        "our server blocked",
    ),
    (
        _words(
            r"spam\b|\bvirus|malware|phish|\bcontent|attach(ment|ed)|suspicious|message rejected",
            r"unsolicited|\b(bulk|junk)|abuse|abusive",
        ),
        "content refused",
    ),
    (
        _words(
            r"block|banned|\blists?\b",
            r"polic(y|ies)",
            r"denied|prohibit|restrict|forbidden|permission",
            r"not (allowed|permitted|accepted|authori[sz]ed)",
            r"gr[ea]y-?list",
            r"service (is )?(currently )?(un|not )available",
            r"try (again|later)|temporar",
            r"\btls\b|encrypt|certificate",
            r"limit|loop",
            r"bad sequence|not implemented",
            r"\b(service|connections?|mail|messages?|e-?mails?|delivery)\b(?! address)[^.;]{0,30}(refused|rejected|declined)",
            r"\b(only|must be) [^.;]{0,20}(member|subscriber)|subscrib|moderat",
        ),
        "refused by policy",
    ),
    (_words(r"(internal|system|server|software|configuration|database|lookup) (error|failure|fault|problem)"), "5xx"),
)
# What is said of unknown users, too, but is about something else: of senders who are unknown, of too many of them.
_NOT_OF_USERS = ("login refused", "too many", "mailbox full", "sender refused")
_BLOCKS = _words(r"block|banned|black-?list|spamhaus|polic(y|ies)")
# What they quote may be called as anything: addresses.
_QUOTED = re.compile(r"<[^>]*>|\S+@\S+")


class Stage(StrEnum):
    """Where in the talk with the mail server the answer came."""

    GREETING = "greeting"
    LOGIN = "AUTH"
    SENDER = "MAIL FROM"
    RECIPIENT = "RCPT TO"
    CONTENT = "DATA"


# Whatever it says, it is about us there, but for these.
_OURS = {
    Stage.GREETING: ("greeting refused", ("login refused", "too many", "our server blocked")),
    Stage.SENDER: ("sender refused", ("login refused", "too many", "too large", "relaying refused", "our server blocked")),
}


def row_of(stage: Stage, code: int, text: str) -> int | str:
    """Of the table in stormalert/channels/email.py, for an answer that refuses; `text`: with its enhanced status, if any."""
    if code < 500:
        return code
    if stage is Stage.LOGIN or code in _LOGIN_CODES:
        return "login refused"
    found = _STATUS.match(text)
    status, words = (found[0], text[found.end() :]) if found else ("", text)
    words = _QUOTED.sub(" ", words)
    if stage in _OURS:
        usual, others = _OURS[stage]
        about = _about(code, status, words)
        return about if about in others else usual
    if _is_about_address(stage, code, status, words):
        return "5xx to the recipient"
    return _about(code, status, words) or code


def _is_about_address(stage: Stage, code: int, status: str, words: str) -> bool:
    """By its status, where that says it; else by its code, unless the words speak of something else."""
    if status == "5.4.1":
        # Exchange's, for who is not in its directory.
        return stage is Stage.RECIPIENT and "recipient address rejected" in words.lower()
    about, is_unknown = _about(code, status, words), _UNKNOWN_USER.search(words) is not None
    if _DEAD_STATUS.fullmatch(status):
        # Against a status that says it only what is certain counts.
        return is_unknown or about in (None, "refused by policy")
    if stage is not Stage.RECIPIENT or code not in _DEAD_CODES:
        return False
    if is_unknown and about not in _NOT_OF_USERS and not _BLOCKS.search(words):
        return not status or _VAGUE_STATUS.fullmatch(status) is not None or about is None
    return about is None and (not status or _VAGUE_STATUS.fullmatch(status) is not None)


def _about(code: int, status: str, words: str) -> str | None:
    if status in ("5.1.7", "5.1.8"):
        return "sender refused"
    if status == "5.2.3":
        return "too large"
    about = next((row for pattern, row in _ABOUT if pattern.search(words)), None)
    return "mailbox full" if about is None and (status == "5.2.2" or code == 552) else about
