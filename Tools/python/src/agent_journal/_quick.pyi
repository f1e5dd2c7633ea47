def bind(address: int | None, /) -> None: ...
def add_text(
    journal: int,
    conversation: object,
    content: object,
    role: object,
    mime_type: object,
    idempotency_key: object,
    unless_shared: bool,
    /,
) -> tuple[int, int, int, int] | int | None: ...
