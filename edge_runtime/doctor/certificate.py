"""The device's own certificate: until when, and whether it is renewed in time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from edge_runtime.doctor.base import CheckContext, Finding
from edge_runtime.enrolment.identity import IdentityFolder

DAY_S = 86_400.0
SOON_DAYS = 30.0
# It is renewed from half of its life on: later than this, tries must have failed for long.
OVERDUE = 0.65


def check_certificate(context: CheckContext) -> Iterator[Finding]:
    """Read the certificate's dates; a provisioned one renews itself."""
    broker = context.config.broker if context.config is not None else None
    if broker is None or broker.cert_file is None:
        text = context.text("this device has no certificate of its own")
        yield Finding("certificate", "skipped", text)
        return
    if broker.identity is not None:
        damage = IdentityFolder(context.state_dir).damage()
        if damage is not None:
            text = damage.localized(context.language)
            yield Finding("certificate", "failed", text, get_another(context))
            return
    try:
        since_s, until_s = validity_s(broker.cert_file)
    except ImportError:
        text = context.text("cannot be read: the Python package cryptography is not installed")
        yield Finding("certificate", "skipped", text)
        return
    except (OSError, ValueError):
        yield Finding(
            "certificate",
            "failed",
            context.text("{file} holds no certificate in PEM form", file=broker.cert_file),
            get_another(context),
        )
        return
    yield judge(context, since_s, until_s, renews=broker.identity is not None)


def judge(context: CheckContext, since_s: float, until_s: float, *, renews: bool) -> Finding:
    """Hold the dates against the clock."""
    now_s = context.clock.now().wall_s
    days = (until_s - now_s) / DAY_S
    day = time.strftime("%Y-%m-%d", time.gmtime(until_s))
    if days <= 0:
        text = context.text("this device's certificate has expired on {day}", day=day)
        return Finding("certificate", "failed", text, get_another(context))
    text = context.text("good until {day}, {days:.0f} days", day=day, days=days)
    if not renews:
        advice = context.text("Put a new certificate in place before that day.")
        soon = days < SOON_DAYS
        return Finding("certificate", "warning" if soon else "ok", text, advice if soon else "")
    if (now_s - since_s) / (until_s - since_s) < OVERDUE:
        return Finding("certificate", "ok", context.text("{until}; it renews itself", until=text))
    return Finding(
        "certificate",
        "warning",
        context.text("{until}; it should have been renewed by now", until=text),
        context.text(
            "Run `sudo edge-runtime renew`: it says what stands in the way. Then see that the "
            "timer runs: `systemctl status edge-runtime-renew.timer`."
        ),
    )


def validity_s(file: Path) -> tuple[float, float]:
    """Return the first and last moment of a certificate. Raises OSError, ValueError, ImportError.

    cryptography comes with the extra `provision`: the daemon does without it.
    """
    from cryptography.x509 import load_pem_x509_certificate

    certificate = load_pem_x509_certificate(file.read_bytes())
    return (
        certificate.not_valid_before_utc.timestamp(),
        certificate.not_valid_after_utc.timestamp(),
    )


def get_another(context: CheckContext) -> str:
    """Return what to do without a certificate that can be used."""
    return context.text("Ask the office for a new claim, then run `sudo edge-runtime provision`.")
