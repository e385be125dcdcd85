"""Serve the explorer until it is interrupted."""

from collections.abc import Callable

from .._checks import check_number, describe, plain_numbers
from ..errors import ConfigError
from ._explorer import Explorer
from ._server import LOOPBACK, Server


@plain_numbers
def serve(explorer: Explorer, *, port: int = 0, on_ready: Callable[[str], object] | None = None) -> None:
    """Show an explorer on a local page until Ctrl-C.

    The page is served on 127.0.0.1 only, under an address with a random token, and loads nothing from
    outside. Requests of other sites' pages are refused: each must name this server in `Host`, carry the token
    and come from this page. The model answers one question at a time. Everybody who can read the address can
    ask, so do not share it.

    Args:
        explorer: What is shown.
        port: Where to listen; 0 for any free port.
        on_ready: Called with the address once the page can be opened, for example to print it.

    Raises:
        ConfigError: No explorer, or a port that is none, is taken or may not be used.
        KeyboardInterrupt: Ctrl-C, after everything was closed.

    Example:
        ```python
        import leworld
        from leworld.explorer import Explorer, serve
        from leworld.tasks import task_of

        model = leworld.load("lewm-tworoom-tiny")
        explorer = Explorer(model, task_of(model).held_out(2))

        def stop(address):  # a program would print the address, and go on
            assert address.startswith("http://127.0.0.1:")
            raise KeyboardInterrupt

        try:
            serve(explorer, on_ready=stop)
        except KeyboardInterrupt:
            pass
        ```
    """
    if not isinstance(explorer, Explorer):
        raise ConfigError(
            "serve needs an Explorer", f"it was given {describe(explorer)}", "Make Explorer(model, episodes)"
        )
    check_number("serve", "port", port, low=0, high=65535, integer=True)
    if on_ready is not None and not callable(on_ready):
        raise ConfigError(
            "serve needs `on_ready` to be a function of the address, or None",
            f"it is {describe(on_ready)}",
            "Pass for example `print`",
        )
    try:
        server = Server(explorer, int(port))
    except OSError as error:
        raise ConfigError(
            f"serve needs a free port of {LOOPBACK}",
            f"listening on port {port} failed ({error.strerror})",
            "Choose another port, or 0 for any free one",
        ) from error
    try:
        if on_ready is not None:
            on_ready(server.address)
        server.serve_forever(poll_interval=0.2)
    finally:
        server.server_close()
