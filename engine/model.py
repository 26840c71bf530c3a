"""Values every part of the engine speaks in: kinds of core, object keys and the rows of the mirror.

Rows made by the ten thousand are NamedTuples (they build four times faster than frozen dataclasses); all else is a frozen
slots dataclass. Names above `formats/` are Livestatus column names. Times are epoch seconds by the core's clock, 0 = never.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from hashlib import blake2b
from typing import NamedTuple

import msgspec


class CoreKind(StrEnum):
    """Families of core that differ in what they read, log and write."""

    NAGIOS = "nagios"
    NAEMON = "naemon"
    ICINGA1 = "icinga1"
    ICINGA2 = "icinga2"
    CENTREON = "centreon"


class HostState(IntEnum):
    UP = 0
    DOWN = 1
    UNREACHABLE = 2


class ServiceState(IntEnum):
    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


class ObjectKey(NamedTuple):
    """A host (`service` is None) or a service on one poller."""

    poller: int
    host: str
    service: str | None = None


class HostStatus(NamedTuple):
    """What the status file says of one host. Pending is `has_been_checked == 0`."""

    name: str
    state: int
    state_type: int
    has_been_checked: int
    plugin_output: str
    long_plugin_output: str
    perf_data: str
    check_command: str
    check_period: str
    notification_period: str
    event_handler: str
    event_handler_period: str
    check_interval: float
    retry_interval: float
    current_attempt: int
    max_check_attempts: int
    last_check: float
    next_check: float
    last_state_change: float
    last_hard_state_change: float
    last_hard_state: int
    last_time_up: float
    last_time_down: float
    last_time_unreachable: float
    last_notification: float
    next_notification: float
    current_notification_number: int
    execution_time: float
    latency: float
    check_type: int
    check_options: int
    percent_state_change: float
    acknowledged: int
    acknowledgement_type: int
    acknowledgement_end_time: float
    scheduled_downtime_depth: int
    is_flapping: int
    checks_enabled: int
    accept_passive_checks: int
    notifications_enabled: int
    event_handler_enabled: int
    flap_detection_enabled: int
    process_performance_data: int
    obsess: int
    should_be_scheduled: int
    no_more_notifications: int
    modified_attributes: int
    last_update: float
    custom_variables: str  # a JSON object of strings, names without the underscore
    block_hash: int  # the scanner's hash of the block, -1 when the row was touched by the log lane


class ServiceStatus(NamedTuple):
    """What the status file says of one service."""

    host_name: str
    description: str
    state: int
    state_type: int
    has_been_checked: int
    plugin_output: str
    long_plugin_output: str
    perf_data: str
    check_command: str
    check_period: str
    notification_period: str
    event_handler: str
    event_handler_period: str
    check_interval: float
    retry_interval: float
    current_attempt: int
    max_check_attempts: int
    last_check: float
    next_check: float
    last_state_change: float
    last_hard_state_change: float
    last_hard_state: int
    last_time_ok: float
    last_time_warning: float
    last_time_critical: float
    last_time_unknown: float
    last_notification: float
    next_notification: float
    current_notification_number: int
    execution_time: float
    latency: float
    check_type: int
    check_options: int
    percent_state_change: float
    acknowledged: int
    acknowledgement_type: int
    acknowledgement_end_time: float
    scheduled_downtime_depth: int
    is_flapping: int
    checks_enabled: int
    accept_passive_checks: int
    notifications_enabled: int
    event_handler_enabled: int
    flap_detection_enabled: int
    process_performance_data: int
    obsess: int
    should_be_scheduled: int
    no_more_notifications: int
    modified_attributes: int
    last_update: float
    custom_variables: str
    block_hash: int


class DowntimeStatus(NamedTuple):
    """One hostdowntime or servicedowntime block."""

    host_name: str
    service_description: str | None
    core_id: int
    entry_time: float
    start_time: float
    end_time: float
    actual_start: float  # flex_downtime_start, 0 when the core does not say
    triggered_by: int
    fixed: int
    duration: float
    is_in_effect: int  # -1 when that core does not write it
    start_notification_sent: int
    author: str
    comment: str
    block_hash: int


class CommentStatus(NamedTuple):
    """One hostcomment or servicecomment block."""

    host_name: str
    service_description: str | None
    core_id: int
    entry_type: int  # 1 user, 2 downtime, 3 flapping, 4 acknowledgement
    source: int
    persistent: int
    entry_time: float
    expires: int
    expire_time: float
    author: str
    comment: str
    block_hash: int


class ContactStatus(NamedTuple):
    """One contactstatus block."""

    name: str
    host_notifications_enabled: int
    service_notifications_enabled: int
    host_notification_period: str
    service_notification_period: str
    last_host_notification: float
    last_service_notification: float
    modified_attributes: int
    modified_host_attributes: int
    modified_service_attributes: int
    custom_variables: str  # a JSON object of strings, names without the underscore
    block_hash: int


class HostConfig(NamedTuple):
    """What the object cache says of one host; lists are tuples in the core's order."""

    name: str
    alias: str
    display_name: str
    address: str
    icon_image: str
    icon_image_alt: str
    notes: str
    notes_url: str
    action_url: str
    check_command: str
    check_period: str
    check_interval: float
    notification_interval: float
    notification_options: str
    notification_period: str
    max_check_attempts: int
    parents: tuple[str, ...]
    contacts: tuple[str, ...]
    contact_groups: tuple[str, ...]
    custom_variables: str  # a JSON object of strings, names without the underscore
    directives: str = "{}"  # a JSON object: what has no field here, as written; left out is what every core writes by default


