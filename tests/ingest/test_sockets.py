import pytest

from ingest.sockets import SOCKETS_MAX, TOKENS_A_SOCKET, spread


def test_without_tokens_one_socket_stays_ready() -> None:
    assert spread(set(), []) == [set()]


def test_new_tokens_join_what_a_socket_holds_already() -> None:
    assert spread({1, 2, 3}, [{1, 2}]) == [{1, 2, 3}]


def test_a_token_that_nobody_wants_is_let_go() -> None:
    assert spread({2}, [{1, 2}]) == [{2}]


@pytest.mark.parametrize(
    ("count", "sizes"), [(3_000, [3_000]), (3_001, [3_000, 1]), (9_000, [3_000] * 3), (9_500, [3_000] * 3)]
)
def test_sockets_are_opened_as_needed_up_to_kites_limit(count: int, sizes: list[int]) -> None:
    sockets = spread(set(range(count)), [])
    assert [len(tokens) for tokens in sockets] == sizes
    assert len(sockets) <= SOCKETS_MAX
    assert max(map(len, sockets)) <= TOKENS_A_SOCKET


def test_what_a_socket_holds_stays_where_it_is() -> None:
    held = [set(range(3_000)), set(range(3_000, 3_010))]
    wanted = set(range(1, 3_010)) | {9_999}
    first, second = spread(wanted, held)
    assert first == held[0] - {0}
    assert second == held[1] | {9_999}


def test_a_socket_that_the_others_have_ample_room_for_is_emptied() -> None:
    held = [set(range(700)), set(range(700, 800)), set(range(800, 1_500))]
    assert sorted(map(len, spread(set(range(1_500)), held))) == [0, 0, 1_500]
    assert sorted(map(len, spread(set(range(1_501)), held))) == [0, 750, 751]


def test_sockets_that_became_emptier_are_left_alone_while_they_are_needed() -> None:
    held = [set(range(3_000)), set(range(3_000, 3_010))]
    assert spread(set().union(*held), held) == held


def test_an_emptied_socket_is_used_again_when_another_is_full() -> None:
    shares = spread(set(range(3_010)), [set(), set(range(3_000))])
    assert [len(tokens) for tokens in shares] == [10, 3_000]
