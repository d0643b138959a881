import pytest
from pydantic import ValidationError

from stormalert.config import policy
from stormalert.config.policy import LimitReached, Plan, Policy, SecondFactor
from stormalert.config.stored import POLICY
from stormalert.errors import InputError
from stormalert.model import Role, RuleState
from stormalert.store import Store
from tests.store.records import a_channel, a_rule, a_user


@pytest.fixture(autouse=True)
def _as_small(store: Store) -> None:
    store.save_user(a_user("u1", "asha", plan="small"))
    store.save_user(a_user("u2", "ravi"))
    policy.save(store, Policy(plans={"standard": Plan(rules=9, channels=9), "small": Plan(rules=1, channels=0)}))


def test_each_user_has_the_limits_of_their_plan(store: Store) -> None:
    policy.check_rules(store, "u1")
    store.save_rule(a_rule("r1"))
    store.save_rule(a_rule("r2", state=RuleState.DELETED))
    with pytest.raises(LimitReached, match=r"^Your plan allows 1 rules; there are 1, and one more would be too many\.$"):
        policy.check_rules(store, "u1")
    policy.check_rules(store, "u1", 0)
    policy.check_rules(store, "u2", 9)
    with pytest.raises(LimitReached, match="there are 0, and 10 more would be too many"):
        policy.check_rules(store, "u2", 10)
    store.save_channel(a_channel("c1", user="u2"))
    policy.check_channels(store, "u2", 8)
    with pytest.raises(LimitReached):
        policy.check_channels(store, "u2", 9)
    with pytest.raises(LimitReached):
        policy.check_channels(store, "u1")


def test_a_plan_that_is_gone_is_the_usual_one(store: Store) -> None:
    policy.save(store, Policy(plans={"standard": Plan(rules=7)}))
    assert policy.plan(store, "u1").rules == policy.plan(store, "nobody").rules == 7


def test_without_a_word_of_an_admin_the_usual_counts(store: Store) -> None:
    store.delete_setting(POLICY.name)
    assert policy.read(store) == Policy() and policy.plan(store, "u1") == Plan()
    store.save_setting(POLICY.name, '{"keep_days": 0}')
    with pytest.raises(InputError, match="keep_days"):
        policy.read(store)


@pytest.mark.parametrize(
    ("who", "admin", "member"), [("optional", False, False), ("admins", True, False), ("everyone", True, True)]
)
def test_who_needs_a_second_factor(who: str, admin: bool, member: bool) -> None:
    rules = Policy(second_factor=SecondFactor(who))
    assert rules.demands_second_factor(a_user(role=Role.ADMIN)) is admin
    assert rules.demands_second_factor(a_user()) is member


@pytest.mark.parametrize("fields", [{"plans": {}}, {"plans": {"Not a name": {}}}, {"keep_days": 0}, {"nothing": 1}])
def test_what_makes_no_sense_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Policy.model_validate(fields)
