"""What the comparison with other libraries says when it is done: how much it compared."""

import pytest

collect_ignore = ["in_jax.py", "in_torch.py"]  # tables, which need the libraries to be read


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Count what the tests report of themselves, in however many processes they ran."""
    rows: dict[str, set[object]] = {"PyTorch": set(), "JAX": set()}
    differences, known = set(), set()
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, ()):
            for name, value in getattr(report, "user_properties", ()):
                library = name.removeprefix("compared with ")
                if library in rows:
                    rows[library].add(value)
                elif name == "known to differ":
                    known.add(report.nodeid)
                if outcome == "failed":
                    differences.add(report.nodeid)
    if any(rows.values()):
        terminalreporter.write_line(
            f"{len(rows['PyTorch'])} rows compared with PyTorch, {len(rows['JAX'])} with JAX, "
            f"{len(differences)} differences; {len(known - differences)} disagreements as recorded"
        )
