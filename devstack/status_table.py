"""The stack at a glance: what runs, where it is reached, where its log is."""

from rich.table import Table

from devstack.supervisor import Stack

_API_PAGES = {
    "Console": "/console/",
    "API documentation": "/docs",
    "API metrics": "/metrics",
    "API health": "/readyz",
}
_SANDBOX_PAGES = {"Sandbox books": "/control/trades", "Sandbox cashier": "/alipay/cashier/<code>"}


def status_table(stack: Stack) -> Table:
    """Every address a person may want, and which processes run."""
    table = Table(title="Paycenter", title_justify="left", show_lines=False, pad_edge=False)
    table.add_column("What", no_wrap=True)
    table.add_column("Where", overflow="fold")
    for name, path in _API_PAGES.items():
        table.add_row(name, f"{stack.api_url}{path}")
    table.add_row("Temporal UI", stack.temporal_ui_url or "(not known)")
    where = f"{stack.temporal_address}, namespace {stack.temporal_namespace}"
    table.add_row("Temporal server", where)
    for name, path in _SANDBOX_PAGES.items():
        table.add_row(name, f"{stack.sandbox_url}{path}")
    for component in stack.components:
        if component.name.startswith("worker"):
            table.add_row(f"{component.name} metrics", f"{stack.plan.url(component.name)}/metrics")
    folder = stack.data_directory
    table.add_row("Admin key", f"PAYCENTER_ADMIN_KEY in {folder / 'secrets.env'}")
    first = f"paycenter operators --data {folder} create <login> --name <name> --role admin"
    table.add_row("First operator", first)
    table.add_row("Logs", str(folder / "logs"))
    table.add_section()
    for component in stack.components:
        state = f"running, pid {component.pid}" if component.is_running else "down"
        table.add_row(component.name, f"{state}, log {component.log_file}")
    return table
