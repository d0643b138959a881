import json
from typing import Any
from urllib.parse import urlencode

from sandbox.faults import Faults


def test_the_outbox_shows_what_was_sent_and_runs_none_of_it(sandbox: Any) -> None:
    token = "bot1000001:sandbox-telegram-token"
    sandbox.call("GET", f"/{token}/sendMessage?chat_id=7&text=%3Cscript%3Ealert(1)%3C/script%3E")
    sandbox.call("GET", f"/{token}/sendMessage?chat_id=7&parse_mode=HTML&text=%3Cb%3EINFY%3C/b%3E+%26lt%3B")
    _, page = sandbox.call("GET", "/outbox")
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page
    assert "<b>INFY</b> &lt;" in page
    assert page.index("INFY") < page.index("alert(1)")


def test_the_outbox_can_be_narrowed_and_emptied(sandbox: Any) -> None:
    assert sandbox.call("POST", "/webhook/ops", b"{}")[0] == 200
    assert [message["to"] for message in sandbox.outbox("webhook")] == ["ops"]
    assert sandbox.outbox("telegram") == []
    assert "ops" not in sandbox.call("GET", "/outbox?channel=telegram")[1]
    assert sandbox.call("DELETE", "/outbox") == (200, {"deleted": 1})
    assert sandbox.outbox() == []
    assert sandbox.call("GET", "/outbox.json?since=x")[0] == 400


def test_the_front_page_names_every_place_and_every_fault(sandbox: Any) -> None:
    _, page = sandbox.call("GET", "/")
    for place in (sandbox.http, sandbox.ws, f":{sandbox.smtp_port}", "/outbox", "/control/kill-tokens"):
        assert place in page
    for part, faults in vars(Faults()).items():
        for fault in vars(faults):
            assert f"{part}.{fault}" in page


def test_a_lever_pulled_wrongly_says_so(sandbox: Any) -> None:
    for path, body in (
        ("/control/faults", {"stream": {"loud": True}}),
        ("/control/faults", {"for_s": "long"}),
        ("/control/print", {"symbol": "NOWHERE", "price": 1}),
        ("/control/print", {"symbol": "INFY"}),
        ("/control/telegram", {}),
        ("/control/telegram", {"message_id": 1, "press": "x"}),
    ):
        status, answer = sandbox.call("POST", path, body)
        assert status == 400, path
        assert answer["error"]
    assert sandbox.call("POST", "/control/faults", b"{")[0] == 400


def test_buttons_of_the_outbox_can_be_pressed_and_links_lead_only_to_the_web(sandbox: Any) -> None:
    keys = [{"text": "<Snooze>", "callback_data": '"x'}, {"text": "Chart", "url": "https://kite.example/a"}]
    keys.append({"text": "Bad", "url": "javascript:alert(1)"})
    sent = urlencode({"chat_id": 7, "text": "alert", "reply_markup": json.dumps({"inline_keyboard": [keys]})})
    status, answer = sandbox.call("GET", f"/bot1000001:sandbox-telegram-token/sendMessage?{sent}")
    assert status == 200
    _, page = sandbox.call("GET", "/outbox")
    number = answer["result"]["message_id"]
    assert f'data-message="{number}" data-press="&#34;x">&lt;Snooze&gt;</button>' in page
    assert '<a href="https://kite.example/a"' in page
    assert "javascript:" not in page
    assert 'name="chat_id" value="7"' in page
