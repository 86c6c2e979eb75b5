# SPDX-License-Identifier: ISC
"""The three MTAs by name, each with the samples that are for it."""
import pytest

import exim
import jail
import opensmtpd
import postfix

MTAS = {"postfix": (postfix.Postfix, postfix.MAIN, postfix.MASTER),
        "exim": (exim.Exim, exim.SAMPLE, exim.SAMPLE),
        "opensmtpd": (opensmtpd.OpenSMTPD, opensmtpd.SAMPLE,
                      opensmtpd.SAMPLE)}


def make(name):
    """The MTA, to be started; or the test is skipped."""
    reason = jail.trouble(name)
    if reason:
        pytest.skip(reason)
    return MTAS[name][0]()
