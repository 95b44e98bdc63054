"""What a visitor is told who may not: the same as one who asks for what is not there."""

from collections.abc import Mapping
from typing import ClassVar

from data.errors import DealcastError

__all__ = ["NotFound", "NotSignedIn"]


class NotFound(DealcastError):  # noqa: N818 - named after what the visitor is told
    """Nothing here for this visitor: it does not exist, or they may not know that it does. HTTP 404."""

    status = 404

    def __init__(self, message: str = "There is nothing here, or nothing that you may see.") -> None:
        super().__init__(message)


class NotSignedIn(DealcastError):  # noqa: N818 - named after what the visitor is told
    """Nobody, or nobody any more. HTTP 401; `sign_in`: path of the page that leads in, if there is one."""

    status = 401
    headers: ClassVar[Mapping[str, str]] = {"WWW-Authenticate": "Bearer"}

    def __init__(self, message: str, sign_in: str | None = None) -> None:
        super().__init__(message)
        self.sign_in = sign_in
