"""What every request passes through before its endpoint, outermost first in `api/app.py`."""
