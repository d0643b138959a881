"""Every answer of a provider that is known, word for word, and what must come of it: data for test_answers.py and for
docs/provider-answers.md, which `make docs` writes.

What stands here is what providers' documentations and public reports of their users show; none of it is made from our tables.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from stormalert.model import ChannelKind


class Becomes(Enum):
    """What becomes of the message, and who is told: (state, told)."""

    SENT = "sent", "nobody"
    MOVED = "tried again at the new address", "nobody"
    RETRIED = "tried again, for an hour at most", "nobody"
    THRICE = "tried three times, then failed", "the owner, after three in a row"
    FAILED = "failed", "the owner, after three in a row"
    ADMIN = "failed", "admins at once; the owner, after three in a row"
    OFF = "failed, and the channel switched off", "the owner at once"

    @property
    def state(self) -> str:
        return self.value[0]

    @property
    def told(self) -> str:
        return self.value[1]


SENT, MOVED, RETRIED, THRICE = Becomes.SENT, Becomes.MOVED, Becomes.RETRIED, Becomes.THRICE
FAILED, ADMIN, OFF = Becomes.FAILED, Becomes.ADMIN, Becomes.OFF


@dataclass(frozen=True)
class KnownAnswer:
    kind: ChannelKind
    # Status first, as the sandbox takes it; a line break is one of the answer.
    answer: str
    outcome: Becomes
    # Of mail: the command that is answered so.
    command: str = ""

    @property
    def code(self) -> str:
        """What an admin looks up: Twilio's own code, else the status."""
        words = self.answer.split()
        return words[1] if self.kind is ChannelKind.WHATSAPP and len(words) > 1 and words[1] != "-" else words[0][:3]

    @property
    def id(self) -> str:
        return "-".join(filter(None, (self.kind, self.command, *self.answer.split()[:6])))


def _rows(kind: ChannelKind, outcome: Becomes, *answers: str, command: str = "") -> Iterator[KnownAnswer]:
    return (KnownAnswer(kind, answer, outcome, command) for answer in answers)


def _telegram(outcome: Becomes, *answers: str) -> Iterable[KnownAnswer]:
    return _rows(ChannelKind.TELEGRAM, outcome, *answers)


def _whatsapp(outcome: Becomes, *answers: str) -> Iterable[KnownAnswer]:
    return _rows(ChannelKind.WHATSAPP, outcome, *answers)


def _email(outcome: Becomes, *answers: str, command: str = "RCPT") -> Iterable[KnownAnswer]:
    return _rows(ChannelKind.EMAIL, outcome, *answers, command=command)


def _webhook(outcome: Becomes, *answers: str) -> Iterable[KnownAnswer]:
    return _rows(ChannelKind.WEBHOOK, outcome, *answers)


def _ntfy(outcome: Becomes, *answers: str) -> Iterable[KnownAnswer]:
    return _rows(ChannelKind.NTFY, outcome, *answers)


