"""Every metric of /metrics: its name after Prometheus' conventions, its type, its labels and what it tells.

`replica` is one process: its host and pid. The name `instance` is left to Prometheus, which gives it to what it scrapes.
"""

from enum import StrEnum
from typing import NamedTuple


class MetricKind(StrEnum):
    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


class Metric(NamedTuple):
    name: str
    kind: MetricKind
    labels: tuple[str, ...]
    help: str


def _gauge(name: str, help_text: str, *labels: str) -> Metric:
    return Metric(f"stormalert_{name}", MetricKind.GAUGE, labels, help_text)


def _counter(name: str, help_text: str, *labels: str) -> Metric:
    return Metric(f"stormalert_{name}", MetricKind.COUNTER, labels, help_text)


def _histogram(name: str, help_text: str, *labels: str) -> Metric:
    return Metric(f"stormalert_{name}", MetricKind.HISTOGRAM, labels, help_text)


METRICS = (
    _gauge("up", "Whether a process of this kind beats, of those that are needed or ever did.", "process"),
    _gauge("processes", "How many processes of this kind beat.", "process"),
    _counter("process_starts_total", "How often a process of this kind was started.", "process"),
    _gauge("process_info", "1; the label tells the version that it runs.", "process", "replica", "version"),
    _gauge("process_start_time_seconds", "When it was started, since the epoch.", "process", "replica"),
    _gauge("process_resident_memory_bytes", "Memory that it holds.", "process", "replica"),
    _counter("process_cpu_seconds_total", "Processor time that it used.", "process", "replica"),
    _gauge("process_loop_lag_seconds", "By how much its event loop woke too late.", "process", "replica"),
    _histogram("store_call_seconds", "How long its store took for an operation.", "process", "replica"),
    _counter("store_errors_total", "Operations of its store that failed.", "process", "replica"),
    _gauge("feed_state", "1 for the state that the Kite feed is in, 0 for the others.", "state"),
    _gauge("feed_last_frame_timestamp_seconds", "When the newest frame of Kite came; 0: none did yet."),
    _gauge("feed_market_open", "Whether something that is subscribed trades now."),
    _gauge("feed_market_opens_timestamp_seconds", "When that trading began, or begins next; 0: it always trades."),
    _gauge("feed_instruments", "Instruments that are subscribed."),
    _gauge("feed_instruments_left_out", "Instruments beyond what Kite takes."),
    _gauge("feed_sockets", "Sockets to Kite."),
    _gauge("feed_troubles", "What is wrong beside the feed's state: calendar, instruments, store."),
    _counter("feed_gaps_total", "Stretches in which prices were lost."),
    _counter("feed_ticks_total", "Ticks that were admitted and written into their stream."),
    _counter("feed_ticks_refused_total", "Packets that became no tick.", "reason"),
    _counter("feed_ticks_conflated_total", "Ticks of which only extremes were kept while Redis was slow or away."),
    _counter("feed_faulty_frames_total", "Frames that could not be decoded."),
    _histogram("feed_delay_seconds", "From a frame's arrival until its ticks were in their stream."),
    _gauge("kite_login_needed", "Whether somebody must log in to Kite."),
    _gauge("kite_login_timestamp_seconds", "When somebody last logged in to Kite; 0: the token came another way."),
    _gauge("stream_entries", "Entries that a stream holds.", "stream", "shard"),
    _gauge("stream_waiting_entries", "Entries of a stream that nobody has read.", "stream", "shard"),
    _gauge("stream_oldest_waiting_seconds", "How long the oldest unread entry waits; 0: none does.", "stream", "shard"),
    _counter("ticks_evaluated_total", "Ticks that were held against the rules.", "replica"),
    _counter("ticks_malformed_total", "Entries of the ticks streams that were no ticks."),
    _counter("alerts_fired_total", "Alerts that fired.", "replica"),
    _histogram("tick_delay_seconds", "How long a tick was in its stream when it had been evaluated.", "replica"),
    _histogram("alert_delay_seconds", "How long the tick of an alert was in its stream when the alert fired.", "replica"),
    _counter("alerts_dispatched_total", "Alerts that became deliveries.", "replica"),
    _counter("alerts_refused_total", "Entries of the alerts streams that were no alerts.", "replica"),
    _gauge("queue_jobs", "Jobs of deliveries: queued, waiting_to_retry, failed.", "state"),
    _gauge("queue_oldest_waiting_seconds", "How long the next job waits; 0: none does."),
    _counter("deliveries_requeued_total", "Deliveries that were found lying and queued again.", "replica"),
    _counter("deliveries_total", "Deliveries that came to an end: sent, failed, suppressed.", "channel", "outcome", "replica"),
    _counter("delivery_retries_total", "Tries that will be repeated.", "channel", "replica"),
    _counter("rate_limit_waits_total", "How often a message had to wait for its provider's rate limit.", "channel", "replica"),
    _histogram("delivery_seconds", "From an alert, or its delivery being due, to the provider's yes.", "channel", "replica"),
    _histogram("provider_answer_seconds", "How long a provider took to answer.", "channel", "replica"),
    _counter("provider_answers_total", "Taken, or refused without fault of the address.", "channel", "outcome", "replica"),
    _gauge("channel_alarm", "Whether a provider takes nothing from us until an admin mends it.", "channel"),
    _counter("bot_errands_total", "Codes, tests and notices that were carried out.", "replica"),
    _gauge("relay_listeners", "Pages and scripts that listen.", "replica"),
    _counter("relay_dropped_total", "Listeners that were dropped because they did not read.", "replica"),
    _counter("relay_held_back_total", "Frames that a slow listener was spared.", "replica"),
    _counter("sign_ins_total", "Sessions that were begun with a password.", "replica"),
    _counter("sign_ins_refused_total", "Sign-ins refused: password, code, throttled, unavailable.", "reason", "replica"),
    _gauge("redis_up", "Whether it answers: hot has ticks and rules, queue the jobs, where they have their own.", "server"),
    _gauge("redis_info", "1; the label tells the version.", "server", "node", "version"),
    _gauge("redis_start_time_seconds", "When the server was started.", "server", "node"),
    _gauge("redis_memory_used_bytes", "Memory that the data takes.", "server", "node"),
    _gauge("redis_memory_limit_bytes", "maxmemory; 0: none is set.", "server", "node"),
    _gauge("redis_clients", "Connections.", "server", "node"),
    _gauge("redis_aof_enabled", "Whether the append-only file is on.", "server", "node"),
    _gauge("redis_aof_ok", "Whether the newest write and rewrite of the append-only file succeeded.", "server", "node"),
    _counter("redis_evicted_keys_total", "Keys that the server threw away for want of memory.", "server", "node"),
    _counter("redis_commands_total", "Commands that were carried out.", "server", "node"),
    _gauge("store_up", "Whether the store answers the dashboard."),
    _gauge("store_answer_seconds", "How long the store took to answer the dashboard just now."),
)  # fmt: skip
BY_NAME = {metric.name: metric for metric in METRICS}
