"""The few pages that Streamlit does not draw: sign-in and plain sentences. Self-contained: no script, no other request."""

from html import escape

from starlette.responses import HTMLResponse

_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
# The product's mark, also the favicon.
_BOLT = "M13 2 4 14h6l-1 8 9-12h-6z"
_ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24'%3E"
    f"%3Cpath fill='%230b6bcb' d='{_BOLT}'/%3E%3C/svg%3E"
)

_STYLE = """
:root{color-scheme:light dark;--ink:#16202c;--soft:#5b6877;--page:#f3f5f8;--card:#fff;--line:#d3dae3;
--go:#0b6bcb;--on:#fff;--bad:#b3261e;--tint:#fdecea}
@media(prefers-color-scheme:dark){:root{--ink:#e4eaf2;--soft:#9aa8ba;--page:#0e1420;--card:#172030;--line:#2a3648;
--go:#5aa9f8;--on:#08131f;--bad:#ff9d95;--tint:#3a1f22}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:grid;place-items:center;padding:24px 16px;background:var(--page);color:var(--ink);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif}
main{width:100%;max-width:380px;background:var(--card);border:1px solid var(--line);border-radius:14px;padding:32px 28px;
box-shadow:0 12px 40px rgb(10 20 40/.08)}
.mark{display:flex;align-items:center;gap:10px;font-weight:650;font-size:20px;letter-spacing:-.01em}
.mark svg{width:28px;height:28px;fill:var(--go)}
h1{font-size:17px;font-weight:600;margin:22px 0 6px}
p{margin:0 0 4px;color:var(--soft);font-size:14px}
label{display:block;margin-top:16px;font-size:14px;font-weight:550}
input{display:block;width:100%;margin-top:6px;padding:10px 12px;font:inherit;color:inherit;background:var(--page);
border:1px solid var(--line);border-radius:8px}
input:focus-visible,button:focus-visible,a:focus-visible{outline:2px solid var(--go);outline-offset:1px}
button,.button{display:block;width:100%;margin-top:24px;padding:11px 12px;font:inherit;font-weight:600;text-align:center;
text-decoration:none;color:var(--on);background:var(--go);border:0;border-radius:8px;cursor:pointer}
button:hover,.button:hover{filter:brightness(1.07)}
.qr{margin:16px auto 8px;width:184px;background:#fff;padding:8px;border-radius:8px}.qr svg{display:block;width:100%;height:auto}
.key{font-family:ui-monospace,monospace;text-align:center;overflow-wrap:anywhere}
.codes{list-style:none;margin:16px 0 0;padding:12px;border:1px solid var(--line);border-radius:8px;
font-family:ui-monospace,monospace;columns:1;text-align:center}
.refusal{margin-top:16px;padding:10px 12px;border-radius:8px;background:var(--tint);color:var(--bad);font-size:14px}
"""

_MARK = f'<div class="mark"><svg viewBox="0 0 24 24" aria-hidden="true"><path d="{_BOLT}"/></svg>StormAlert</div>'


def sign_in_page(csrf: str, refusal: str, name: str, status: int, notice: str = "") -> HTMLResponse:
    # The cursor goes where the next key is needed.
    on_name, on_password = ("", " autofocus") if name else (" autofocus", "")
    body = f"""<h1>Sign in</h1><p>{escape(notice or "Real-time stock alerts for the Indian market.")}</p>{_told(refusal)}
<form method="post" action="/login">
<input type="hidden" name="csrf" value="{escape(csrf)}">
<label>Name<input type="text" name="name" value="{escape(name)}" autocomplete="username" autocapitalize="none"
 spellcheck="false" maxlength="64" required{on_name}></label>
<label>Password<input type="password" name="password" autocomplete="current-password" maxlength="1024"
 required{on_password}></label>
<button>Sign in</button></form>"""
    return _page("Sign in", body, status)