TELEGRAM = (
    *_telegram(SENT, "200 OK"),
    *_telegram(
        RETRIED,
        "429 Too Many Requests: retry after 7",
        "429 Too Many Requests",
        "400 Bad Request: SLOWMODE_WAIT_12",
        "400 Bad Request: FLOOD_WAIT_30",
        "500 Internal Server Error",
        "500 Internal Server Error: restart",
        "502 Bad Gateway",
        "503 Service Unavailable",
        "504 Gateway Timeout",
    ),
    *_telegram(
        THRICE,
        "405 Method Not Allowed",
        "406 Not Acceptable",
        "409 Conflict: terminated by other getUpdates request; make sure that only one bot instance is running",
        "413 Request Entity Too Large",
        "420 FLOOD",
        "451 Unavailable For Legal Reasons",
    ),
    *_telegram(ADMIN, "401 Unauthorized", "404 Not Found"),
    *_telegram(
        OFF,
        "403 Forbidden: bot was blocked by the user",
        "403 Forbidden: user is deactivated",
        "403 Forbidden: bot can't initiate conversation with a user",
        "403 Forbidden: bot can't send messages to bots",
        "403 Forbidden: bot was kicked from the group chat",
        "403 Forbidden: bot was kicked from the supergroup chat",
        "403 Forbidden: bot was kicked from the channel chat",
        "403 Forbidden: bot is not a member of the supergroup chat",
        "403 Forbidden: bot is not a member of the channel chat",
        "403 Forbidden: the group chat was deleted",
        "403 Forbidden: USER_IS_BLOCKED",
        "400 Bad Request: chat not found",
        "400 Bad Request: group chat was deactivated",
        "400 Bad Request: group chat was deleted",
        "400 Bad Request: group chat was upgraded to a supergroup chat",
        "400 Bad Request: user not found",
        "400 Bad Request: PEER_ID_INVALID",
        "400 Bad Request: CHAT_ID_INVALID",
        "400 Bad Request: CHANNEL_INVALID",
        "400 Bad Request: CHANNEL_PRIVATE",
        "400 Bad Request: INPUT_USER_DEACTIVATED",
    ),
    *_telegram(
        FAILED,
        "400 Bad Request: not enough rights to send text messages to the chat",
        "403 Forbidden: not enough rights to send text messages to the chat",
        "400 Bad Request: have no rights to send a message",
        "400 Bad Request: need administrator rights in the channel chat",
        "403 Forbidden: CHAT_WRITE_FORBIDDEN",
        "400 Bad Request: CHAT_WRITE_FORBIDDEN",
        "400 Bad Request: CHAT_ADMIN_REQUIRED",
        "400 Bad Request: CHAT_RESTRICTED",
        "403 Forbidden: CHAT_RESTRICTED",
        "400 Bad Request: CHAT_SEND_PLAIN_FORBIDDEN",
        "400 Bad Request: CHAT_GUEST_SEND_FORBIDDEN",
        "400 Bad Request: USER_BANNED_IN_CHANNEL",
        "400 Bad Request: TOPIC_CLOSED",
        "400 Bad Request: TOPIC_DELETED",
        "400 Bad Request: message thread not found",
        "403 Forbidden: PRIVACY_PREMIUM_REQUIRED",
        '400 Bad Request: can\'t parse entities: Unsupported start tag "x" at byte offset 3',
        "400 Bad Request: message is too long",
        "400 Bad Request: MESSAGE_TOO_LONG",
        "400 Bad Request: message text is empty",
        "400 Bad Request: BUTTON_DATA_INVALID",
        "400 Bad Request: BUTTON_URL_INVALID",
        "400 Bad Request: reply markup is too long",
        "400 Bad Request: SOMETHING_NEW_THAT_NOBODY_KNOWS",
    ),
)

