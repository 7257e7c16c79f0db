"""Mail by SMTP (RFC 5321), with every way it can go wrong told apart."""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import parseaddr
from enum import StrEnum
from typing import Literal, NoReturn

from aiosmtplib import SMTP as Client
from aiosmtplib import SMTPException, SMTPResponseException, SMTPServerDisconnected
from aiosmtplib.response import SMTPResponse

from usecases.ports import Mail, MailFault

START_INPUT = 354
ENHANCED_STATUS = re.compile(r"[245]\.\d{1,3}\.\d{1,3}(?= |$)")
ADDRESS = re.compile(r"[^\s<>\"]+@[^\s<>\"]+")
LINE_START_DOT = re.compile(rb"(?m)^\.")