def code_page(csrf: str, step: str, refusal: str, status: int) -> HTMLResponse:
    """The second step of signing in; `step` says whose."""
    body = f"""<h1>Second factor</h1><p>Enter the code that your authenticator app shows, or one of your recovery codes.</p>
{_told(refusal)}<form method="post" action="/login/code">{_hidden(csrf=csrf, step=step)}{_CODE}
<button>Sign in</button></form>"""
    return _page("Second factor", body, status)


def enrolment_page(csrf: str, step: str, secret: str, qr_svg: str, refusal: str, status: int) -> HTMLResponse:
    """Asks for the first code of a new second factor; `qr_svg` is markup of our own."""
    body = f"""<h1>Second factor</h1><p>Here everybody signs in with a second factor. Scan this with an authenticator app, or
 enter the key by hand, then type the code that the app shows.</p><div class="qr">{qr_svg}</div>
<p class="key">{escape(secret)}</p>{_told(refusal)}
<form method="post" action="/login/enrol">{_hidden(csrf=csrf, step=step)}{_CODE}
<button>Go on</button></form>"""
    return _page("Second factor", body, status)


def recovery_page(codes: list[str]) -> HTMLResponse:
    rows = "".join(f"<li>{escape(code)}</li>" for code in codes)
    body = f"""<h1>Recovery codes</h1><p>Each lets you in once when the phone is lost. Keep them in a safe place: they are shown
 only now.</p><ul class="codes">{rows}</ul><a class="button" href="/">I have kept them</a>"""
    return _page("Recovery codes", body, 200)


def account_page(title: str, sentence: str, name: str, button: str, refusal: str, status: int) -> HTMLResponse:
    """For a new account, whose name is chosen here when `name` is empty, or for a new password. Posts to its own address."""
    field = (
        f'<label>Name<input type="text" value="{escape(name)}" autocomplete="username" disabled></label>'
        if name
        else '<label>Name<input type="text" name="name" autocomplete="username" autocapitalize="none" spellcheck="false"'
        ' maxlength="64" required autofocus></label>'
    )
    body = f"""<h1>{escape(title)}</h1><p>{escape(sentence)}</p>{_told(refusal)}<form method="post">{field}
<label>Password<input type="password" name="password" autocomplete="new-password" maxlength="1024" required></label>
<label>Password again<input type="password" name="again" autocomplete="new-password" maxlength="1024" required></label>
<button>{escape(button)}</button></form>"""
    return _page(title, body, status)


def sentence_page(
    title: str, sentence: str, status: int, link: str = "/", link_text: str = "Back to StormAlert"
) -> HTMLResponse:
    body = f'<h1>{escape(title)}</h1><p>{escape(sentence)}</p><a class="button" href="{escape(link)}">{escape(link_text)}</a>'
    return _page(title, body, status)


def question_page(title: str, question: str, button: str) -> HTMLResponse:
    """Its button posts to the page's own address."""
    body = f'<h1>{escape(title)}</h1><p>{escape(question)}</p><form method="post"><button>{escape(button)}</button></form>'
    return _page(title, body, 200)


_CODE = """<label>Code<input type="text" name="code" autocomplete="one-time-code" inputmode="text" autocapitalize="none"
 spellcheck="false" maxlength="32" required autofocus></label>"""


def _told(refusal: str) -> str:
    return f'<p class="refusal" role="alert">{escape(refusal)}</p>' if refusal else ""


def _hidden(**fields: str) -> str:
    return "".join(f'<input type="hidden" name="{name}" value="{escape(value)}">' for name, value in fields.items())


def _page(title: str, body: str, status: int) -> HTMLResponse:
    text = f"""<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1"><title>{escape(title)} · StormAlert</title>
<link rel="icon" href="{_ICON}"><style>{_STYLE}</style></head><body><main>{_MARK}{body}</main></body></html>"""
    # same-origin, not no-referrer: with that, browsers send "Origin: null" with the form.
    headers = {"Cache-Control": "no-store", "Content-Security-Policy": _POLICY, "Referrer-Policy": "same-origin"}
    return HTMLResponse(text, status, headers)