# Status, Twilio's code, its words.
WHATSAPP = (
    *_whatsapp(SENT, "201 - queued"),
    *_whatsapp(
        RETRIED,
        "429 20429 Too Many Requests",
        "429 63018 Rate limit exceeded for Channel",
        "409 20409 Conflict",
        "500 20500 Internal Server Error",
        "503 20503 Service Unavailable",
        "504 20504 Gateway Timeout",
        "429 21611 The 'From' number has exceeded the maximum number of queued messages",
        "400 30001 Queue overflow",
        "400 30008 Unknown error",
        "400 30017 Carrier network congestion",
        "400 30410 Provider timeout error",
        "500 63009 Channel provider returned an error when executing the request",
        "500 63010 Channels - Twilio Internal error",
        "500 63012 Channel provider returned an internal service error",
        "400 63023 Channel generic error",
        "500 99998 A code that nobody knows",
        "429 99998 A code that nobody knows",
    ),
    *_whatsapp(
        THRICE,
        "400 99999 A code that nobody knows",
        "400 21999 A code that nobody knows",
        "400 63999 A code that nobody knows",
        "422 99999 A code that nobody knows",
        "405 20004 Method not allowed",
    ),
    *_whatsapp(
        OFF,
        "400 21211 The 'To' number whatsapp:+1 is not a valid phone number",
        "400 21614 'To' number is not a valid mobile number",
        "400 63024 Invalid message recipient",
        "400 21610 Attempt to send to unsubscribed recipient",
        "400 63014 Channel message blocked by user action",
        "400 63033 Recipient blocked to receive message",
        "400 63015 Channel Sandbox can only send messages to phone numbers that have joined the Sandbox",
    ),
    *_whatsapp(
        FAILED,
        "400 30003 Unreachable destination handset",
        "400 30004 Message blocked",
        "400 30005 Unknown destination handset",
        "400 30006 Landline or unreachable carrier",
        "400 30007 Message filtered",
        "400 30036 Validity Period Expired",
        "400 21266 'To' and 'From' number cannot be the same",
        "400 63031 Channels message cannot have same From and To",
        "400 63036 The specified To phone number is not reachable",
    ),
    *_whatsapp(
        ADMIN,
        "401 20003 Authenticate",
        "401 70051 Authorization failed",
        "403 20005 Account is not active",
        "403 10001 Account is not active",
        "403 10002 Trial account does not support this feature",
        "422 572002 A ContentSid is required in the trial environment",
        "403 20006 Access denied",
        "403 20008 Resource not accessible with Test Account Credentials",
        "403 20403 Forbidden",
        "404 20404 The requested resource was not found",
        "400 20001 Unknown parameters",
        "400 20422 Invalid Parameter",
        "400 30002 Account suspended",
        "400 30010 Message price exceeds max price",
        "403 30039 Message blocked by Twilio",
        "429 63038 Account exceeded the daily messages limit",
        "403 63051 WhatsApp Business Account is locked",
        "400 63020 Twilio encountered a Business Manager account error",
        "400 21219 'To' phone number not verified",
        "400 21608 The number is unverified. Trial accounts cannot send messages to unverified numbers",
        "400 21408 Permission to send an SMS has not been enabled for the region indicated by the 'To' number",
        "400 21612 The 'To' phone number is not currently reachable using the 'From' phone number",
        "400 21212 The 'From' number is not a valid phone number, shortcode, or alphanumeric sender ID",
        "400 21601 Phone number is not a valid SMS-capable inbound phone number",
        "400 21603 A 'From' phone number is required",
        "400 21606 The 'From' phone number provided is not a valid message-capable Twilio phone number",
        "400 21659 'From' is not a Twilio phone number or Short Code country mismatch",
        "400 21660 Mismatch between the 'From' number and the account",
        "400 21661 'From' number is not SMS-capable",
        "400 21910 'From' and 'To' should be of the same channel",
        "400 63002 Channel could not find the From address",
        "400 63003 Channel could not find To address",
        "400 63007 Twilio could not find a Channel with the specified From address",
        "400 21701 The Messaging Service does not exist",
        "400 21703 The Messaging Service contains no phone numbers",
        "400 21704 The Messaging Service contains no phone number of the type",
        "400 21705 The Messaging Service Sid is invalid",
        "400 63001 Channel could not authenticate the request",
        "400 63008 Could not execute the request because the channel module is misconfigured",
        "400 63022 Invalid vname certificate",
        "400 63035 The operation attempted by the sender is not allowed by the channel",
        "400 63037 WhatsApp sender is not ready",
        "400 63013 This message send failed because it violates Channel provider's policy",
        "400 21602 Message body is required",
        "400 21605 The body exceeds the maximum length",
        "400 21617 The concatenated message body exceeds the 1600 character limit",
        "400 21619 A text message body or media urls must be specified",
        "400 63005 Channel did not accept given content",
        "400 63006 Could not format given content for the channel",
        "400 63011 Invalid Request: Twilio encountered an error while processing your request",
        "400 63021 Channel invalid content error",
        "400 63026 Invalid content for the channel",
        "400 63030 Unsupported parameter for type of channels message",
        "400 21655 The ContentSid is Invalid",
        "400 92006 The Content Sid is Invalid",
        "400 63027 Template does not exist for a language and locale",
        "400 63029 The receiver failed to download the template",
        "400 63040 Template rejected",
        "400 63041 Template paused",
        "400 63042 Template disabled",
        "400 21656 The ContentVariables Parameter is invalid",
        "400 63028 Number of parameters provided does not match the expected number of parameters",
        "400 92007 The Content Variables Parameter is Invalid",
        "400 63032 We cannot send this message to this user because of a WhatsApp limitation",
        "400 63049 Meta chose not to deliver this WhatsApp marketing message",
        "400 21604 A 'To' phone number is required",
        "400 21609 The 'StatusCallback' URL is not a valid URL",
    ),
)

