"""What a person reads once everything is up."""

from ops.launch import demo
from ops.launch.plan import RunPlan
from stormalert.redis import acl

FIRST_ADMIN = "admin"


def heading(plan: RunPlan) -> str:
    if plan.recording:
        return f"StormAlert plays {plan.recording.file} (data in {plan.data})"
    return f"StormAlert starts with {'a demo market' if plan.is_demo else 'your Kite account'} (data in {plan.data})"


def place(plan: RunPlan, name: str) -> str:
    """Where a process can be found, for those that have an address."""
    config = plan.settings
    return {
        "redis": f"port {config.redis_port}",
        "sandbox": plan.sandbox_url,
        "dashboard": plan.dashboard_url,
        "board": plan.board_url,
        "relay": f"port {config.relay_port}",
    }.get(name, "")


def announcement(plan: RunPlan, first_password: str) -> str:
    lines = ["", f"  Dashboard    {plan.dashboard_url}"]
    if plan.is_demo:
        lines += [f"  Sign in as   {demo.USER}, password {plan.demo_password}", f"  Outbox       {plan.sandbox_url}/outbox"]
    elif first_password:
        lines.append(f"  Sign in as   {FIRST_ADMIN}, password {first_password} (shown only now: note it down)")
    lines.append(f"  Queue board  {plan.board_url} (after signing in at the dashboard)")
    if plan.is_redis_ours:
        # The shell reads the password, so that it is neither shown here nor in a process list.
        password = f"$(cat {acl.password_file(plan.redis_passwords, acl.ADMIN)})"
        lines.append(f"  Redis        REDISCLI_AUTH={password} redis-cli --user {acl.ADMIN} -p {plan.settings.redis_port}")
    lines += [f"  Logs         {plan.logs}/", "", "  Ctrl-C stops everything.", ""]
    return "\n".join(lines)
