from dashboard.channels import order
from stormalert.model import Channel, ChannelKind, DeliveryState


def channel(name: str, kind: ChannelKind = ChannelKind.TELEGRAM, behind: str = "", after_min: int = 5) -> Channel:
    unless = DeliveryState.SENT if kind is not ChannelKind.WHATSAPP else DeliveryState.READ
    return Channel(
        id=name, user="u", kind=kind, address=name, stands_in_for=behind, stands_in_after_min=after_min, stands_in_unless=unless
    )


PHONE = channel("phone", ChannelKind.WHATSAPP)
CHAT = channel("chat", behind="phone", after_min=10).model_copy(update={"stands_in_unless": DeliveryState.READ})
MAIL = channel("mail", ChannelKind.EMAIL, behind="phone", after_min=3).model_copy(
    update={"stands_in_unless": DeliveryState.DELIVERED}
)
HOOK = channel("hook", ChannelKind.WEBHOOK)
ALL = [CHAT, HOOK, MAIL, PHONE]


def after(changed: list[Channel], channels: list[Channel] = ALL) -> list[Channel]:
    return [next((new for new in changed if new.id == it.id), it) for it in channels]


def ids_in_order(channels: list[Channel]) -> list[str]:
    return [it.id for it in order.in_order(channels)]


def test_fallbacks_come_behind_the_primary_channel_by_their_minutes() -> None:
    assert ids_in_order(ALL) == ["hook", "phone", "mail", "chat"]


def test_each_channel_says_in_one_sentence_which_alerts_it_gets() -> None:
    assert order.told(PHONE, ALL) == "Gets every alert at once."
    assert (
        order.told(CHAT, ALL) == "Only if an alert is not read on WhatsApp phone after 10 min, or at once when it fails there."
    )


def test_the_way_of_an_alert_is_told_in_the_order_in_which_it_goes() -> None:
    assert order.way(ALL) == [
        "Every alert goes at once to Webhook hook and WhatsApp phone.",
        "E-mail mail is the fallback when it is not on the phone on WhatsApp phone after 3 min.",
        "Telegram chat is the fallback when it is not read on WhatsApp phone after 10 min.",
    ]
    assert order.way([]) == []


def test_what_is_off_is_not_on_the_way_and_its_fallbacks_become_primary() -> None:
    off = PHONE.model_copy(update={"is_on": False})
    assert order.way([off, CHAT]) == ["Every alert goes at once to Telegram chat."]


def test_a_fallback_moves_before_the_next_one_by_changing_minutes_with_it() -> None:
    moved = after(order.moved_up(CHAT, ALL))
    assert ids_in_order(moved) == ["hook", "phone", "chat", "mail"]
    assert {it.id: it.stands_in_after_min for it in moved if it.stands_in_for} == {"chat": 3, "mail": 10}


def test_two_that_wait_equally_long_are_parted() -> None:
    twin = MAIL.model_copy(update={"stands_in_after_min": 10})
    channels = [PHONE, CHAT, twin]
    assert ids_in_order(channels) == ["phone", "chat", "mail"]
    moved = after(order.moved_up(twin, channels), channels)
    assert ids_in_order(moved) == ["phone", "mail", "chat"]


def test_the_first_fallback_that_moves_up_becomes_primary_and_all_others_are_its_fallbacks() -> None:
    moved = after(order.moved_up(MAIL, ALL))
    assert ids_in_order(moved)[0:1] != ["phone"]
    assert {it.id: it.stands_in_for for it in moved} == {"chat": "mail", "hook": "", "mail": "", "phone": "mail"}
    # Nobody tells of a mail whether it was read.
    assert {it.stands_in_unless for it in moved if it.stands_in_for} == {DeliveryState.SENT}


def test_down_is_up_for_the_one_behind() -> None:
    assert order.moved_down(PHONE, ALL) == order.moved_up(MAIL, ALL)
    assert order.moved_down(MAIL, ALL) == order.moved_up(CHAT, ALL)


def test_the_ends_do_not_move() -> None:
    assert order.moved_up(PHONE, ALL) == order.moved_down(CHAT, ALL) == []
    assert order.moved_up(HOOK, ALL) == order.moved_down(HOOK, ALL) == []


def test_nothing_can_wait_for_what_waits_itself() -> None:
    assert [it.id for it in order.possible_primaries(CHAT, ALL)] == ["hook", "phone"]
    assert order.possible_primaries(PHONE, ALL) == []


def test_channels_that_only_wait_for_each_other_are_shown_all_the_same() -> None:
    one, other = channel("one", behind="other"), channel("other", behind="one")
    assert sorted(ids_in_order([one, other])) == ["one", "other"]