EMAIL = (
    *_email(SENT, "250 2.1.5 OK"),
    *_email(
        RETRIED,
        "421 4.7.28 Our system has detected an unusual rate of unsolicited mail",
        "421 Service not available, closing transmission channel",
        "450 4.2.0 <trader@storm.example>: Recipient address rejected: Greylisted, see http://postgrey.schweikert.ch/",
        "450 4.2.1 The user you are trying to contact is receiving mail at a rate that prevents additional messages",
        "450 4.1.1 <trader@storm.example>: Recipient address rejected: unverified address",
        "451 4.3.0 Temporary server error",
        "451 4.7.1 Please try again later",
        "452 4.2.2 The email account that you tried to reach is over quota",
        "452 4.3.1 Insufficient system storage",
        "454 4.7.0 Too many login attempts, please try again later",
        "499 Something that nobody knows",
    ),
    *_email(
        OFF,
        "550 5.1.1 <trader@storm.example>: Recipient address rejected: User unknown in local recipient table",
        "550 5.1.1 User unknown in relay recipient table",
        "550-5.1.1 The email account that you tried to reach does not exist. Please try\r\n"
        "550-5.1.1 double-checking the recipient's email address for typos or\r\n"
        "550 5.1.1 unnecessary spaces. Learn more at https://support.google.com/mail/?p=NoSuchUser",
        "550 5.1.1 RESOLVER.ADR.RecipNotFound; not found",
        "550 5.1.1 Recipient address rejected: Access denied",
        "550 5.1.2 Bad destination system address",
        "553 5.1.3 Bad recipient address syntax",
        "550 5.1.6 Recipient no longer on server",
        "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup",
        "556 5.1.10 Recipient address has null MX",
        "550 5.1.0 Address rejected",
        "550 5.2.1 The email account that you tried to reach is inactive",
        "550 5.2.1 mailbox disabled, not accepting messages",
        "550 5.4.1 Recipient address rejected: Access denied. AS(201806281)",
        "550 5.4.310 DNS domain storm.example does not exist",
        "550 5.5.0 Requested action not taken: mailbox unavailable",
        "550 Requested action not taken: mailbox unavailable",
        "550 No such user here",
        "550 <listen.block@storm.example>: user unknown",
        "550 Unrouteable address",
        "550 Invalid recipient",
        "550 mailbox not found",
        "550 The user's account is disabled",
        "550 sorry, no mailbox here by that name",
        "550 5.7.1 Unable to deliver: no such user",
        "553 5.3.0 <trader@storm.example>... Unknown user",
        "551 User not local; please try <elsewhere@storm.example>",
        "553 Requested action not taken: mailbox name not allowed",
    ),
    *_email(
        FAILED,
        "552 Requested mail action aborted: exceeded storage allocation",
        "552 5.2.2 mailbox full",
        "550 5.2.2 user over quota",
        "552 Mailbox full",
        "550 Mailbox is over quota",
        "550 5.1.1 Mailbox size limit exceeded",
        "554 5.2.2 mailbox full; STOREDRV.Deliver.Exception:QuotaExceededException",
        "552 5.3.4 Message size exceeds fixed limit",
        "552 5.2.3 Message length exceeds administrative limit",
        "550 5.2.1 The user you are trying to contact is receiving mail at a rate that prevents additional messages",
        "550 5.7.1 Message rejected due to content restrictions",
        "554 5.7.1 Spam message rejected",
        "550 Message contains a virus",
        "550 5.7.1 Recipient not authorized: policy",
        "550 5.7.129 RESOLVER.RST.RestrictedToRecipientsPermission; not authorized to send to the recipient",
        "550 Access denied",
        "550 5.7.1 Access denied",
        "550 Only members may post to this list",
        "550 Blocked by the recipient's policy",
        "550 Rejected: policy violation",
        "503 5.5.1 Error: need MAIL command",
        "503 Bad sequence of commands",
        "501 5.5.4 Syntax error in parameters",
        "502 Command not implemented",
        "521 Host does not accept mail",
        "554 Transaction failed",
        "554 5.0.0 Service unavailable",
        "554 5.3.0 Their system is broken",
        "554 5.4.6 Too many hops: routing loop detected",
        "571 Delivery not authorized",
        "554 no such user",
        "550 Unsolicited bulk mail refused",
        "550 Mail rejected: attached file",
        "550 Only subscribers can post",
        "550 Service refused",
        "550 Internal error",
        "550 Quota exceeded: user unknown",
        "550 Blocked: user unknown or not in our list",
    ),
    *_email(
        ADMIN,
        "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org",
        "554 Client host blocked",
        "550 IP 192.0.2.1 blocked",
        "550 5.7.1 Your IP address is on our block list",
        "550 Your server is listed in our RBL",
        "550 5.7.606 Access denied, banned sending IP [192.0.2.1]",
        "550 SC-001 Mail rejected by the server for policy reasons: the reputation of your server",
        "550-5.7.25 The IP address sending this message does not have a PTR record setup\r\n550 5.7.25 for it",
        "550 Reverse DNS lookup failed for your host",
        "554 Denied: bad HELO",
        "550 5.7.1 Relaying denied",
        "554 5.7.1 <trader@storm.example>: Relay access denied",
        "550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain",
        "553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)",
        "550 Sender verify failed",
        "553 5.1.8 Domain of sender address does not exist",
        "550 5.1.7 Invalid return path",
        "553 5.7.1 <alerts@storm.example>: Sender address rejected: not owned by user storm",
        "550 5.7.26 Unauthenticated email from storm.example is not accepted due to the domain's DMARC policy",
        "550 5.7.23 The message was rejected because of Sender Policy Framework violation",
        "550 SPF check failed",
        "530 5.7.0 Authentication required",
        "530 5.7.57 Client not authenticated to send mail",
        "530 Must issue a STARTTLS command first",
        "550 5.7.0 Authentication is required for relay",
        "503 AUTH first",
        "550 5.4.5 Daily user sending quota exceeded",
        "554 5.7.1 Hourly sending limit exceeded",
        "550 Too many recipients",
        "550 Too many unknown users",
        "550 Domain exceeded its max defers and failures per hour",
        "550 Sender verify failed: no such user here",
        "550 Callout verification failed",
        "550 We do not relay",
        "550 Mail from 192.0.2.1 rejected",
        "550 Connections from dynamic addresses are refused",
        "550 Cannot find your hostname",
        "550 You must log in first",
        "550 Authenticated sessions only",
        "550 Your account has been disabled",
        "550 5.7.1 Message rate limit exceeded",
    ),
    *_email(
        ADMIN,
        "535 5.7.8 Username and Password not accepted",
        "534 5.7.9 Application-specific password required",
        "538 5.7.11 Encryption required for requested authentication mechanism",
        "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant",
        command="AUTH",
    ),
    *_email(RETRIED, "454 4.7.0 Temporary authentication failure", command="AUTH"),
    *_email(
        ADMIN,
        "550 5.7.1 Access denied",
        "553 5.7.1 Sender address rejected: not owned by user",
        "501 5.1.7 Bad sender address syntax",
        "550 Verification failed for <alerts@storm.example>: no such domain",
        "530 5.7.1 Client was not authenticated",
        "550 5.4.5 Daily user sending quota exceeded",
        command="MAIL",
    ),
    *_email(RETRIED, "451 4.3.0 Temporary lookup failure", "452 4.3.1 Insufficient system storage", command="MAIL"),
    *_email(FAILED, "552 5.3.4 Message size exceeds fixed maximum message size", command="MAIL"),
    *_email(OFF, "550 5.1.1 No such user", "550 5.2.1 Mailbox disabled", command="DATA"),
    *_email(
        FAILED,
        "554 5.7.1 Message rejected as spam",
        "550 Rejected",
        "552 5.2.2 Mailbox full",
        "554 5.6.0 Message contains invalid header",
        command="DATA",
    ),
    *_email(
        ADMIN,
        "550 5.7.26 Unauthenticated email is not accepted: DKIM did not pass",
        "554 5.7.1 Your host is on a blacklist",
        command="DATA",
    ),
    *_email(RETRIED, "451 4.7.0 Message deferred", "421 4.7.0 Try again later, closing connection", command="DATA"),
)

