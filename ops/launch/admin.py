"""Admins made from the command line, for the first sign-in."""

from pydantic import ValidationError

from ops.launch.password import memorable_password
from stormalert.access.security import hash_password, is_password, new_id
from stormalert.errors import InputError
from stormalert.model import Role, User, sentences
from stormalert.store import Store
from stormalert.units import now_ms


def ensure(store: Store, name: str, password: str, user_id: str = "") -> User:
    """An admin who can sign in with this password. Raises InputError for a name that cannot be one."""
    user = store.user_by_name(name)
    if user is None:
        fields = {"id": user_id or new_id(), "name": name, "password_hash": hash_password(password), "role": Role.ADMIN}
        try:
            user = User.model_validate(fields | {"created_ms": now_ms()})
        except ValidationError as error:
            raise InputError("; ".join(sentences(error))) from None
    elif is_password(password, user.password_hash) and user.role is Role.ADMIN:
        return user
    else:
        user = user.model_copy(update={"password_hash": hash_password(password), "role": Role.ADMIN})
    return store.save_user(user)


def add(store: Store, name: str) -> int:
    password = memorable_password()
    user = ensure(store, name, password)
    # Whoever may run this owns the store; it is the way in when the phone is lost.
    store.save_user(user.model_copy(update={"totp_sealed": "", "recovery_digests": (), "is_off": False}))
    print(f"{name} signs in with the password {password}")
    return 0


def add_first(store: Store, name: str) -> str:
    """The password of a new admin where there is no user yet, else nothing."""
    if store.users():
        return ""
    password = memorable_password()
    ensure(store, name, password)
    return password
