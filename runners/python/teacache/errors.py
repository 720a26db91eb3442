"""The one exception of this package."""


class TeaCacheError(RuntimeError):
    """What a user can put right: "where: what must be ... but is ..."."""

    def __init__(self, where: str, message: str):
        super().__init__(f"{where}: {message}")