WEBHOOK = (
    *_webhook(SENT, "200 OK", "201 Created", "202 Accepted", "204 "),
    *_webhook(
        RETRIED,
        "429 Too Many Requests",
        "408 Request Timeout",
        "425 Too Early",
        "500 Internal Server Error",
        "502 Bad Gateway",
        "503 Service Unavailable",
        "504 Gateway Timeout",
        "520 Web server returned an unknown error",
        "529 Site is overloaded",
    ),
    *_webhook(OFF, "404 Not Found", "410 Gone"),
    *_webhook(
        FAILED,
        "301 Moved Permanently",
        "302 Found",
        "307 Temporary Redirect",
        "308 Permanent Redirect",
        "400 Bad Request",
        "401 Unauthorized",
        "402 Payment Required",
        "403 Forbidden",
        "405 Method Not Allowed",
        "409 Conflict",
        "413 Content Too Large",
        "415 Unsupported Media Type",
        "418 I'm a teapot",
        "422 Unprocessable Content",
        "451 Unavailable For Legal Reasons",
    ),
)

NTFY = (
    *_ntfy(SENT, "200 OK"),
    *_ntfy(
        RETRIED,
        "429 limit reached: too many requests, please be nice",
        "429 limit reached: daily message quota reached",
        "408 request timeout",
        "425 too early",
        "500 internal server error",
        "502 bad gateway",
        "503 service unavailable",
        "507 internal server error: insufficient storage",
    ),
    *_ntfy(OFF, "401 unauthorized", "403 forbidden", "404 page not found", "410 gone"),
    *_ntfy(
        FAILED,
        "301 moved permanently",
        "400 invalid request: topic invalid",
        "400 invalid request: actions invalid",
        "405 method not allowed",
        "409 conflict",
        "413 attachment too large, or bandwidth limit reached",
        "422 something that nobody knows",
    ),
)

