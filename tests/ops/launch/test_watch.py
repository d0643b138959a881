from ops.launch.supervisor import Status
from ops.launch.watch import SILENT_S, UNWELL_S, News, ProcessWatch


def running(pid: int) -> dict[str, Status]:
    return {"ingest": Status("ingest", "storm", "RUNNING", pid)}


def test_a_process_that_gets_well_is_told_once() -> None:
    watch = ProcessWatch(["ingest"], 0)
    assert watch.look(running(7), set(), 1) == []
    assert watch.look(running(7), {"ingest"}, 2) == [News("ingest")]
    assert watch.look(running(7), {"ingest"}, 3) == []
    assert watch.is_well("ingest")


def test_a_new_pid_means_that_it_ended_though_it_is_well_again() -> None:
    watch = ProcessWatch(["ingest"], 0)
    watch.look(running(7), {"ingest"}, 1)
    ended, back = watch.look(running(8), {"ingest"}, 2)
    assert ended.is_bad
    assert "ended" in ended.text
    assert not back.is_bad
    assert "back" in back.text


def test_a_process_that_hangs_does_not_answer() -> None:
    watch = ProcessWatch(["ingest"], 0)
    watch.look(running(7), {"ingest"}, 1)
    assert watch.look(running(7), set(), 2) == []
    [news] = watch.look(running(7), set(), 2 + SILENT_S)
    assert "does not answer" in news.text
    assert not watch.is_well("ingest")


def test_a_process_that_answers_slowly_now_and_then_is_well() -> None:
    watch = ProcessWatch(["ingest"], 0)
    watch.look(running(7), {"ingest"}, 1)
    for second in range(2, 4 * SILENT_S):
        assert watch.look(running(7), {"ingest"} if second % (SILENT_S // 2) == 0 else set(), second) == []
    assert watch.is_well("ingest")


def test_a_process_that_does_not_get_well_is_complained_of_once() -> None:
    watch = ProcessWatch(["ingest"], 0)
    assert watch.look(running(7), set(), UNWELL_S - 1) == []
    [news] = watch.look(running(8), set(), UNWELL_S)
    assert news.is_complaint
    assert watch.look(running(9), set(), UNWELL_S + 100) == []


def test_the_minute_begins_anew_after_it_was_well() -> None:
    watch = ProcessWatch(["ingest"], 0)
    watch.look(running(7), {"ingest"}, 50)
    [ended] = watch.look(running(8), set(), 55)
    assert not ended.is_complaint
    assert watch.look(running(8), set(), 55 + UNWELL_S - 1) == []
    assert watch.look(running(8), set(), 55 + UNWELL_S)[0].is_complaint


def test_a_supervisor_that_does_not_answer_means_that_nothing_is_well() -> None:
    watch = ProcessWatch(["ingest"], 0)
    watch.look(running(7), {"ingest"}, 1)
    assert watch.look({}, set(), 2)[0].is_bad