class ServiceConfig(NamedTuple):
    """What the object cache says of one service."""

    host_name: str
    description: str
    display_name: str
    icon_image: str
    icon_image_alt: str
    notes: str
    notes_url: str
    action_url: str
    check_command: str
    check_period: str
    check_interval: float
    notification_interval: float
    notification_options: str
    notification_period: str
    max_check_attempts: int
    contacts: tuple[str, ...]
    contact_groups: tuple[str, ...]
    custom_variables: str
    directives: str = "{}"


class GroupConfig(NamedTuple):
    """A hostgroup, servicegroup or contactgroup. Members: (host, None), (host, service) or (contact, None)."""

    kind: str  # "hostgroup" | "servicegroup" | "contactgroup"
    name: str
    alias: str
    members: tuple[tuple[str, str | None], ...]
    notes: str = ""
    notes_url: str = ""
    action_url: str = ""


def group_id(kind: str, name: str) -> int:
    """The public id of a group. It follows from the name, as a group of one name is one group on whatever pollers it stands.

    48 bits, which every client's numbers hold: two of a thousand groups share one with a probability of 2 in a billion.
    """
    return int.from_bytes(blake2b(f"{kind}\0{name}".encode("utf-8", "surrogateescape"), digest_size=6).digest())


class ContactConfig(NamedTuple):
    """What the object cache says of one contact; the option letters are the core's, `n` for none."""

    name: str
    alias: str
    email: str
    can_submit_commands: int
    pager: str = ""
    host_notification_period: str = ""
    service_notification_period: str = ""
    host_notification_options: str = ""
    service_notification_options: str = ""
    host_notification_commands: tuple[str, ...] = ()
    service_notification_commands: tuple[str, ...] = ()
    host_notifications_enabled: int = 1
    service_notifications_enabled: int = 1
    custom_variables: str = "{}"  # a JSON object of strings, names without the underscore
    directives: str = "{}"


class TimeperiodConfig(NamedTuple):
    """One timeperiod. `ranges`: what is said of each day, in the core's order, e.g. ("monday", "09:00-17:00")."""

    name: str
    alias: str
    ranges: tuple[tuple[str, str], ...]
    exclude: tuple[str, ...]


class CommandConfig(NamedTuple):
    """One of the core's own commands (check, notification, event handler). Macros in `line` are unresolved."""

    name: str
    line: str
    custom_variables: str = "{}"  # of Icinga 2: the command's own variables


class EscalationConfig(NamedTuple):
    """Who else is told of a host's (`service_description` "") or a service's problem from some notification on."""

    host_name: str
    service_description: str
    first_notification: int
    last_notification: int
    notification_interval: float
    escalation_period: str
    escalation_options: str
    contacts: tuple[str, ...]
    contact_groups: tuple[str, ...]


class ServiceParentConfig(NamedTuple):
    """A service that another one hangs on (`parents` of a service in Nagios 4)."""

    host_name: str
    service_description: str
    parent_host_name: str
    parent_service_description: str


class DependencyConfig(NamedTuple):
    """What is not checked (`kind` execution) or not told (notification) while another object is in trouble."""

    kind: str
    host_name: str
    service_description: str  # "" between hosts
    dependent_host_name: str
    dependent_service_description: str
    dependency_period: str
    inherits_parent: int
    failure_options: str


class ObjectCache(msgspec.Struct, frozen=True):
    """One object cache, parsed whole. `hosts` and `services` may be empty for a core that writes none."""

    hosts: tuple[HostConfig, ...] = ()
    services: tuple[ServiceConfig, ...] = ()
    groups: tuple[GroupConfig, ...] = ()
    contacts: tuple[ContactConfig, ...] = ()
    timeperiods: tuple[TimeperiodConfig, ...] = ()
    commands: tuple[CommandConfig, ...] = ()
    escalations: tuple[EscalationConfig, ...] = ()
    dependencies: tuple[DependencyConfig, ...] = ()
    service_parents: tuple[ServiceParentConfig, ...] = ()


class Generation(msgspec.Struct, frozen=True):
    """The head of one status file as the core wrote it.

    `created` and `program_start` are by the core's clock; `read_at` is ours. `program` holds the programstatus block's
    raw key/value pairs, `version` the info block's.
    """

    created: float
    program_start: float
    version: str
    read_at: float
    program: dict[str, str] = msgspec.field(default_factory=dict)


class HostView(NamedTuple):
    """A host as people see it: the mirror's row with its public id, its poller and its configuration."""

    id: int
    poller: int
    poller_name: str
    status: HostStatus
    config: HostConfig


class ServiceView(NamedTuple):
    """A service as people see it, with its host's names and state beside it."""

    id: int
    poller: int
    poller_name: str
    status: ServiceStatus
    config: ServiceConfig
    host_id: int
    host_alias: str
    host_display_name: str
    host_address: str
    host_state: int
    host_has_been_checked: int
    host_acknowledged: int
    host_scheduled_downtime_depth: int


class PollerView(NamedTuple):
    """A poller's truth as last seen. `detail` says what is wrong with either file and what to do."""

    number: int
    name: str
    kind: str
    version: str
    program_start: float
    created: float  # of the newest applied generation, core's clock
    generation: int  # counts applied generations
    read_at: float  # our clock when that generation was read
    clock_offset_s: float  # core's clock minus ours
    status_update_interval_s: float
    command_file_health: str  # "reading" | "no_reader" | "missing" | "not_a_fifo" | "not_writable" | "stalled" | "unknown"
    status_file_health: str  # "fresh" | "missing" | "unreadable" | "broken" | "unknown"; age is judged by the reader
    detail: str