DOCUMENT = Path(__file__).parents[2] / "docs" / "provider-answers.md"
ROWS = (*TELEGRAM, *WHATSAPP, *EMAIL, *WEBHOOK, *NTFY)

_HEAD = """# What providers answer, and what comes of it

Made from `tests/workers/answers.py`, which is the data of one test a row: the sandbox gives the answer word for word, and
it goes through the real sender and the stages of a delivery. `make docs` makes it anew.

- **Tried again, for an hour at most**: as long as the alert is news; what has not gone out by then has failed, and counts
  as such.
- **Three in a row**: when three messages of a channel have failed for one reason and none got through meanwhile, its
  owner hears of it over their other channels, and of the same not twice a day. What a provider reports later of a message
  that it took counts too.
- **Switched off**: the address takes no message until its owner does something; the page *Channels* says what.
- **Admins** see the provider's code and what it means under *Admin, Queue* and in the notice, until one says that it is
  mended.
- What stands in no row: a refusal by a status of 4xx is tried three times, any other answer for an hour. Mail's 4xx are
  temporary by definition, and tried for an hour; a webhook's and ntfy's, which are their owner's to mend, have failed at
  once.
"""
_NAMES = {
    ChannelKind.TELEGRAM: "Telegram",
    ChannelKind.WHATSAPP: "WhatsApp, by Twilio",
    ChannelKind.EMAIL: "E-mail",
    ChannelKind.WEBHOOK: "Webhook",
    ChannelKind.NTFY: "ntfy",
}


def document() -> str:
    parts = [_HEAD]
    for kind, name in _NAMES.items():
        parts.append(f"\n## {name}\n\n| answer | the message | who is told |\n| --- | --- | --- |\n")
        parts += [_line(row) for row in ROWS if row.kind is kind]
    return "".join(parts)


def _line(row: KnownAnswer) -> str:
    answer = " ".join(row.answer.split()).replace("|", "\\|").replace("`", "'")
    command = f"to {row.command}: " if row.command else ""
    return f"| {command}`{answer}` | {row.outcome.state} | {row.outcome.told} |\n"


if __name__ == "__main__":
    DOCUMENT.write_text(document())
