"""Tables of what regularizers notice and cost."""

from benchmarks.layout import load, markdown, source, table


@table
def regularizers_peers() -> str:
    """SIGReg beside other packages' SIGRegs, equal values checked first."""
    result = load("regularizers_peers")
    rows = [
        [
            row["what"] if row["package"] == "leworld" else "SIGReg",
            f"{row['package']} {row['version']}",
            f"{row['times_longer']:.1f}",
            f"{row['value_error']:.0e}" if "value_error" in row else "-",
        ]
        for row in result["rows"]
    ]
    head = ["forward + backward", "package", "time, first row = 1", "largest difference of values, relative"]
    shape = tuple(result["settings"]["shape"])
    return (
        f"At {shape} with {result['settings']['slices']} slices and {result['settings']['knots']} knots, "
        f"equal directions for equal seeds:\n\n{markdown(head, rows)}\n\n{source(result)}"
    )


@table
def regularizers_cost() -> str:
    """Time of every regularizer beside SIGReg."""
    result = load("regularizers_cost")
    rows = [
        [f"`{row['what']}`", f"{1 / row['ratio']:.2f}"]
        for row in sorted(result["rows"], key=lambda row: -row["ratio"])
    ]
    head = ["regularizer", "time, SIGReg = 1"]
    return (
        f"Forward and backward at {tuple(result['settings']['shape'])}, defaults, "
        f"{result['settings']['slices']} directions where there are any:\n\n"
        f"{markdown(head, rows)}\n\n{source(result)}"
    )


@table
def regularizers_noise() -> str:
    """Noise of value and gradient against the number of slices."""
    result = load("regularizers_noise")
    lines: dict[tuple[str, int, str], list[str]] = {}
    slices = list(dict.fromkeys(row["slices"] for row in result["rows"]))
    for row in result["rows"]:
        cell = f"{row['gradient_cosine']:.3f} ({100 * row['value_sd']:.2g} %)"
        lines.setdefault((row["samples"], row["dim"], row["directions"]), []).append(cell)
    rows = [[name, str(dim), kind, *cells] for (name, dim, kind), cells in lines.items()]
    head = ["samples", "dim", "directions", *(f"{count} slices" for count in slices)]
    return (
        f"Mean cosine between SIGReg's gradient and ExactSIGReg's, and in brackets the standard deviation of "
        f"SIGReg's value relative to ExactSIGReg's, over {result['settings']['draws']} draws of directions "
        f"for {result['settings']['samples']} samples:\n\n{markdown(head, rows)}\n\n{source(result)}"
    )


def power(kind: str, *, only: str = "") -> str:
    """Shares of rejections, in per cent; `only` keeps what it wraps and strips it off the names."""
    result = load("regularizers_power")
    found = [row for row in result["rows"] if row["kind"] == kind and row["what"].startswith(only)]
    names = [row["what"].removeprefix(f"{only}(").removesuffix(")" if only else "") for row in found]
    columns = list(found[0]["power"])
    rows = [
        [f"`{name}`", *(f"{100 * row['power'][column]:.0f}" for column in columns)]
        for name, row in zip(names, found, strict=True)
    ]
    return f"{markdown(['per cent', *columns], rows)}\n\n{source(result)}"


@table
def regularizers_power() -> str:
    """What each regularizer notices."""
    return power("multivariate")


@table
def normality_power() -> str:
    """What each univariate statistic notices."""
    return power("univariate")


@table
def normality_power_multivariate() -> str:
    """What each multivariate statistic notices."""
    return power("multivariate", only="MultivariateNormality")
